package league_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gamefill/internal/gamedate"
	"gamefill/test/league"
)

func write(t *testing.T, o league.Options) *league.League {
	t.Helper()
	l, err := league.Write(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestDefaultLeague(t *testing.T) {
	t.Parallel()
	l := write(t, league.Options{})
	if got, want := len(l.GameDates), 12; got != want {
		t.Errorf("game dates: got %d, want %d", got, want)
	}
	if got, want := l.Range,
		(gamedate.Range{From: gamedate.MustParse("2022-01-03"), To: gamedate.MustParse("2022-01-16")}); got != want {
		t.Errorf("range: got %v, want %v", got, want)
	}
	if got, want := [3]int{l.Games, l.Rows, l.Active}, [3]int{18, 18 * 24, 18 * 20}; got != want {
		t.Errorf("games, rows and active rows: got %v, want %v", got, want)
	}
	// One header line each, then games, the whole league, everybody listed, everybody who played.
	for path, want := range map[string]int{l.Schedule: 1 + 18, l.Players: 1 + 30*12, l.Live: 1 + l.Rows,
		l.Gamelog: 1 + l.Active} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(content, []byte("\n")); got != want {
			t.Errorf("lines of %s: got %d, want %d", filepath.Base(path), got, want)
		}
	}
}

func TestSameOptionsSameBytes(t *testing.T) {
	t.Parallel()
	o := league.Options{Dates: 5, NoBoxScores: []int{2}}
	a, b := write(t, o), write(t, o)
	for i, path := range a.Files() {
		first, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(b.Files()[i])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(first), string(second)); diff != "" {
			t.Errorf("%s differs (-first +second):\n%s", filepath.Base(path), diff)
		}
	}
}

func TestDatesWithoutBoxScores(t *testing.T) {
	t.Parallel()
	l := write(t, league.Options{Dates: 4, NoBoxScores: []int{1}})
	if diff := cmp.Diff([]gamedate.Date{l.GameDates[1]}, l.Dead); diff != "" {
		t.Errorf("dead dates (-want +got):\n%s", diff)
	}
	for path, want := range map[string]bool{l.Schedule: true, l.Live: false, l.Gamelog: false} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(content), l.Dead[0].String()); got != want {
			t.Errorf("%s names %s: got %v, want %v", filepath.Base(path), l.Dead[0], got, want)
		}
	}
}

func TestLeagueStaysInOneSeason(t *testing.T) {
	t.Parallel()
	_, err := league.Write(t.TempDir(), league.Options{From: gamedate.MustParse("2022-09-25"), Dates: 10})
	if err == nil || !strings.Contains(err.Error(), "leaves the season") {
		t.Errorf("got %v, want an error about the season", err)
	}
}
