package job_test

import (
	"encoding/json"
	"testing"

	"gamefill/internal/job"
)

func TestAmounts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]job.Amount{
		"0": 0, "5": job.Whole(5), "0.5": 5000, "2.0": job.Whole(2), "0.0001": 1, "1000000": job.Whole(1_000_000),
		"none": job.None,
	} {
		got, err := job.ParseAmount(text)
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
		again, err := job.ParseAmount(got.String())
		if err != nil || again != got {
			t.Errorf("%q is written %q and reads back as %v, %v", text, got.String(), again, err)
		}
	}
	for _, text := range []string{"", "-1", "+1", "1e3", ".5", "5.", "1.00001", "1000000.0001", "1000001",
		"99999999999999999999", "None", "5%", "1_000"} {
		if got, err := job.ParseAmount(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

// Bounds are exact: one row more than a bound allows is beyond it, however little that is in percent.
func TestThresholdEdges(t *testing.T) {
	t.Parallel()
	most := job.Threshold{Unit: "% of rows", Bounds: job.Bounds{Warn: 5000, Fail: job.Whole(5)}} // 0.5 % and 5 %
	least := job.Threshold{Unit: "players", Least: true, Bounds: job.Bounds{Warn: job.Whole(6), Fail: job.Whole(5)}}
	never := job.Threshold{Unit: "rows", Bounds: job.Bounds{Warn: job.Whole(1), Fail: job.None}}
	for name, tt := range map[string]struct{ got, want job.Verdict }{
		"a share at the warn bound":        {most.Share(5, 1000), job.Pass},
		"a share just over it":             {most.Share(5001, 1_000_000), job.Warned},
		"a share at the fail bound":        {most.Share(50_000, 1_000_000), job.Warned},
		"a share just over that":           {most.Share(50_001, 1_000_000), job.Failed},
		"something of nothing":             {most.Share(1, 0), job.Failed},
		"nothing of nothing":               {most.Share(0, 0), job.Pass},
		"a count at the warn bound":        {least.Count(6), job.Pass},
		"a count below it":                 {least.Count(5), job.Warned},
		"a count below the fail bound":     {least.Count(4), job.Failed},
		"a mean at a bound":                {least.Mean(60, 10), job.Pass},
		"a mean just below it":             {least.Mean(59, 10), job.Warned},
		"beyond a bound that none follows": {never.Count(1_000_000_000), job.Warned},
		"billions of rows":                 {most.Share(5_000_000, 1_000_000_000), job.Pass},
		"billions of rows and one":         {most.Share(5_000_001, 1_000_000_000), job.Warned},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %s, want %s", name, tt.got, tt.want)
		}
	}
	for want, threshold := range map[string]job.Threshold{
		"pass to 0.5%, warn to 5%": most, "pass from 6, warn from 5": least, "pass to 1": never,
	} {
		if got := threshold.Bound(); got != want {
			t.Errorf("got bound %q, want %q", got, want)
		}
	}
}

func TestThresholdsMayBeSet(t *testing.T) {
	t.Parallel()
	defaults := job.Defaults([]job.Threshold{
		{Name: "most", Unit: "% of rows", Bounds: job.Bounds{Warn: job.Whole(1), Fail: job.Whole(5)}},
		{Name: "least", Unit: "rows", Least: true, Bounds: job.Bounds{Warn: job.Whole(6), Fail: job.Whole(5)}},
	})
	tests := []struct{ name, bounds, wantErr string }{
		{"most", "2,2", ""}, {"most", "2,none", ""}, {"most", "0,100", ""}, {"least", "5,5", ""}, {"least", "7,0", ""},
		{"least", "300,none", ""},
		{"most", "2,1",
			"threshold most: 2,1: the fail bound is below the warn bound; these are the most that is good, so it must not be"},
		{"least", "5,6",
			"threshold least: 5,6: the fail bound is above the warn bound; these are the least that is good, so it must not be"},
		{"most", "none,5", "threshold most: the warn bound may not be none"},
		{"most", "1,101", "threshold most: 1,101: more than 100 %"},
		{"mots", "1,2", `unknown threshold "mots"; known are: least, most`},
	}
	for _, tt := range tests {
		b, err := job.ParseBounds(tt.bounds)
		if err != nil {
			t.Fatal(err)
		}
		got, errs := defaults.With(map[string]job.Bounds{tt.name: b})
		switch {
		case tt.wantErr == "" && (len(errs) > 0 || got[tt.name].Bounds != b || defaults[tt.name].Bounds == b):
			t.Errorf("%s=%s: got %v, %v, want it to hold there alone", tt.name, tt.bounds, got[tt.name].Bounds, errs)
		case tt.wantErr != "" && (len(errs) != 1 || errs[0].Error() != tt.wantErr):
			t.Errorf("%s=%s: got %v, want %s", tt.name, tt.bounds, errs, tt.wantErr)
		}
	}
}

func TestEffectiveThresholds(t *testing.T) {
	t.Parallel()
	j := job.Job{Thresholds: job.EngineThresholds()}
	set, _ := job.Defaults(j.Thresholds).With(
		map[string]job.Bounds{job.ThresholdPartitionWrites: {Warn: job.Whole(2), Fail: job.None}})
	settings, err := json.Marshal(map[string]any{"thresholds": set.Bounds(), "other": 1})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		string(settings): "2,none", "": "1000,30000", "{}": "1000,30000",
		`{"thresholds":{"of another build":"1,2"}}`: "1000,30000",
	} {
		got, err := j.EffectiveThresholds([]byte(text))
		if err != nil || len(got) != 1 || got[job.ThresholdPartitionWrites].Bounds.String() != want {
			t.Errorf("%s: got %v, %v, want %s", text, got, err, want)
		}
	}
	if got, err := j.EffectiveThresholds([]byte(`{"thresholds":{"x":"1"}}`)); err == nil {
		t.Errorf("bounds that are none: got %v, want an error", got)
	}
}
