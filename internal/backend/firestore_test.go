package backend_test

import (
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"

	"gamefill/internal/backend"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/test/emulator"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		address string
		want    string // part of the error, "" for none
	}{
		{"file", "sqlite:gamefill.db", ""},
		{"firestore", "firestore://proj/ledger", ""},
		{"firestore, default database", "firestore://proj", ""},
		{"firestore, default database by name", "firestore://proj/(default)", ""},
		{"firestore with prefix", "firestore://proj/ledger?prefix=staging_", ""},
		{"unknown scheme", "kafka:x", "firestore://PROJECT/DATABASE"},
		{"no scheme", "gamefill.db", "unknown scheme"},
		{"no file", "sqlite:", "the file is missing"},
		{"parameter of a file", "sqlite:x.db?mode=ro", `unknown parameter "mode"; sqlite: takes none`},
		{"firestore, unknown parameter", "firestore://proj/ledger?region=eu",
			`unknown parameter "region"; firestore: takes prefix`},
		{"firestore, parameter twice", "firestore://proj/ledger?prefix=a&prefix=b", `parameter "prefix" is given 2 times`},
		{"firestore, prefix with a slash", "firestore://proj/ledger?prefix=a/b", "no slash"},
		{"firestore without slashes", "firestore:proj/ledger", "want firestore://PROJECT/DATABASE"},
		{"firestore without project", "firestore:///ledger", "want firestore://PROJECT/DATABASE"},
		{"firestore with an empty database", "firestore://proj/", "want firestore://PROJECT/DATABASE"},
		{"firestore with a path", "firestore://proj/ledger/runs", "want firestore://PROJECT/DATABASE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := backend.Addresses{Queue: backend.Default, Ledger: tt.address, Warehouse: backend.Default}.Validate()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case tt.want != "" &&
				(err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "--ledger")):
				t.Errorf("got error %v, want one of --ledger with %q", err, tt.want)
			}
		})
	}
}

func TestFirestoreIsForTheLedgerOnly(t *testing.T) {
	t.Parallel()
	const address = "firestore://proj/ledger"
	err := backend.Addresses{Queue: address, Ledger: address, Warehouse: address}.Validate()
	if err == nil || !strings.Contains(err.Error(), "--queue") || !strings.Contains(err.Error(), "--warehouse") ||
		strings.Contains(err.Error(), "--ledger") {
		t.Errorf("got error %v, want one of --queue and --warehouse alone", err)
	}
}

func TestOpenFirestore(t *testing.T) {
	t.Parallel()
	emulator.Firestore(t)
	file := "sqlite:" + filepath.Join(t.TempDir(), "gamefill.db")
	prefix := rand.Text()
	open := func(prefix string) *backend.Backend {
		b, err := backend.Open(t.Context(),
			backend.Addresses{Queue: file, Ledger: "firestore://gamefill-test?prefix=" + prefix, Warehouse: file},
			backend.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		return b
	}
	day := gamedate.MustParse("2022-01-15")
	run := ledger.Run{ID: "run-1", Job: "j", Target: "t", Range: gamedate.Range{From: day, To: day}}
	if err := open(prefix).Ledger.CreateRun(t.Context(), run, nil); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{prefix: "t", prefix + "2": ""} {
		got, err := open(p).Ledger.Target(t.Context(), "j")
		if err != nil || got != want {
			t.Errorf("target under prefix %s: got %q, %v, want %q", p, got, err, want)
		}
	}
}
