package summary

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"gamefill/internal/boxscore"
	"gamefill/internal/table"

	"github.com/google/go-cmp/cmp"
)

// anyWorld is a date of rows that nothing vouches for: few names on few teams, so that everything collides, and values
// of every kind where the sources have them.
func anyWorld(rng *rand.Rand) *world {
	of := func(list ...any) any { return list[rng.IntN(len(list))] }
	w := newWorld(oneDate)
	w.addGame("BOS", "CHI", 110, 104)
	w.addGame("MIA", "NYK", 99, 98, cells{"home_team_score": of(98, nil, 99)})
	if rng.IntN(3) == 0 {
		w.addGame("CHI", "BOS", 9, 8, cells{"processed_at": of(nil, loadedAt)})
		w.addGame("UTA", "PHX", 9, 8, cells{"is_all_star": of(nil, true), "game_status_text": of("PPD", "Final")})
	}
	names := []any{"Al Ax", "Al Ax Jr.", "Al Ax Junior", "Ál Ax", "Bo", "Bo Ba", "Cy", "  ", nil}
	for range 12 {
		w.players = append(w.players, rowOf(boxscore.Registry, cells{
			"universal_player_id": of("a_1", "a_2", "b_1", nil), "player_name": "x",
			"player_lookup": of("alax", "alaxjr", "bo", "boba"),
			"team_abbr":     of("BOS", "CHI", "NYK"), "season": of("2021-22", "2021-22", "2020-21", "2023-24"),
			"last_game_date": of(nil, "2022-01-01", "2022-01-02"),
		}))
	}
	w.alias("cy", "bo", true)
	w.alias("cy", "alax", rng.IntN(2) == 0)
	games := []any{bosChi, bosChi, "20220115_CHI_BOS", miaNyk, "20220115_DEN_LAL", "20220115_LAL_DEN", "20220115_UTA_PHX",
		"20220115_XXX_CHI", "x"}
	teams := []any{"BOS", "BOS", "CHI", "chi", "NYK", "MIA", "LAL", "", "ZZZ"}
	minutes := []any{nil, "", "-", "0:00", "00", "12:00", "12", "34:59", "12:75", "DNP", "99:00"}
	count := func(row table.Row, s source) {
		for _, at := range columnsOf[s].stats {
			if at >= 0 {
				row[at] = table.Null
				if rng.IntN(8) > 0 {
					row[at] = table.Int(int64(rng.IntN(30)) - int64(rng.IntN(60)/59))
				}
			}
		}
	}
	for range 30 {
		b := cells{"game_id": of(games...), "team_abbr": of(append(teams, nil)...), "player_name": of(names...),
			"player_name_original": of(names[:8]...),
			"player_status":        of("active", "active", "active", "dnp", "inactive", "gone"), "minutes": of(minutes...),
			"dnp_reason":             of(nil, "Rest", ""),
			"name_resolution_status": of(boxscore.Original, boxscore.NotFound, nil), "data_hash": of(nil, "a", "b"),
			"processed_at": of(nil, loadedAt, "2022-01-17T00:00:00Z"), "season_year": of(2021, 2022)}
		row := w.bookRow(bosChi, "BOS", "x", "", "", b)
		if rng.IntN(3) > 0 {
			count(row, gamebook)
		}
		w.book = append(w.book, row)
		name := of(names[:8]...)
		w.addBDL(bosChi, "BOS", "x", "", "",
			cells{"game_id": of(games...), "team_abbr": of(teams...), "player_full_name": name, "minutes": of(minutes...),
				"period": of(nil, 4, 5, 9, 0, -3), "home_team_score": of(nil, 104, 103), "away_team_score": of(nil, 110, 111),
				"game_status": of("Final", nil)})
		if rng.IntN(3) > 0 {
			count(w.bdl[len(w.bdl)-1], bdl)
		}
	}
	return w
}

// Whatever the sources hold: no row is lost without a reason, every row fits the table, no person stands twice in a
// game, idle rows carry nothing, the order never shows, and building again on the result changes nothing.
func TestAnyInput(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 7))
			w := anyWorld(rng)
			o := w.build(t)
			persons := map[string]bool{}
			for _, row := range o.Rows {
				who := row[out.game].Str() + "|" + row[out.id].Str()
				if row[out.id].IsNull() {
					who += row[out.lookup].Str() + "|" + row[out.team].Str()
				}
				if persons[who] {
					t.Errorf("two rows of %s", who)
				}
				persons[who] = true
				if row[out.active].IsTrue() == row[out.dnp].IsTrue() || !row[out.active].IsTrue() && row[out.starter].IsTrue() {
					t.Errorf("flags of %s: %s", who, show(row, "is_active is_dnp starter_flag"))
				}
			}
			if got := messageOf(o, "stats_without_play") + messageOf(o, "required_null"); got != "" {
				t.Error(got)
			}

			w.in.Previous, w.in.PreviousFacts = o.Rows, &o.Counts
			for _, rows := range [][]table.Row{w.schedule, w.book, w.bdl, w.players, w.aliases} {
				rng.Shuffle(len(rows), func(a, b int) { rows[a], rows[b] = rows[b], rows[a] })
			}
			again := w.build(t)
			if diff := cmp.Diff(o.Counts, again.Counts); diff != "" {
				t.Errorf("counts (-first +again):\n%s", diff)
			}
			if a, b := Target.Fingerprint(o.Rows), Target.Fingerprint(again.Rows); a != b ||
				o.InputFingerprint != again.InputFingerprint {
				t.Errorf("fingerprints %s %s, again %s %s", a, o.InputFingerprint, b, again.InputFingerprint)
			}
			if diff := cmp.Diff([]any{o.Rejections, o.Unresolved, o.Findings},
				[]any{again.Rejections, again.Unresolved, again.Findings}); diff != "" {
				t.Errorf("rejections, unresolved, findings (-first +again):\n%s", diff)
			}
			for _, row := range again.Rows {
				if version, _ := row[out.version].Int64(); version != 1 {
					t.Errorf("%s: version %d, want 1", Target.Describe(row), version)
				}
			}
		})
	}
}
