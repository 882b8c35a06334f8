// Package summary is the transform of the job "player_game_summary": the raw box-score rows of one game date in, the
// whole partition of that date out, one row per person and game.
//
// [Job] is the entry point. Everything behind it is pure: rows depend on the input rows, the reference snapshot, the
// settings and [Version] alone; the clock shows in the four volatile columns only, the order of the input nowhere.
//
// A date is built in this order, one file each:
//
//	gameid.go    which games the schedule counts, and the canonical id of each
//	decode.go    raw rows to typed lines; NULL stays apart from zero
//	clean.go     codes, ids, missing teams, names; every row left out has a reason
//	identity.go  the person behind a name: season, team, alias
//	merge.go     one row per person and game out of two sources
//	derive.go    team totals and the derived columns, in exact integers
//	quality.go   tier, score, issues
//	emit.go      table rows, hashes, lineage
//	previous.go  what carries over from the partition that is replaced
//	accept.go    the rules that decide whether the result may be published
//
// Play-by-play zones, betting lines and the lineage of other sources are columns of the table that this package does
// not fill; they are declared as unowned, and settings say what becomes of values found there.
package summary
