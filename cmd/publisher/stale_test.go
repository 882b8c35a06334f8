package main

import (
	"strings"
	"testing"

	"gamefill/internal/publisher"
	"gamefill/test/league"
)

// --stale does what is done and has become stale, and neither what is new nor what has failed.
func TestStale(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 6, NoBoxScores: []int{3}})
	day := func(i int) string { return d.league.GameDates[i].String() }
	d.want(exitFailed, "run", "--from", day(0), "--to", day(3)) // the others are new
	contains(t, d.want(exitDone, d.spanOf("publish", "--stale")...).out, "0 to do", "Nothing to do: no date is stale.")
	d.sql(nil, `UPDATE ledger_facts SET facts = json_set(facts, '$.version', '0.1') WHERE date = ?`, day(0))
	d.sql(nil, `UPDATE nbac_gamebook_player_stats SET points = points WHERE game_date = ?`, day(1)) // a token moves with any write
	contains(t, d.want(exitUsage, d.spanOf("plan", "--stale", "--force")...).errout,
		"--stale and --force exclude each other")

	var plan publisher.Plan
	d.document(exitDone, &plan, d.spanOf("plan", "--stale")...)
	got := map[string]string{}
	for _, p := range plan.Dates {
		got[p.Date.String()] = p.Reason
	}
	if len(got) != 2 || got[day(0)] != "stale version" || got[day(1)] != "changed" {
		t.Errorf("plan --stale: got %v, want %s stale version and %s changed", got, day(0), day(1))
	}
	out := d.want(exitDone, d.spanOf("plan", "--stale")...).out
	_, command, _ := strings.Cut(out, "Apply it: publisher ")
	contains(t, command, "publish ", " --stale ", " --plan ")
	var published publisher.Result
	d.document(exitDone, &published, strings.Fields(command)...)
	if published.Queued != 2 || published.Published != 2 || published.Settled != 0 {
		t.Errorf("publish --stale: got %+v, want two dates queued and nothing else recorded", published)
	}
	d.document(exitDone, &published, d.spanOf("publish", "--stale")...)
	if published.Queued != 0 || published.Known != 2 {
		t.Errorf("the same again: got %+v, want both dates known", published)
	}
}
