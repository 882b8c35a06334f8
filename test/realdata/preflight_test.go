package realdata

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/job"
	"gamefill/internal/publisher"
)

// TestPreflightOfTheWholeRange: the real files lack the play-in and the playoffs of 2023, and nothing else that fails.
func TestPreflightOfTheWholeRange(t *testing.T) {
	t.Parallel()
	f := imported.open(t).Copy(t)
	var got publisher.Preflight
	f.JSON(t, warnings, &got, args("preflight", whole)...)
	var bad []string
	seen := map[string]string{}
	for _, c := range got.Checks {
		if c.Verdict != job.Pass {
			bad = append(bad, strings.Join([]string{string(c.Verdict), c.Name, c.Scope, c.Advice}, ": "))
		}
		seen[c.Name+" "+c.Scope] = c.Seen
	}
	if len(bad) != 1 || !strings.HasPrefix(bad[0], "warn: no silence in the calendar") ||
		!strings.Contains(bad[0], "from 2023-04-10 to 2023-10-23") {
		t.Errorf("checks that do not pass: got %q, want the calendar's silence alone", bad)
	}
	want := map[string]string{
		"games_without_rows ":           "0 of 3828 (0.00%)",
		"games_without_active ":         "0 of 3828 (0.00%)",
		"gamebook_games 2021-22":        "1322 of 1323 (99.92%)",
		"gamebook_games 2022-23":        "1230 of 1230 (100.00%)",
		"bdl_games 2023-24":             "1268 of 1275 (99.45%)",
		"gamebook_minutes_null ":        "0 of 81232 (0.00%)",
		"bdl_minutes_null ":             "0 of 80998 (0.00%)",
		"registry_seasons ":             "2021-22: 770 rows, 2022-23: 640 rows, 2023-24: 695 rows",
		"calendar is final ":            "3828 games final on 553 dates, 0 not final",
		"unowned_columns ":              "no values",
		"unresolved ":                   "408 of 216940 (0.19%)",
		"unresolved 2022-23":            "184 of 69479 (0.26%)",
		"no live dates ":                "none",
		"table is as needed ":           "6 of 6 tables",
		"no other run ":                 "none is open",
		"no silence in the calendar ":   "1",
		"gamebook_minutes_null 2022-23": "0 of 25893 (0.00%)",
	}
	for name := range want {
		if seen[name] != want[name] {
			t.Errorf("%s: got %q, want %q", name, seen[name], want[name])
		}
	}

	// A season whose minutes are gone stops before the first write, as the old runbook wanted it.
	edit(t, f, "UPDATE nbac_gamebook_player_stats SET minutes = NULL WHERE game_date BETWEEN '2022-01-01' AND "+
		"'2022-03-31' AND player_status = 'active'")
	f.Publish(t, 3, args("publish", whole)...)
	if diff := cmp.Diff(0, len(f.Entries(t, whole))); diff != "" {
		t.Errorf("entries after a refusal (-want +got):\n%s", diff)
	}
}
