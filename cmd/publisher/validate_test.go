package main

import (
	"slices"
	"testing"

	"gamefill/internal/job"
	"gamefill/internal/publisher"
	"gamefill/test/league"
)

// A person whom another program adds a second time is found, whatever status the second row has.
func TestValidateFindsARepeatUnderAnotherStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"active", "inactive"} {
		d := loaded(t, league.Options{Dates: 3})
		d.want(exitDone, d.spanOf("run")...)
		d.sql(nil, `CREATE TEMP TABLE twin AS SELECT * FROM player_game_summary WHERE is_active LIMIT 1;
			UPDATE twin SET player_status = ?, dedup_key = 'twin';
			INSERT INTO player_game_summary SELECT * FROM twin`, status)
		var j publisher.Judgement
		d.document(exitFailed, &j, d.spanOf("validate")...)
		i := slices.IndexFunc(j.Checks, func(c job.Check) bool { return c.Name == "duplicate_keys" && c.Scope == "" })
		if i < 0 || j.Checks[i].Verdict != job.Failed || j.Checks[i].Seen != "1" {
			t.Errorf("twin with status %s: got checks %+v, want 1 repeat to fail", status, j.Checks)
		}
	}
}
