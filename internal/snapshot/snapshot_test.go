package snapshot_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/failure"
	"gamefill/internal/faultinject/faulttest"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/snapshot"
	"gamefill/internal/sqlitefile"
	"gamefill/internal/table"
	"gamefill/internal/testjob"
	"gamefill/internal/warehouse"
	"gamefill/internal/warehouse/sqlitewarehouse"
)

func TestTable(t *testing.T) {
	t.Parallel()
	got := snapshot.Table(testjob.Target, "r20260102-030405-abcdef")
	want := *testjob.Target
	want.Name, want.Expires = "rain_per_day_before_r20260102_030405_abcdef", snapshot.Retention
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
	if testjob.Target.Name != "rain_per_day" {
		t.Errorf("the target itself: got name %s", testjob.Target.Name)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	facts := func(run, fingerprint string) *ledger.Facts {
		return &ledger.Facts{Run: run, Fingerprint: fingerprint, PreImage: "old", PreImageRows: 4, Kept: true}
	}
	write := ledger.WriteRecord{Generation: 1, Run: "r1", Fingerprint: "new", PreImage: "old", PreImageRows: 4}
	rollback := ledger.WriteRecord{Generation: 2, Run: "r1", Fingerprint: "new", Rollback: true}
	emptied := ledger.WriteRecord{Generation: 1, Run: "r1", Fingerprint: table.Empty, PreImage: "old", PreImageRows: 4}
	created := ledger.WriteRecord{Generation: 1, Run: "r1", Fingerprint: "new", PreImage: table.Empty}
	old := snapshot.PreImage{Fingerprint: "old", Rows: 4, Kept: true}
	tests := []struct {
		name        string
		entry       ledger.Entry
		fingerprint string
		rows        int
		want        snapshot.PreImage
		own         bool
	}{
		{"first time, nothing there", ledger.Entry{Run: "r1"}, table.Empty, 0,
			snapshot.PreImage{Fingerprint: table.Empty}, false},
		{"first time, rows there", ledger.Entry{Run: "r1"}, "old", 4, old, false},
		{"announced by this run", ledger.Entry{Run: "r1", Write: write}, "new", 5, old, true},
		{"announced and not written", ledger.Entry{Run: "r1", Write: write}, "old", 4, old, false},
		{"announced over nothing", ledger.Entry{Run: "r1", Write: created}, "new", 5,
			snapshot.PreImage{Fingerprint: table.Empty}, true},
		{"emptied by this run", ledger.Entry{Run: "r1", Write: emptied}, table.Empty, 0, old, true},
		{"announced by an earlier run", ledger.Entry{Run: "r2", Write: write}, "new", 5,
			snapshot.PreImage{Fingerprint: "new", Rows: 5, Kept: true}, false},
		{"put back by a rollback", ledger.Entry{Run: "r1", Write: rollback}, "new", 5,
			snapshot.PreImage{Fingerprint: "new", Rows: 5, Kept: true}, false},
		{"completed by this run", ledger.Entry{Run: "r1", Facts: facts("r1", "new")}, "new", 5, old, true},
		{"completed by an earlier run", ledger.Entry{Run: "r2", Facts: facts("r1", "new")}, "new", 5,
			snapshot.PreImage{Fingerprint: "new", Rows: 5, Kept: true}, false},
		{"somebody else wrote since", ledger.Entry{Run: "r1", Write: write, Facts: facts("r1", "new")}, "theirs", 6,
			snapshot.PreImage{Fingerprint: "theirs", Rows: 6, Kept: true}, false},
		{"announced by a build without runs in its records",
			ledger.Entry{Run: "r1", Write: ledger.WriteRecord{Generation: 1}}, "new", 5,
			snapshot.PreImage{Fingerprint: "new", Rows: 5, Kept: true}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, own := snapshot.Find(tt.entry, tt.fingerprint, tt.rows)
			if got != tt.want || own != tt.own {
				t.Errorf("got %+v, own %v, want %+v, %v", got, own, tt.want, tt.own)
			}
		})
	}
}

func openStore(t *testing.T) warehouse.Store {
	t.Helper()
	f, err := sqlitefile.Open(t.Context(), filepath.Join(t.TempDir(), "w.db"), sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	w, err := sqlitewarehouse.New(t.Context(), f, sqlitewarehouse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var day = gamedate.MustParse("2022-03-07")

// rain returns a row a station, with everything that a table can hold of it.
func rain(tenths int64, stations ...string) []table.Row {
	var rows []table.Row
	for _, s := range stations {
		rows = append(rows,
			table.Row{table.Date(day), table.String(s), table.Null, table.Int(tenths), table.Timestamp(day.Time()),
				table.String("seen by hand")})
	}
	return rows
}

func TestKeep(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	fence := warehouse.Fence{Job: testjob.Name, Run: "r-1", Generation: 3}
	keep := func(rows []table.Row) {
		t.Helper()
		if _, err := snapshot.Keep(t.Context(), store, testjob.Target, day, fence, rows); err != nil {
			t.Fatal(err)
		}
		p, err := store.Read(t.Context(), snapshot.Table(testjob.Target, "r-1"), day)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(testjob.Target.ContentFingerprint(rows), testjob.Target.ContentFingerprint(p.Rows)); diff != "" ||
			p.Rows[0][4].Compare(rows[0][4]) != 0 {
			t.Errorf("kept: got %v, want %v", p.Rows, rows)
		}
	}
	keep(rain(12, "north", "south"))
	keep(rain(12, "north", "south"))
	keep(append(rain(13, "north", "north"), rain(7, "hill")...)) // doubled keys, as tables of others have them
	if _, err := store.Read(t.Context(), testjob.Target, day); !errors.Is(err, warehouse.ErrNoTable) {
		t.Errorf("the target: got %v, want it untouched", err)
	}
}

func TestKeepFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	tests := []struct {
		name  string
		fault faulttest.Fault
		want  failure.Class
	}{
		{"write", faulttest.Fault{Method: faulttest.Replace, Effect: faulttest.Fail, Err: failure.MarkPermanent(boom, "x")},
			failure.Permanent},
		{"making the table",
			faulttest.Fault{Method: faulttest.Create, Effect: faulttest.Fail, Err: failure.MarkEnvironment(boom, "x")},
			failure.Environment},
		{"measure", faulttest.Fault{Method: faulttest.Measure, Effect: faulttest.Fail, Err: boom}, failure.Transient},
		{"rows that were never stored", faulttest.Fault{Method: faulttest.Replace, Skip: 1, Effect: faulttest.Pretend},
			failure.Transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := faulttest.Warehouse(openStore(t), tt.fault)
			_, err := snapshot.Keep(t.Context(), store, testjob.Target, day, warehouse.Fence{Run: "r1", Generation: 1},
				rain(12, "north"))
			if err == nil || failure.ClassOf(err) != tt.want {
				t.Errorf("got %v (%v), want an error of class %v", err, failure.ClassOf(err), tt.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := snapshot.Keep(ctx, openStore(t), testjob.Target, day, warehouse.Fence{Run: "r1", Generation: 1},
		rain(12, "north")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v, want %v", err, context.Canceled)
	}
}
