package summary

import (
	"math/bits"

	"gamefill/internal/table"
)

// issue is one thing worth knowing about a row.
type issue uint8

// The issues, in alphabetical order of their names: a set lists itself sorted.
const (
	issueAmbiguousIdentity issue = iota
	issueBackupSource
	issueBadMinutes
	issueMissingMinutes
	issueMissingPlusMinus
	issuePointsMismatch
	issueSeasonMismatch
	issueSourceConflict
	issueSourceDisagreement
	issueTwoGames
	issueUnknownResult
	issueUnresolvedPlayer
	numIssues
)

var issueNames = [numIssues]string{
	"ambiguous_identity", "backup_source_used", "bad_minutes", "missing_minutes", "missing_plus_minus", "points_mismatch",
	"season_mismatch", "source_conflict", "source_disagreement", "two_games_one_date",
	"unknown_result", "unresolved_player",
}

// issueSet is a set of issues.
type issueSet uint16

func (s *issueSet) add(i issue)     { *s |= 1 << i }
func (s issueSet) has(i issue) bool { return s&(1<<i) != 0 }

// names lists the set, sorted; nil for none. Equal sets share one list.
func (s issueSet) names() []string {
	if s == 0 {
		return nil
	}
	list := make([]string, 0, bits.OnesCount16(uint16(s)))
	for i := range numIssues {
		if s.has(i) {
			list = append(list, issueNames[i])
		}
	}
	return list
}

// Tiers and start scores, by source.
const (
	tierGold, tierSilver    = "gold", "silver"
	scoreGold, scoreSilver  = 100, 85
	deduction               = 5
	minProductionReadyScore = 50
	flagComplete            = "complete"
	flagPartial             = "partial"
	flagPartialNoTeamStats  = "partial_no_team_stats"
	anomalyPartialTeam      = "partial_team_data"
	anomalyExceedsMax       = "exceeds_max"
	gameStatusFinal         = "final"
)

// quality is what the quality columns say about an entry. It adds the issues that follow from source and numbers.
type quality struct {
	tier       string
	score      int64
	ready      bool
	withIssues bool
	flag       string
}

// qualityOf adds up the scores of built rows, which are whole numbers, and counts those that are production-ready.
func qualityOf(rows []table.Row) (scores, ready int64) {
	for _, row := range rows {
		score, _ := row[out.score].Float64()
		scores += int64(score)
		if row[out.ready].IsTrue() {
			ready++
		}
	}
	return scores, ready
}

func (e *entry) judgeQuality() quality {
	q := quality{tier: tierGold, score: scoreGold}
	if e.used != UsedGamebook {
		q.tier, q.score = tierSilver, scoreSilver
		e.issues.add(issueBackupSource)
	}
	if e.active() && !e.stats.known(plusMinus) {
		q.score -= deduction
		e.issues.add(issueMissingPlusMinus)
	}
	// The issues that would disqualify a row (all_sources_failed, missing_required, placeholder_created) cannot arise
	// here: such a row is rejected instead.
	q.ready = q.score >= minProductionReadyScore
	q.withIssues = e.issues&^(1<<issueMissingPlusMinus) != 0
	switch d := &e.derived; {
	case !d.team.complete:
		q.flag = flagPartialNoTeamStats
	case e.active() && !d.usageShown:
		q.flag = flagPartial
	default:
		q.flag = flagComplete
	}
	return q
}
