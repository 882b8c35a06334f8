package summary

import (
	"strings"

	"gamefill/internal/boxscore"
	"gamefill/internal/table"
)

// stat numbers one count of a box-score line, in the order of the output columns.
type stat uint8

const (
	points stat = iota
	assists
	offensiveRebounds
	defensiveRebounds
	steals
	blocks
	turnovers
	fga
	fgm
	tpa
	tpm
	fta
	ftm
	plusMinus
	fouls
	numStats
)

// stats are the counts of one line. A count that the source does not give is absent, never zero.
type stats struct {
	n   [numStats]int64
	has uint16 // bit i: n[i] is known
}

func (s *stats) set(i stat, n int64)           { s.n[i], s.has = n, s.has|1<<i }
func (s *stats) known(i stat) bool             { return s.has&(1<<i) != 0 }
func (s *stats) get(i stat) (n int64, ok bool) { return s.n[i], s.known(i) }

// anyNonZero reports whether any known count is not zero.
func (s *stats) anyNonZero() bool { return s.n != [numStats]int64{} }

// sameKnown reports whether the counts known to both are equal and there are any.
func (s *stats) sameKnown(o *stats) bool {
	both := s.has & o.has
	for i := range numStats {
		if both&(1<<i) != 0 && s.n[i] != o.n[i] {
			return false
		}
	}
	return both != 0
}

// maxStat bounds a believable count, far above any record (points: 100). Beyond it, or below zero, a value is a fault
// of the source, and arithmetic on it could overflow.
const maxStat = 9999

// source numbers the two core sources.
type source uint8

const (
	gamebook source = iota
	bdl
	numSources
)

// sourceTable, by source.
var sourceTable = [numSources]*table.Schema{boxscore.Gamebook, boxscore.BDL}

// sourceStats names the columns of the counts, by source; "" where the source has none.
var sourceStats = [numSources][numStats]string{
	gamebook: {"points", "assists", "offensive_rebounds", "defensive_rebounds", "steals", "blocks", "turnovers",
		"field_goals_attempted", "field_goals_made", "three_pointers_attempted", "three_pointers_made",
		"free_throws_attempted", "free_throws_made", "plus_minus", "personal_fouls"},
	bdl: {"points", "assists", "offensive_rebounds", "defensive_rebounds", "steals", "blocks", "turnovers",
		"field_goals_attempted", "field_goals_made", "three_pointers_attempted", "three_pointers_made",
		"free_throws_attempted", "free_throws_made", "", "personal_fouls"},
}

// sourceColumns are the positions of the columns read from one source; -1 where it has no such column.
type sourceColumns struct {
	gameID, gameDate, season, team, status, reason, resolution, minutes, dataHash, processed int
	name, originalName                                                                       int
	homeTeam, awayTeam, homeScore, awayScore, period, gameStatus                             int
	stats                                                                                    [numStats]int
}

var columnsOf = func() (all [numSources]sourceColumns) {
	for src := range numSources {
		s := sourceTable[src]
		c := sourceColumns{
			gameID: s.MustIndex("game_id"), gameDate: s.MustIndex("game_date"), season: s.MustIndex("season_year"),
			team: s.MustIndex("team_abbr"), minutes: s.MustIndex("minutes"), dataHash: s.MustIndex("data_hash"),
			processed: s.MustIndex("processed_at"),
			homeTeam:  s.MustIndex("home_team_abbr"), awayTeam: s.MustIndex("away_team_abbr"),
			status: s.Index("player_status"), reason: s.Index("dnp_reason"), resolution: s.Index("name_resolution_status"),
			homeScore: s.Index("home_team_score"), awayScore: s.Index("away_team_score"),
			period: s.Index("period"), gameStatus: s.Index("game_status"),
		}
		switch src {
		case gamebook:
			c.name, c.originalName = s.MustIndex("player_name"), s.MustIndex("player_name_original")
		case bdl:
			c.name, c.originalName = s.MustIndex("player_full_name"), -1
		}
		for i, name := range sourceStats[src] {
			c.stats[i] = -1
			if name != "" {
				c.stats[i] = s.MustIndex(name)
			}
		}
		all[src] = c
	}
	return all
}()

// usedSchema is a source's schema with every column that the transform reads as owned and all others as volatile, so
// that its RowHash covers exactly what can change the result.
var usedSchema = func() (all [numSources]*table.Schema) {
	for src := range numSources {
		c := &columnsOf[src]
		used := map[int]bool{}
		for _, i := range append([]int{
			c.gameID, c.gameDate, c.season, c.team, c.status, c.reason, c.resolution, c.minutes, c.dataHash, c.processed,
			c.name, c.originalName, c.homeTeam, c.awayTeam, c.homeScore, c.awayScore, c.period, c.gameStatus,
		}, c.stats[:]...) {
			used[i] = true
		}
		s := *sourceTable[src]
		s.Columns = append([]table.Column(nil), s.Columns...)
		for i := range s.Columns {
			if !used[i] {
				s.Columns[i].Role = table.Volatile
			}
		}
		all[src] = &s
	}
	return all
}()

// line is one raw row of one source, decoded and then cleaned.
type line struct {
	src  source
	row  table.Row
	hash [32]byte // of the columns used
	seen int64    // processed_at in microseconds, 0 for NULL

	game       *game
	team       string // "" while unknown
	name, key  string
	status     string // active, dnp or inactive, as the source means it
	reason     string // why not played; "" for none
	resolution string
	season     int64
	minutes    Minutes
	stats      stats

	who identity
}

// decode reads one raw row. reason is not "" when the row cannot be used at all.
func decode(src source, row table.Row) (l *line, reason, detail string) {
	c := &columnsOf[src]
	l = &line{src: src, row: row, hash: usedSchema[src].RowHash(row)}
	if at := row[c.processed]; !at.IsNull() {
		l.seen = at.Time().UnixMicro()
	}
	l.season, _ = row[c.season].Int64()
	l.minutes = ParseMinutes(row[c.minutes].Str())
	if src == gamebook {
		l.reason = row[c.reason].Str()
		l.resolution = row[c.resolution].Str()
	}
	for i, at := range c.stats {
		if at < 0 {
			continue
		}
		n, ok := row[at].Int64()
		if !ok {
			continue
		}
		if n > maxStat || n < -maxStat || n < 0 && stat(i) != plusMinus {
			return l, rejectBadStat, sourceStats[src][i] + " " + row[at].Text()
		}
		l.stats.set(stat(i), n)
	}
	if l.status = statusOf(l); l.status == "" {
		return l, rejectUnknownStatus, "player_status " + row[c.status].Text()
	}
	if l.status != boxscore.Active && l.reason == "" && l.minutes.Kind == MinutesNotPlayed {
		l.reason = strings.TrimSpace(row[c.minutes].Str())
	}
	return l, "", ""
}

// statusOf says whether the source means that the person played. A minutes text in words decides for dnp; the secondary
// source has no status, so a line without minutes and with nothing but zeros did not play.
func statusOf(l *line) string {
	if l.src == bdl {
		if l.minutes.Kind != MinutesNotPlayed && l.showsPlay() {
			return boxscore.Active
		}
		return boxscore.DNP
	}
	status := lowerTrim(l.row[columnsOf[gamebook].status].Str())
	switch status {
	case boxscore.DNP, boxscore.Inactive:
		return status
	case boxscore.Active, "":
		if l.minutes.Kind == MinutesNotPlayed {
			return boxscore.DNP
		}
		return status
	}
	return ""
}

// played reports whether the source means that the person played.
func (l *line) played() bool { return l.status == boxscore.Active }

// showsPlay reports whether the numbers say so: some minutes or any count that is not zero.
func (l *line) showsPlay() bool {
	return l.minutes.Kind == MinutesKnown && l.minutes.Seconds > 0 || l.stats.anyNonZero()
}
