package ledgertest

import (
	"time"

	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/warehouse"
)

// fullFacts has every field set; the case "complete/facts come back" checks that it does.
func fullFacts() ledger.Facts {
	at := time.Date(2022, 1, 16, 4, 5, 6, 789012000, time.UTC)
	return ledger.Facts{
		Outcome: ledger.Replaced, Run: run1, Version: version, SettingsHash: "settings", RowSettingsHash: "row settings",
		ReferenceHash: "reference", Rows: 213, Fingerprint: "5f2c", ContentFingerprint: "5f2d", PreImage: "0d1e",
		PreImageRows: 209, Kept: true, InputFingerprint: "77aa",
		SourceTokens: map[string]warehouse.Token{"nbac_gamebook_player_stats": "t1",
			"bdl_player_boxscores": warehouse.NoToken},
		TargetToken:  "t9",
		NewestSource: map[string]time.Time{"nbac_gamebook_player_stats": at.Add(-time.Hour)},
		Counts: job.Counts{RowsIn: 216, RowsUsed: 213, RowsOut: 213, RejectedBy: map[string]int64{"bad_team": 3},
			Counts: map[string]int64{"status.active": 160, "status.inactive": 53}},
		Findings: []job.Finding{{Rule: "active_per_game", Level: job.Warn, Message: "19 of 20", Accepted: true}},
		Rejections: []job.Rejection{
			{Source: "nbac_gamebook_player_stats", Reason: "bad_team", Key: "0022100001/x", Detail: "team \"\u00e9\"\n"}},
		Unresolved: []job.Unresolved{
			{Source: "s", Name: "Nikola Joki\u0107", Lookup: "nikolajokic", Season: "2021-22", Group: "DEN",
				Examples: []string{"0022100001"}}},
		Durations:   map[string]time.Duration{"read": 12345678 * time.Nanosecond, "write": time.Hour},
		CompletedAt: at, UploadedBytes: 31_415, KeptBytes: 27_182,
	}
}
