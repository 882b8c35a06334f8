package realdata

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/ledger"
)

// TestChangesRedoExactlyTheirDates runs a finished month again after something has changed: the dates that the change
// touches are done again, and no other.
func TestChangesRedoExactlyTheirDates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change string   // a statement behind the program's back; one row changes
		flags  []string // further flags of the second run
		redone []string
		same   bool // the table is as it was before the change
	}{
		{name: "nothing", same: true},
		{name: "force", flags: []string{"--dates", "2022-01-15", "--force"}, redone: []string{"2022-01-15"}, same: true},
		{name: "raw row of the first source", redone: []string{"2022-01-15"}, change: `UPDATE nbac_gamebook_player_stats SET assists = assists + 1
			WHERE rowid = (SELECT min(rowid) FROM nbac_gamebook_player_stats WHERE game_date = '2022-01-15' AND player_status = 'active')`},
		{name: "raw row of the second source", redone: []string{"2022-01-16"}, change: `UPDATE bdl_player_boxscores SET personal_fouls = personal_fouls + 1
			WHERE rowid = (SELECT min(rowid) FROM bdl_player_boxscores WHERE game_date = '2022-01-16')`},
		{name: "damaged target row", redone: []string{"2022-01-20"}, same: true, change: `UPDATE player_game_summary SET points = points + 1
			WHERE rowid = (SELECT min(rowid) FROM player_game_summary WHERE game_date = '2022-01-20' AND is_active)`},
		{name: "lost target row", redone: []string{"2022-01-21"}, same: true, change: `DELETE FROM player_game_summary
			WHERE rowid = (SELECT min(rowid) FROM player_game_summary WHERE game_date = '2022-01-21')`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := monthDone.open(t).Copy(t)
			before, fingerprint := generations(t, f, month), judge(t, f, 0, month).TableFingerprint
			if tt.change != "" {
				if n := edit(t, f, tt.change); n != 1 {
					t.Fatalf("change: got %d rows, want 1", n)
				}
			}
			f.Publish(t, 0, args("run", month, append(tt.flags, "--allow-warnings")...)...)
			if diff := cmp.Diff(plus(before, tt.redone...), generations(t, f, month)); diff != "" {
				t.Errorf("generations (-want +got):\n%s", diff)
			}
			if got := judge(t, f, 0, month).TableFingerprint; (got == fingerprint) != tt.same {
				t.Errorf("table fingerprint: got %s after %s, want the same: %v", got, fingerprint, tt.same)
			}
		})
	}
}

// TestDamageIsSeen validates a month whose target somebody has written to.
func TestDamageIsSeen(t *testing.T) {
	t.Parallel()
	f := monthDone.open(t).Copy(t)
	edit(t, f, `UPDATE player_game_summary SET assists = assists + 1 WHERE game_date = '2022-01-20' AND is_active`)
	for _, c := range judge(t, f, failed, month).Checks {
		if c.Name == "partitions are what was recorded" {
			if want := "somebody else wrote 2022-01-20; publish the range again to repair"; c.Advice != want {
				t.Errorf("advice: got %q, want %q", c.Advice, want)
			}
			return
		}
	}
	t.Error("got no check of the partitions, want one")
}

// TestHoleInTheSchedule runs the month with two weeks of the schedule missing and again when they are there.
func TestHoleInTheSchedule(t *testing.T) {
	t.Parallel()
	whole := judge(t, monthDone.open(t), 0, month)
	f := imported.open(t).Copy(t)
	hole := dates("2022-01-10", "2022-01-25")
	hidden := query(t, f, `SELECT DISTINCT game_date FROM nbac_schedule WHERE game_date BETWEEN '2022-01-10' AND '2022-01-25' ORDER BY 1`)
	if len(hidden) < 14 {
		t.Fatalf("game dates in the hole: got %v, want at least 14", hidden)
	}
	edit(t, f, `DELETE FROM nbac_schedule WHERE game_date BETWEEN '2022-01-10' AND '2022-01-25'`)

	f.Publish(t, warnings, args("run", month)...)
	if diff := cmp.Diff(map[ledger.State]int{ledger.NoSchedule: hole.Days()}, states(t, f, hole)); diff != "" {
		t.Errorf("states in the hole (-want +got):\n%s", diff)
	}
	before := generations(t, f, month)

	f.Publish(t, 0, "import", filepath.Join(data, "schedule.csv"))
	var plan struct {
		Dates []struct{ Date, Verdict, Reason string }
	}
	f.JSON(t, 0, &plan, args("plan", month)...)
	var queued []string
	for _, d := range plan.Dates {
		if d.Verdict == "queue" {
			queued = append(queued, d.Date)
		}
	}
	if diff := cmp.Diff(hidden, slices.Sorted(slices.Values(queued))); diff != "" {
		t.Errorf("queued dates (-hidden +queued):\n%s", diff)
	}
	f.Publish(t, 0, args("run", month)...)
	if diff := cmp.Diff(plus(before, hidden...), generations(t, f, month)); diff != "" {
		t.Errorf("generations (-want +got):\n%s", diff)
	}
	if got := judge(t, f, 0, month); got.TableFingerprint != whole.TableFingerprint {
		t.Errorf("table fingerprint: got %s, want %s", got.TableFingerprint, whole.TableFingerprint)
	}
}
