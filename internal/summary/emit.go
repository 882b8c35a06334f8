package summary

import (
	"time"

	"gamefill/internal/boxscore"
	"gamefill/internal/table"
)

// out are the positions of the columns that are filled, by name of what is written there.
var out = func() (at struct {
	lookup, id, name, game, date, team, opponent, season            int
	minutes                                                         int
	stats                                                           [numStats]int
	usage, ts, efg, starter, win                                    int
	active, status, dnp, reason, reasonCategory                     int
	lineage                                                         [numLineages]int // first of four columns
	tier, used, withIssues, partial, completeness, gameStatus       int
	usageValid, usageCapped, usageRaw, usageAnomaly                 int
	dedupKey, version, firstProcessed, dataHash, created, processed int
	score, issues, ready, flag, context                             int
}) {
	i := Target.MustIndex
	at.lookup, at.id, at.name, at.game = i("player_lookup"), i("universal_player_id"), i("player_full_name"), i("game_id")
	at.date, at.team, at.opponent, at.season = i("game_date"), i("team_abbr"), i("opponent_team_abbr"), i("season_year")
	at.minutes = i("minutes_played")
	for n, name := range [numStats]string{
		"points", "assists", "offensive_rebounds", "defensive_rebounds", "steals", "blocks", "turnovers", "fg_attempts",
		"fg_makes", "three_pt_attempts", "three_pt_makes", "ft_attempts", "ft_makes", "plus_minus", "personal_fouls",
	} {
		at.stats[n] = i(name)
	}
	at.usage, at.ts, at.efg = i("usage_rate"), i("ts_pct"), i("efg_pct")
	at.starter, at.win = i("starter_flag"), i("win_flag")
	at.active, at.status, at.dnp = i("is_active"), i("player_status"), i("is_dnp")
	at.reason, at.reasonCategory = i("dnp_reason"), i("dnp_reason_category")
	for n, prefix := range [numLineages]string{"nbac", "bdl", "team"} {
		at.lineage[n] = i("source_" + prefix + "_last_updated")
	}
	at.tier, at.used, at.withIssues = i("data_quality_tier"), i("primary_source_used"), i("processed_with_issues")
	at.partial, at.completeness, at.gameStatus = i("is_partial_game_data"), i("game_completeness_pct"),
		i("game_status_at_processing")
	at.usageValid, at.usageCapped, at.usageRaw = i("usage_rate_valid"), i("usage_rate_capped"), i("usage_rate_raw")
	at.usageAnomaly = i("usage_rate_anomaly_reason")
	at.dedupKey, at.version, at.firstProcessed = i("dedup_key"), i("record_version"), i("first_processed_at")
	at.dataHash, at.created, at.processed = i("data_hash"), i("created_at"), i("processed_at")
	at.score, at.issues, at.ready, at.flag = i("quality_score"), i("quality_issues"), i("is_production_ready"),
		i("data_quality_flag")
	at.context = i("processing_context")
	return at
}()

// lineage numbers the groups of lineage columns that are filled.
const (
	lineageGamebook = iota
	lineageBDL
	lineageTeam
	numLineages
)

// lineage is what one group of lineage columns says, the same on every row of a date.
type lineage struct {
	newest int64 // microseconds, 0 for none
	rows   int64
	found  ratio // final games of the schedule that the rows cover
	hash   string
}

func (l *lineage) write(row table.Row, at int) {
	if l.newest != 0 {
		row[at] = table.Timestamp(time.UnixMicro(l.newest))
	}
	row[at+1] = table.Int(l.rows)
	row[at+2] = l.found.decimal2()
	if l.rows > 0 {
		row[at+3] = table.String(l.hash)
	}
}

// lineages sums up what each source and the merged rows contributed. hashes are the data hashes of the merged rows.
func (c *cleaner) lineages(m *merged, hashes []string) (all [numLineages]lineage) {
	finals := int64(len(c.slate.byState(final)))
	var games [numLineages]map[*game]bool
	for n := range all {
		games[n] = map[*game]bool{}
	}
	var sums [numLineages]hashSum
	for _, l := range c.lines { // in canonical order
		n := int(l.src)
		all[n].newest = max(all[n].newest, l.seen)
		all[n].rows++
		sums[n].add(l.hash[:])
		games[n][l.game] = true
	}
	for i, e := range m.entries {
		games[lineageTeam][e.game] = true
		sums[lineageTeam].add([]byte(hashes[i]))
	}
	all[lineageTeam].rows = int64(len(m.entries))
	all[lineageTeam].newest = max(all[lineageGamebook].newest, all[lineageBDL].newest)
	for n := range all {
		found := int64(0)
		for g := range games[n] {
			if g.state == final {
				found++
			}
		}
		all[n].found = ratio{found, finals}
		all[n].hash = sums[n].short()
	}
	return all
}

// rows writes the entries as table rows, in the order of the entries. Unowned and volatile columns stay NULL here.
func (c *cleaner) rows(m *merged, facts map[*game]*gameFacts, context string) []table.Row {
	width := len(Target.Columns)
	cells := make([]table.Value, len(m.entries)*width)
	rows := make([]table.Row, len(m.entries))
	hashes := make([]string, len(m.entries))
	keys := dedupKeys(m.entries)
	sets := map[issueSet]table.Value{}
	var buf []byte
	for i, e := range m.entries {
		row := table.Row(cells[i*width : (i+1)*width : (i+1)*width])
		rows[i] = row
		q := e.judgeQuality()
		d := &e.derived

		row[out.lookup] = table.String(e.key)
		row[out.id] = textOrNull(e.who.id)
		row[out.name] = table.String(e.name)
		row[out.game] = table.String(e.game.id)
		row[out.date] = table.Date(c.date)
		row[out.team] = table.String(e.team)
		row[out.opponent] = table.String(e.opponent())
		row[out.season] = table.Int(int64(c.season))

		row[out.minutes] = d.minutes
		for s, at := range out.stats {
			if n, ok := e.stats.get(stat(s)); ok {
				row[at] = table.Int(n)
			}
		}
		row[out.usage], row[out.ts], row[out.efg] = d.usage, d.ts, d.efg
		row[out.starter], row[out.win] = table.Bool(d.starter), table.Bool(d.win)

		row[out.active], row[out.dnp] = table.Bool(e.active()), table.Bool(!e.active())
		row[out.status] = table.String(e.status)
		if !e.active() && e.reason != "" {
			row[out.reason] = table.String(e.reason)
			row[out.reasonCategory] = table.String(ReasonCategory(e.reason))
		}

		row[out.tier], row[out.used] = table.String(q.tier), table.String(e.used)
		row[out.withIssues] = table.Bool(q.withIssues)
		row[out.partial], row[out.completeness] = table.Bool(!d.team.complete), d.completeness
		row[out.gameStatus] = gameStatus(e.game, facts[e.game])
		row[out.usageValid], row[out.usageCapped] = d.usageValid, d.usageCapped
		row[out.usageRaw], row[out.usageAnomaly] = d.usageRaw, d.usageAnomaly
		row[out.dedupKey] = table.String(keys[i])
		row[out.score] = table.Float(float64(q.score))
		list, ok := sets[e.issues]
		if !ok {
			list = table.Strings(e.issues.names())
			sets[e.issues] = list
		}
		row[out.issues] = list
		row[out.ready], row[out.flag] = table.Bool(q.ready), table.String(q.flag)
		row[out.context] = table.String(context)

		hashes[i], buf = dataHash(row, buf[:0])
		row[out.dataHash] = table.String(hashes[i])
	}
	all := c.lineages(m, hashes)
	for _, row := range rows {
		for n := range all {
			all[n].write(row, out.lineage[n])
		}
	}
	return rows
}

// dedupKeys are game_id|player_lookup, longer by the team where two persons of a game share the lookup, and by the id
// where they share the team too.
func dedupKeys(entries []*entry) []string {
	type inGame struct{ game, key string }
	type inTeam struct{ game, key, team string }
	games := make(map[inGame]int, len(entries))
	teams := make(map[inTeam]int, len(entries))
	for _, e := range entries {
		games[inGame{e.game.id, e.key}]++
		teams[inTeam{e.game.id, e.key, e.team}]++
	}
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.game.id + "|" + e.key
		if games[inGame{e.game.id, e.key}] > 1 {
			keys[i] += "|" + e.team
		}
		if teams[inTeam{e.game.id, e.key, e.team}] > 1 {
			keys[i] += "|" + e.who.id
		}
	}
	return keys
}

func textOrNull(s string) table.Value {
	if s == "" {
		return table.Null
	}
	return table.String(s)
}

// usedSchedule is the schedule with the columns that the transform reads as owned; see usedSchema.
var usedSchedule = func() *table.Schema {
	s := *boxscore.Schedule
	s.Columns = append([]table.Column(nil), s.Columns...)
	used := map[int]bool{}
	for _, i := range []int{
		scheduleAt.id, scheduleAt.date, scheduleAt.status, scheduleAt.statusText, scheduleAt.home, scheduleAt.away,
		scheduleAt.homeScore, scheduleAt.awayScore, scheduleAt.allStar, scheduleAt.processed,
	} {
		used[i] = true
	}
	for i := range s.Columns {
		if !used[i] {
			s.Columns[i].Role = table.Volatile
		}
	}
	return &s
}()
