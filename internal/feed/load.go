package feed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"gamefill/internal/boxscore"
	"gamefill/internal/gamedate"
	"gamefill/internal/table"
	"gamefill/internal/warehouse"
)

// errChanged: the second reading found other lines than the first.
var errChanged = errors.New("was changed while it was read: import it again")

// load is the second reading: it loads the accepted lines in one go.
func (im *importer) load(ctx context.Context) error {
	var board scoreboard
	if im.format.Name == FormatGamelog {
		var err error
		if board, err = readScores(ctx, im.store, gamedate.Range{From: im.report.First, To: im.report.Last}); err != nil {
			return err
		}
	}
	result, err := im.store.Load(ctx, im.format.Table, im.format.replace, func(yield func(table.Row) error) error {
		sum, err := im.scan(ctx, 1, func(r *record, line []byte) error {
			if !im.accepted.has(r.line) {
				return nil
			}
			e, bad := im.read(r, line)
			if bad != nil {
				return errChanged
			}
			if board != nil {
				board.fill(e.row)
			}
			return yield(e.row)
		})
		if err == nil && sum != im.sum {
			err = errChanged
		}
		return err
	})
	if err != nil {
		return err
	}
	im.report.Removed = result.Removed
	im.report.Tables[im.format.Table.FullName()] = result.Added
	return nil
}

// note keeps who was listed in the file's games. Games that an earlier import knew under another key are taken out of
// the raw table first: the note is what tells of them.
func (im *importer) note(ctx context.Context) error {
	if err := im.dropMoved(ctx); err != nil {
		return err
	}
	_, err := im.store.Load(ctx, Games, []string{"feed", "league_id"}, func(yield func(table.Row) error) error {
		for _, league := range slices.Sorted(maps.Keys(im.games)) {
			rd := im.games[league].readings[0]
			slices.Sort(rd.people)
			err := yield(gamesRows.row(values{
				"feed": table.String(im.format.Name), "league_id": table.String(league), "game_id": table.String(rd.game.key()),
				"game_date": table.Date(rd.game.date), "counted": table.Bool(rd.game.kind.Counts()),
				"people": table.Strings(rd.people),
			}))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// dropMoved removes the raw rows of games whose date or teams the file corrects.
func (im *importer) dropMoved(ctx context.Context) error {
	notes, err := readGames(ctx, im.store)
	if err != nil {
		return err
	}
	loaded := map[string]bool{} // a corrected file may give one game's key to another
	for _, s := range im.games {
		loaded[s.readings[0].game.key()] = true
	}
	stale := map[gamedate.Date][]string{}
	for _, n := range notes {
		if n.feed == im.format.Name && im.games[n.league] != nil && !loaded[n.key] {
			stale[n.date] = append(stale[n.date], n.key)
			im.report.Moved++
		}
	}
	t := im.format.Table
	for date, keys := range stale {
		partition, err := im.store.Read(ctx, t, date)
		if err != nil {
			return err
		}
		before := len(partition.Rows)
		rows := slices.DeleteFunc(partition.Rows, func(row table.Row) bool {
			return slices.Contains(keys, row[t.MustIndex("game_id")].Str())
		})
		im.report.Removed += before - len(rows)
		fence := warehouse.Fence{Unguarded: true}
		if _, err := im.store.Replace(ctx, warehouse.Write{Table: t, Date: date, Fence: fence, Rows: rows}); err != nil {
			return fmt.Errorf("remove %v, which the file has elsewhere: %w", keys, err)
		}
	}
	return nil
}

// gameNote is one row of [Games].
type gameNote struct {
	feed, league, key string
	date              gamedate.Date
	people            []string
}

func readGames(ctx context.Context, store warehouse.Partitions) ([]gameNote, error) {
	p, err := store.Read(ctx, Games, gamedate.Date{})
	if err != nil {
		return nil, err
	}
	notes := make([]gameNote, len(p.Rows))
	for i, row := range p.Rows {
		notes[i] = gameNote{
			feed: gamesRows.get(row, "feed").Str(), league: gamesRows.get(row, "league_id").Str(),
			key: gamesRows.get(row, "game_id").Str(), date: gamesRows.get(row, "game_date").Date(),
			people: gamesRows.get(row, "people").List(),
		}
	}
	return notes, nil
}

// score is the final score of one game and the rank of the schedule row that says so.
type score struct {
	home, away table.Value
	status     int64
	processed  table.Value
}

// scoreboard holds final scores by game key.
type scoreboard map[string]score

// readScores reads the schedule of a range. Of several rows of a game the one of highest status counts, then the
// newest.
func readScores(ctx context.Context, store warehouse.Tables, r gamedate.Range) (scoreboard, error) {
	board := scoreboard{}
	err := store.ReadRange(ctx, boxscore.Schedule, r, func(date gamedate.Date, rows []table.Row) error {
		for _, row := range rows {
			get := func(column string) table.Value { return scheduleRows.get(row, column) }
			status, _ := get("game_status").Int64()
			s := score{get("home_team_score"), get("away_team_score"), status, get("processed_at")}
			key := game{date: date, away: get("away_team_tricode").Str(), home: get("home_team_tricode").Str()}.key()
			old, known := board[key]
			if !known || s.status > old.status || s.status == old.status && s.processed.Compare(old.processed) > 0 {
				board[key] = s
			}
		}
		return nil
	})
	return board, err
}

// fill writes the game's score into a row of the second source; a game that the board lacks is left as it is. It
// reports whether the row has changed.
func (b scoreboard) fill(row table.Row) bool {
	s, known := b[gamelogRows.get(row, "game_id").Str()]
	if !known ||
		gamelogRows.get(row, "home_team_score").Equal(s.home) && gamelogRows.get(row, "away_team_score").Equal(s.away) {
		return false
	}
	gamelogRows.set(row, "home_team_score", s.home)
	gamelogRows.set(row, "away_team_score", s.away)
	return true
}

// rescoreDays is how many dates are given their scores in one transaction: some 6,000 rows.
const rescoreDays = 31

// rescore gives the games of the game log that lie in the dates of a newly loaded schedule the scores it has for them.
// Rows of the second source that came from elsewhere are not touched.
func (im *importer) rescore(ctx context.Context, notes []gameNote) error {
	ours := map[string]bool{}
	for _, n := range notes {
		if n.feed == FormatGamelog {
			ours[n.key] = true
		}
	}
	for from := im.report.First; len(ours) > 0 && !from.After(im.report.Last); from = from.AddDays(rescoreDays) {
		to := from.AddDays(rescoreDays - 1)
		if to.After(im.report.Last) {
			to = im.report.Last
		}
		if err := im.rescoreRange(ctx, gamedate.Range{From: from, To: to}, ours); err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) rescoreRange(ctx context.Context, r gamedate.Range, ours map[string]bool) error {
	board, err := readScores(ctx, im.store, r)
	if err != nil {
		return err
	}
	games, changed := map[string][]table.Row{}, map[string]bool{}
	err = im.store.ReadRange(ctx, boxscore.BDL, r, func(_ gamedate.Date, rows []table.Row) error {
		for _, row := range rows {
			key := gamelogRows.get(row, "game_id").Str()
			if !ours[key] {
				continue
			}
			if board.fill(row) {
				changed[key] = true
				im.report.Scored++
			}
			games[key] = append(games[key], row)
		}
		return nil
	})
	if err != nil || len(changed) == 0 {
		return err
	}
	_, err = im.store.Load(ctx, boxscore.BDL, []string{"game_date", "game_id"}, func(yield func(table.Row) error) error {
		for _, key := range slices.Sorted(maps.Keys(changed)) {
			for _, row := range games[key] {
				if err := yield(row); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return err
}

// personOf splits one of a note's people.
func personOf(s string) (person int64, name string) {
	for i := range len(s) {
		if s[i] == ' ' {
			person, _ = strconv.ParseInt(s[:i], 10, 64) // written by see
			return person, s[i+1:]
		}
	}
	return 0, s
}
