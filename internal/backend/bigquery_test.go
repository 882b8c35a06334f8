package backend_test

import (
	"strings"
	"testing"

	"gamefill/internal/backend"
)

const bigqueryAddress = "bigquery://billing?raw=p.nba_raw&analytics=p.nba_analytics&" +
	"reference=example.com:p.nba_reference&location=US"

func TestBigQueryAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		address string
		want    string // part of the error, "" for none
	}{
		{"whole", bigqueryAddress, ""},
		{"fleet", bigqueryAddress + "&fleet=8", ""},
		{"endpoint over TLS", bigqueryAddress + "&endpoint=https://bigquery.example.com", ""},
		{"no project", strings.Replace(bigqueryAddress, "billing", "", 1), "want bigquery://BILLING_PROJECT"},
		{"no slashes", strings.Replace(bigqueryAddress, "//", "", 1), "want bigquery://BILLING_PROJECT"},
		{"path", strings.Replace(bigqueryAddress, "billing", "billing/dataset", 1), "want bigquery://BILLING_PROJECT"},
		{"unknown parameter", bigqueryAddress + "&region=US",
			`unknown parameter "region"; bigquery: takes raw, analytics, reference, location, endpoint, fleet`},
		{"parameter twice", bigqueryAddress + "&raw=p.other", `parameter "raw" is given 2 times`},
		{"no dataset", strings.Replace(bigqueryAddress, "&analytics=p.nba_analytics", "", 1),
			`parameter "analytics": got "", want PROJECT.DATASET`},
		{"dataset without project", strings.Replace(bigqueryAddress, "raw=p.", "raw=", 1),
			`parameter "raw": got "nba_raw", want PROJECT.DATASET`},
		{"location of the datasets", strings.Replace(bigqueryAddress, "&location=US", "", 1), ""},
		{"endpoint without scheme", bigqueryAddress + "&endpoint=localhost:9050", `parameter "endpoint"`},
		{"no fleet", bigqueryAddress + "&fleet=0", `parameter "fleet": got "0"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := backend.Addresses{Queue: backend.Default, Ledger: backend.Default, Warehouse: tt.address}.Validate()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case tt.want != "" &&
				(err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "--warehouse")):
				t.Errorf("got error %v, want one of --warehouse with %q", err, tt.want)
			}
		})
	}
	err := backend.Addresses{Queue: bigqueryAddress, Ledger: bigqueryAddress, Warehouse: bigqueryAddress}.Validate()
	if err == nil || !strings.Contains(err.Error(), "--queue") || !strings.Contains(err.Error(), "--ledger") ||
		strings.Contains(err.Error(), "--warehouse") {
		t.Errorf("BigQuery as queue and ledger: got %v, want an error naming both", err)
	}
}

func TestOpenBigQuery(t *testing.T) {
	t.Parallel()
	file := "sqlite:" + t.TempDir() + "/gamefill.db"
	b, err := backend.Open(t.Context(),
		backend.Addresses{Queue: file, Ledger: file, Warehouse: bigqueryAddress + "&endpoint=http://127.0.0.1:1"},
		backend.Options{})
	if err != nil {
		t.Fatal(err) // opening makes no call
	}
	const want = "bigquery:nba_analytics=p.nba_analytics,nba_raw=p.nba_raw,nba_reference=example.com:p.nba_reference at " +
		"http://127.0.0.1:1"
	if got, err := b.Store.Identity(t.Context()); err != nil || got != want {
		t.Errorf("identity: got %q, %v, want %q", got, err, want)
	}
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
