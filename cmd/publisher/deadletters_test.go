package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"gamefill/internal/publisher"
	"gamefill/test/emulator"
	"gamefill/test/league"
)

// A date fails, is found, explained, mended, replayed and passes, by what the program prints.
func TestDeadLetterToTheEnd(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 6, NoBoxScores: []int{2}})
	dead := d.league.Dead[0].String()
	d.want(exitFailed, append([]string{"run"}, d.span()...)...)

	list := d.want(exitDone, "deadletters")
	contains(t, list.out, "source_empty", dead, "permanent", "publisher explain", "publisher replay")
	var listed struct {
		Letters []letterView
		Causes  []publisher.Cause
	}
	d.document(exitDone, &listed, "deadletters", "--class", "permanent", "--text", "SOURCE EMPTY")
	if len(listed.Letters) != 1 || len(listed.Causes) != 1 || listed.Letters[0].Date.String() != dead {
		t.Fatalf("got %+v, want the letter of %s", listed, dead)
	}
	id := listed.Letters[0].ID
	for _, filter := range [][]string{{"--class", "crash"}, {"--stage", "write"}, {"--cause", "other"},
		{"--dates", d.league.GameDates[0].String()}, {"--state", "replayed"}} {
		contains(t, d.want(exitDone, append([]string{"deadletters", "list"}, filter...)...).out, "No dead letters match.")
	}
	contains(t, d.want(exitError, "deadletters", "--run", "none").errout, "no such run")
	contains(t, d.want(exitUsage, "deadletters", "--stage", "bogus").errout, "read_back")
	contains(t, d.want(exitUsage, "replay", "--all", "--limit=-1", "--dry-run").errout, "--limit")
	contains(t, d.want(exitUsage, "replay", "--all", "--reason", "  ").errout, "--reason")
	contains(t, d.want(exitUsage, "unresolved", "--suggestions=-1").errout, "negative")
	contains(t, d.want(exitDone, "deadletters", "show", id).out, id, dead, "source_empty", `"date":"`+dead+`"`)
	contains(t, d.want(exitDone, "explain", dead).out, dead+", season", "dead", "source_empty", id, "next publish")
	contains(t, d.want(exitDone, "explain", d.league.GameDates[0].String()).out, "complete", "replaced by run",
		"unchanged since", "next publish left")

	contains(t, d.want(exitError, "deadletters", "export", "-o", d.db).errout, "SQLite database")
	contains(t, d.want(exitError, "export", "--dates", dead, "-o", d.db).errout, "SQLite database")
	file := filepath.Join(t.TempDir(), "letters.ndjson")
	d.want(exitDone, "deadletters", "export", "-o", file)
	if b, err := os.ReadFile(file); err != nil || strings.Count(string(b), "\n") != 1 || !strings.Contains(string(b), id) {
		t.Errorf("export: got %q, %v, want one line with %s", b, err, id)
	}

	// The box scores arrive.
	whole, err := league.Write(t.TempDir(), league.Options{Dates: 6})
	if err != nil {
		t.Fatal(err)
	}
	d.want(exitDone, "import", whole.Live, whole.Gamelog)

	contains(t, d.want(exitUsage, "replay").errout, "--all")
	contains(t, d.want(exitUsage, "replay", "--all").errout, "--reason")
	contains(t, d.want(exitDone, "replay", "--all", "--dry-run").out, "1 date would be replayed")
	contains(t, d.want(exitDone, "deadletters").out, dead)
	contains(t, d.want(exitDone, "replay", "--dates", dead, "--reason", "box scores loaded").out,
		"1 letter read: 1 date replayed", "worker --drain")
	contains(t, d.want(exitDone, "replay", "--all", "--reason", "again").out, "0 letters read")
	contains(t, d.want(exitDone, "deadletters").out, "No dead letters match.")
	contains(t, d.want(exitDone, "deadletters", "--state", "all").out, "replayed", dead)
	contains(t, d.want(exitDone, append([]string{"run"}, d.span()...)...).out, ": pass. ", "6 complete")
}

// Where no worker would get what is published, nothing is.
func TestReplayAndResumeLookAtTheQueue(t *testing.T) {
	t.Parallel()
	emulator.PubSub(t)
	project := "replay-" + strings.ToLower(rand.Text())
	client, err := pubsub.NewClient(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	for _, id := range []string{"dates", "dates-dead"} {
		if _, err := client.TopicAdminClient.CreateTopic(t.Context(),
			&pubsubpb.Topic{Name: "projects/" + project + "/topics/" + id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.SubscriptionAdminClient.CreateSubscription(t.Context(), &pubsubpb.Subscription{
		Name:  "projects/" + project + "/subscriptions/dates-dead-fold",
		Topic: "projects/" + project + "/topics/dates-dead"}); err != nil {
		t.Fatal(err)
	}
	d := loaded(t, league.Options{Dates: 3, NoBoxScores: []int{1}})
	d.want(exitFailed, append([]string{"run"}, d.span()...)...)
	refused := func(args ...string) {
		t.Helper()
		r := cli(t.Context(), slices.Concat(args, d.addresses(), []string{"--queue", "pubsub://" + project + "/dates"})...)
		if r.code != exitError {
			t.Errorf("%s: got exit code %d, want %d\n%s", args[0], r.code, exitError, r.out)
		}
		contains(t, r.errout, "subscription dates-worker of project "+project+" is missing: publisher init makes it")
	}
	refused("replay", "--all", "--reason", "x")
	contains(t, d.want(exitDone, "deadletters").out, "source_empty")
	d.want(exitDone, "replay", "--all", "--reason", "x")
	d.want(exitDone, "pause", "--reason", "x")
	refused("resume", "--reason", "x")
	contains(t, d.want(exitDone, "status").out, "paused")
	d.want(exitDone, "resume", "--reason", "x")
}

func TestResolve(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 3, NoBoxScores: []int{1}})
	d.want(exitFailed, append([]string{"run"}, d.span()...)...)
	var listed struct{ Letters []letterView }
	d.document(exitDone, &listed, "deadletters")
	id := listed.Letters[0].ID
	contains(t, d.want(exitError, "resolve", "nobody", "--reason", "x").errout, "nobody")
	contains(t, d.want(exitDone, "resolve", id, "--reason", "forfeited", "--dry-run").out, "1 letter would be resolved")
	contains(t, d.want(exitDone, "resolve", id, "--reason", "forfeited").out, "1 letter resolved")
	contains(t, d.want(exitDone, "resolve", id, "--reason", "forfeited").out, "0 letters resolved, 1 was not open")
	contains(t, d.want(exitDone, "deadletters", "show", id).out, "resolved", "forfeited")
}

// A name that the registry does not know is listed with a suggestion; an alias makes its rows a person's.
func TestUnresolvedToAlias(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 3})
	day := d.league.GameDates[0].String()
	// The registry loses one person's spelling: one letter differs from what the box scores print.
	var known string
	d.sql(&known, `SELECT player_lookup FROM nbac_gamebook_player_stats
		WHERE player_status = 'active' AND player_lookup NOT IN (SELECT nba_canonical_lookup FROM player_aliases)
		AND player_lookup NOT IN (SELECT alias_lookup FROM player_aliases) ORDER BY game_date, player_lookup LIMIT 1`)
	d.sql(nil, `UPDATE nba_players_registry SET player_lookup = player_lookup || 'x' WHERE player_lookup = ?`, known)
	if r := d.do(append([]string{"run"}, d.span()...)...); r.code != exitDone && r.code != exitWarnings {
		t.Fatalf("run: got exit code %d\n%s%s", r.code, r.out, r.errout)
	}
	var names []publisher.Unknown
	d.document(exitDone, &names, "unresolved")
	found := false
	for _, u := range names {
		if u.Lookup == known {
			found = true
			if len(u.Suggestions) == 0 || u.Suggestions[0].Lookup != known+"x" || len(u.Dates) == 0 {
				t.Errorf("got %+v, want %sx suggested", u, known)
			}
		}
	}
	if !found {
		t.Fatalf("unresolved: got %+v, want %s (games of %s)", names, known, day)
	}
	contains(t, d.want(exitDone, "unresolved").out, known, "1 letter differs, same team and season")

	contains(t, d.want(exitError, "alias", "add", known, "no such person", "--reason", "x").errout, "knows nobody")
	contains(t, d.want(exitUsage, "alias", "add", "A. B.", "ab", "--reason", "x").errout, "no alias is needed")
	contains(t, d.want(exitDone, "alias", "add", known, known+"x", "--reason", "misspelt", "--dry-run").out,
		"would be an alias")
	added := d.want(exitDone, "alias", "add", known, known+"x", "--reason", "misspelt").out
	contains(t, added, "is an alias of", "publisher run --dates")
	contains(t, d.want(exitError, "alias", "add", known, known+"x", "--reason", "misspelt").errout, "already")
	var other string
	d.sql(&other, `SELECT player_lookup FROM nba_players_registry WHERE player_lookup <> ? LIMIT 1`, known+"x")
	contains(t, d.want(exitError, "alias", "add", known, other, "--reason", "oops").errout, "--replace")
	contains(t, d.want(exitDone, "runs", "show").out, "run_opened")
	_, rest, _ := strings.Cut(added, "publisher run --dates ")
	dates, _, _ := strings.Cut(rest, "`")
	attempts := func() (did []string) {
		text := ""
		d.sql(&text, `SELECT COALESCE(group_concat(date, ','), '') FROM (SELECT DISTINCT date FROM ledger_attempt WHERE run =
			(SELECT id FROM ledger_run ORDER BY created_at DESC LIMIT 1) ORDER BY date)`)
		return strings.Split(text, ",")
	}
	whole := len(attempts())
	d.do("run", "--dates", dates)
	if got := attempts(); strings.Join(got, ",") != dates || len(got) == whole {
		t.Errorf("the command that alias add printed did %v of %d dates, want just %s", got, whole, dates)
	}
	names = nil
	d.document(exitDone, &names, "unresolved")
	for _, u := range names {
		if u.Lookup == known {
			t.Errorf("after the alias: %s is still unresolved", known)
		}
	}
}

// An inactive player whom the gamebook lists by a last name alone is left out whatever the registry says: no command
// may suggest an alias for him.
func TestNoAliasForALastName(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 3})
	day := d.league.GameDates[0].String()
	d.sql(nil, `UPDATE nbac_gamebook_player_stats SET player_name = 'Quill', player_name_original = 'Quill', player_lookup = 'quill',
		name_resolution_status = 'not_found' WHERE rowid = (SELECT rowid FROM nbac_gamebook_player_stats
		WHERE player_status = 'inactive' AND game_date = ? LIMIT 1)`, day)
	d.do(d.spanOf("run")...)
	contains(t, d.want(exitDone, "unresolved").out, "quill", "left out: the gamebook has a last name only")
	contains(t, d.want(exitDone, "explain", day).out, "Quill (quill)", "is left out: the gamebook has a last name only")
	var person string
	d.sql(&person, `SELECT player_lookup FROM nba_players_registry LIMIT 1`)
	r := d.want(exitError, "alias", "add", "Quill", person, "--reason", "he is it")
	contains(t, r.errout, "quill are left out on 1 date, the last "+day, "import one that names the person")
}

// A run that is open builds with the registry it began with: what an alias is for waits for its end.
func TestAliasBesideAnOpenRun(t *testing.T) {
	t.Parallel()
	d := loaded(t, league.Options{Dates: 3})
	var known string
	d.sql(&known, `SELECT player_lookup FROM nbac_gamebook_player_stats WHERE player_status = 'active' AND game_date = ? LIMIT 1`, d.league.GameDates[0].String())
	d.sql(nil, `UPDATE nba_players_registry SET player_lookup = player_lookup || 'x' WHERE player_lookup = ?`, known)
	d.do(d.spanOf("run")...)
	var published publisher.Result
	d.document(exitDone, &published, d.spanOf("publish", "--force")...)
	added := d.want(exitDone, "alias", "add", known, known+"x", "--reason", "misspelt").out
	contains(t, added, "Run "+published.RunID+" is open and keeps the registry it began with", "publisher validate")
	contains(t, d.want(exitDone, "alias", "add", known+"y", known+"x", "--reason", "misspelt").out,
		"No completed date has that name unresolved.")
}
