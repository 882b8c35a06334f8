package realdata

import (
	"path/filepath"
	"strings"
	"testing"

	"gamefill/internal/ledger"
	"gamefill/internal/publisher"
	"gamefill/test/program"
)

// TestBalldontlieStandsIn puts a real balldontlie answer in the place of the second source for its date. It spells
// three people in ways that neither feed knows, so the date is refused, names them, and is done when aliases say who
// they are.
func TestBalldontlieStandsIn(t *testing.T) {
	t.Parallel()
	f := imported.open(t).Copy(t)
	const day = "2024-01-15"
	f.Publish(t, 0, "run", "--dates", day)
	before := storyOf(t, f, day)

	r := f.Publish(t, 0, "import", filepath.Join(data, "samples", "bdl_box_scores_2024-01-15.json"))
	if !strings.Contains(r.Stdout, "balldontlie") || !strings.Contains(r.Stdout, "384") {
		t.Fatalf("import: got %v, want 384 people of a balldontlie answer", r)
	}
	f.Publish(t, failed, "run", "--dates", day)
	s := storyOf(t, f, day)
	if s.State != ledger.Dead || s.Failure == nil || s.Failure.Reason != "team_over_total" ||
		s.Now.Fingerprint != before.Now.Fingerprint {
		t.Fatalf("with unknown spellings: got %s, %+v, want it dead with its old partition", s.State, s.Failure)
	}
	for spelling, person := range map[string]string{"Kevin Knox": "kevinknoxii", "Marcus Morris": "marcusmorrissr",
		"Nicolas Claxton": "nicclaxton"} {
		if !strings.Contains(s.Failure.Message, spelling) {
			t.Errorf("the failure does not name %s: %s", spelling, s.Failure.Message)
		}
		f.Publish(t, 0, "alias", "add", spelling, person, "--reason", "spelt so by balldontlie")
	}
	f.Publish(t, 0, "run", "--dates", day)
	s = storyOf(t, f, day)
	if s.State != ledger.Complete {
		t.Fatalf("with aliases: got %s, %+v, want it complete", s.State, s.Failure)
	}
	// Two more are spelt in their own way and did not play, which refuses nothing: they are listed, and aliases join them.
	var names []publisher.Unknown
	f.JSON(t, 0, &names, "unresolved", "--dates", day)
	people := map[string]string{"cameronreddish": "camreddish", "charlesbrown": "charliebrownjr"}
	if len(names) != len(people) {
		t.Fatalf("unresolved: got %+v, want %v", names, people)
	}
	for _, u := range names {
		if people[u.Lookup] == "" {
			t.Fatalf("unresolved: got %s, want one of %v", u.Lookup, people)
		}
		if len(u.Suggestions) == 0 || u.Suggestions[0].Lookup != people[u.Lookup] {
			t.Errorf("%s: got suggestions %+v, want %s first", u.Lookup, u.Suggestions, people[u.Lookup])
		}
		f.Publish(t, 0, "alias", "add", u.Lookup, people[u.Lookup], "--reason", "spelt so by balldontlie")
	}
	f.Publish(t, 0, "run", "--dates", day)
	s = storyOf(t, f, day)
	if s.State != ledger.Complete || s.Facts.Rows != before.Facts.Rows {
		t.Fatalf("with all aliases: got %s with %d rows, want complete with the %d of before", s.State,
			s.Facts.Rows, before.Facts.Rows)
	}
	// 229 people played by both sources; balldontlie's zero lines of the others fill nothing.
	for count, want := range map[string]int64{"status.active": 229, "unresolved": 0, "source.bdl_boxscores": 0,
		"source.nbac_bdl_combined": 229} {
		if got := s.Facts.Counts.Counts[count]; got != want {
			t.Errorf("%s: got %d, want %d", count, got, want)
		}
	}
	for _, finding := range s.Facts.Findings {
		t.Errorf("got finding %+v, want none", finding)
	}
}

func storyOf(t *testing.T, f program.File, day string) publisher.Story {
	t.Helper()
	var s publisher.Story
	f.JSON(t, 0, &s, "explain", day)
	return s
}
