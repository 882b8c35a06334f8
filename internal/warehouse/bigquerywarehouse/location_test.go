package bigquerywarehouse_test

import (
	"strings"
	"testing"

	"cloud.google.com/go/bigquery"

	"gamefill/internal/failure"
	"gamefill/internal/table"
	"gamefill/internal/warehouse/bigquerywarehouse"
	"gamefill/internal/warehouse/bigquerywarehouse/bigqueryfake"
)

func TestLocationOfTheDatasets(t *testing.T) {
	t.Parallel()
	s := newService(t, bigqueryfake.Options{})
	for name, location := range map[string]string{"near": "us-west2", "beside": "us-west2", "far": "EU"} {
		if err := s.client().Dataset(name).Create(t.Context(), &bigquery.DatasetMetadata{Location: location}); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name     string
		datasets map[string]string
		says     []string // in the error; nil: none
	}{
		{"one", map[string]string{"suite": "league.near", "other": "league.beside"}, nil},
		{"two", map[string]string{"suite": "league.near", "other": "league.far"},
			[]string{"league.near in us-west2", "league.far is in EU", "one location"}},
		{"one that is missing", map[string]string{"suite": "league.near", "other": "league.nowhere"}, nil},
		{"none", map[string]string{"suite": "league.nowhere"}, []string{"league.nowhere", "create the dataset"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := bigquerywarehouse.Options{Project: "billing", Datasets: tt.datasets, Endpoint: s.url}
			w, err := bigquerywarehouse.New(t.Context(), o)
			if tt.says != nil {
				if err == nil || failure.ClassOf(err) != failure.Environment {
					t.Fatalf("got %v, want an environment failure", err)
				}
				for _, part := range tt.says {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("got %v, want it to mention %q", err, part)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			create(t, w)
			replace(t, w, 1, version(day, 1))
			want(t, w, version(day, 1))
			checkLocations(t, s)
			_, err = w.Describe(t.Context(), &table.Schema{Dataset: "other", Name: "scores", Columns: scores.Columns})
			if missing := tt.datasets["other"] == "league.nowhere"; missing != (failure.ReasonOf(err) == "no_dataset") ||
				!missing && err != nil {
				t.Errorf("a table of the other dataset: got %v, want it to be missed: %v", err, missing)
			}
		})
	}
}

// checkLocations wants every call about a job to say where its data are.
func checkLocations(t *testing.T, s *service) {
	t.Helper()
	for _, r := range s.Audit() {
		if strings.HasPrefix(r.Kind, "jobs.") && r.Location != "us-west2" {
			t.Errorf("%s: got location %q, want us-west2", r.Kind, r.Location)
		}
	}
}
