package summary

import (
	"errors"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"lebronjames":           {"LeBron James", " LEBRON  JAMES ", "Le Bron James"},
		"nikolajokic":           {"Nikola Jokić", "Nikola Jokic", "NIKOLA JOKIĆ", "Nikola Jokic\u0301"},
		"lukadoncic":            {"Luka Dončić"},
		"davisbertans":          {"Dāvis Bertāns"},
		"alperensengun":         {"Alperen Şengün"},
		"dennisschroder":        {"Dennis Schröder"},
		"ersanilyasova":         {"Ersan İlyasova", "Ersan Ilyasova", "Ersan ılyasova"},
		"kristapsporzingis":     {"Kristaps Porziņģis"},
		"karlanthonytowns":      {"Karl-Anthony Towns", "Karl Anthony Towns"},
		"shaigilgeousalexander": {"Shai Gilgeous-Alexander"},
		"deaaronfox":            {"De'Aaron Fox", "De’Aaron Fox", "DeAaron Fox"},
		"pjtucker":              {"P.J. Tucker", "PJ Tucker", "P. J. Tucker"},
		"oganunoby":             {"O.G. Anunoby", "OG Anunoby"},
		"robertwilliamsiii":     {"Robert Williams III"},
		"robertwilliams":        {"Robert Williams"},
		"jarenjacksonjr": {"Jaren Jackson Jr.", "Jaren Jackson Jr", "Jaren Jackson Junior", "Jaren Jackson, JR.",
			"jaren jackson\tjunior"},
		"jarenjacksonsr": {"Jaren Jackson Sr.", "Jaren Jackson Senior"},
		"lukaszmadej":    {"Łukasz Madej"},
		"dordedosen":     {"Đorđe Došen"},
		"oysteinaebo":    {"Øystein Æbo"},
		"thorweisssson":  {"Þor Weißsson"},
		"jurgenost":      {"Jürgen Öst", "Jurgen Ost"},
		"vanemarcus":     {"Vane, Marcus"},
		"marcusvane":     {"Marcus Vane", "Marcus\u00a0Vane", "Ｍarcus Vane"},
		"junior":         {"Junior"}, // a whole name is no ending
		"":               {"", "   ", "...", "张"},
	}
	for want, names := range tests {
		for _, name := range names {
			if got := Lookup(name); got != want {
				t.Errorf("Lookup(%q) = %q, want %q", name, got, want)
			}
		}
	}
	if got := WithoutPrefix("1630999marcusvane"); got != "marcusvane" {
		t.Errorf("without prefix %q", got)
	}
}

func FuzzLookup(f *testing.F) {
	for _, s := range []string{"Nikola Jokić", "Jaren Jackson Jr.", "Łukasz", "ﬁ Junior", "\xff", "Ǿ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key := Lookup(s)
		if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("Lookup(%q) = %q", s, key)
		}
		if again := Lookup(key); again != key {
			t.Errorf("Lookup(%q) = %q, again %q", s, key, again)
		}
		if utf8.ValidString(s) && Lookup(" "+s+" ") != key {
			t.Errorf("blanks around %q change its key %q", s, key)
		}
	})
}

func TestTeam(t *testing.T) {
	t.Parallel()
	tests := []struct{ code, want string }{
		{"BRK", "BKN"}, {"PHO", "PHX"}, {"CHO", "CHA"}, {"GS", "GSW"}, {"SA", "SAS"}, {"NY", "NYK"}, {"NO", "NOP"},
		{"NOH", "NOP"}, {"UTAH", "UTA"}, {"WSH", "WAS"}, {"BKN", "BKN"}, {"bkn", "BKN"}, {" LAL ", "LAL"},
		{"\u00a0lal", "LAL"}, {"utah", "UTA"}, {"XXX", ""}, {"", ""}, {"Warriors", ""}, {"LBN", ""}, {"B K N", ""},
	}
	for _, tt := range tests {
		if got, ok := Team(tt.code); got != tt.want || ok != (tt.want != "") {
			t.Errorf("Team(%q) = %q %v, want %q", tt.code, got, ok, tt.want)
		}
	}
	distinct := map[string]bool{}
	for _, team := range teamCodes {
		distinct[team] = true
	}
	if len(distinct) != 30 {
		t.Errorf("%d teams, want 30", len(distinct))
	}
}

func FuzzTeam(f *testing.F) {
	f.Add("gsw")
	f.Fuzz(func(t *testing.T, s string) {
		team, ok := Team(s)
		if again, okAgain := Team(team); ok && (!okAgain || again != team || len(team) != 3) {
			t.Errorf("Team(%q) = %q, not a code of its own", s, team)
		}
	})
}

func TestParseMinutes(t *testing.T) {
	t.Parallel()
	known := []struct {
		text    string
		seconds int64
		tenths  int64
		whole   bool
	}{
		{"34:56", 2096, 349, false}, {"34:57", 2097, 350, false}, {"34", 2040, 340, true}, {"36.5", 2190, 365, false},
		{"12:15", 735, 123, false}, {"19:57", 1197, 200, false}, {"40:11", 2411, 402, false}, {"45:58", 2758, 460, false},
		{" 04 : 00 ", 240, 40, false}, {"48:00", 2880, 480, false}, {"PT34M56.00S", 2096, 349, false},
		{"0:03", 3, 1, false}, {"0:02", 2, 0, false}, {"0:00", 0, 0, false}, {"00", 0, 0, true}, {"0", 0, 0, true},
		{"53:00", 3180, 530, false}, {"12:03", 723, 121, false}, {"07:09", 429, 72, false}, {"34.5", 2070, 345, false},
		{"31.45", 1887, 315, false}, {"31.333", 1880, 313, false}, {"PT24M01.00S", 1441, 240, false},
		{"PT38M", 2280, 380, true},
		{"PT00M00.00S", 0, 0, false}, {"PT56S", 56, 9, false}, {"PT34M55.5S", 2096, 349, false}, {"pt10m", 600, 100, true},
		{" 21:30 ", 1290, 215, false}, {"53:12", 3192, 532, false}, {"39:57", 2397, 400, false}, {"80:00", 4800, 800, false},
	}
	for _, tt := range known {
		want := Minutes{MinutesKnown, tt.seconds, tt.whole}
		if got := ParseMinutes(tt.text); got != want || MinutesPlayed(got.Seconds) != tt.tenths {
			t.Errorf("ParseMinutes(%q) = %+v, %d tenths, want %+v, %d", tt.text, got,
				MinutesPlayed(got.Seconds), want, tt.tenths)
		}
	}
	kinds := map[MinutesKind][]string{
		MinutesAbsent:    {"", " ", "-", "null", "NULL"},
		MinutesNotPlayed: {"DNP - Coach's Decision", "dnd - sick", "NWT", "Did Not Dress", "Inactive"},
		MinutesBad: {"12:75", "abc", "1e3", "NaN", "inf", "-3", "-3:00", "1:02:03", "80:01", "81", "34.", ".5",
			"34.5.1", "PT", "PTM",
			"PT34M60S", "PT34MS", "PT34", "PT1H", "12:3x", "：", "３４", "9999999999999999999", "+5", "12:-5", "0x10"},
	}
	for kind, texts := range kinds {
		for _, text := range texts {
			if got := ParseMinutes(text); got.Kind != kind || got.Seconds != 0 {
				t.Errorf("ParseMinutes(%q) = %+v, want kind %d", text, got, kind)
			}
		}
	}
}

func FuzzParseMinutes(f *testing.F) {
	for _, s := range []string{"34:56", "PT34M56.00S", "31.333", "DNP", "1e3", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := ParseMinutes(s)
		if m.Seconds < 0 || m.Seconds > maxSeconds || (m.Kind != MinutesKnown && m != (Minutes{Kind: m.Kind})) {
			t.Errorf("ParseMinutes(%q) = %+v", s, m)
		}
		if m.WholeMinutes && m.Seconds%60 != 0 {
			t.Errorf("ParseMinutes(%q) = %+v, not whole minutes", s, m)
		}
	})
}

func TestReasonCategory(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"DNP - Coach's Decision", ReasonCoach}, {"DNP - Coach’s Decision", ReasonCoach}, {"Not With Team", ReasonCoach},
		{"Injury/Illness - Right Knee; Soreness", ReasonInjury}, {"Rest", ReasonRest}, {"Load Management", ReasonRest},
		{"Load", ReasonOther}, {"Return to Competition Reconditioning", ReasonOther}, {"Setback in practice", ReasonOther},
		{"Sore back, rest", ReasonInjury}, {"Personal Reasons", ReasonPersonal}, {"League Suspension", ReasonCoach},
		{"Restructured", ReasonOther}, {"", ReasonOther},
	}
	for _, tt := range tests {
		if got := ReasonCategory(tt.text); got != tt.want {
			t.Errorf("ReasonCategory(%q) = %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestParseLeagueID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		id   string
		want LeagueID
		err  error
	}{
		{"0022100001", LeagueID{"0022100001", Regular, 2021, false}, nil},
		{"0012100005", LeagueID{"0012100005", Preseason, 2021, false}, nil},
		{"0032100001", LeagueID{"0032100001", AllStar, 2021, false}, nil},
		{"0042300101", LeagueID{"0042300101", Playoffs, 2023, false}, nil},
		{"0052100101", LeagueID{"0052100101", PlayIn, 2021, false}, nil},
		{"0062300001", LeagueID{"0062300001", CupFinal, 2023, false}, nil},
		{"22100001", LeagueID{"0022100001", Regular, 2021, true}, nil},
		{"0029900001", LeagueID{"0029900001", Regular, 1999, false}, nil},
		{"0072100001", LeagueID{}, ErrLeagueType}, {"00221000A1", LeagueID{}, ErrLeagueID}, {"", LeagueID{}, ErrLeagueID},
		{"00022100001", LeagueID{}, ErrLeagueID}, {"-22100001", LeagueID{}, ErrLeagueID},
	}
	for _, tt := range tests {
		if got, err := ParseLeagueID(tt.id); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseLeagueID(%q) = %+v %v, want %+v %v", tt.id, got, err, tt.want, tt.err)
		}
	}
	for _, kind := range []GameType{Regular, Playoffs, PlayIn, CupFinal} {
		if !kind.Counts() {
			t.Errorf("%s does not count", kind)
		}
	}
	for _, kind := range []GameType{Preseason, AllStar, ""} {
		if kind.Counts() {
			t.Errorf("%q counts", kind)
		}
	}
}

func FuzzParseLeagueID(f *testing.F) {
	for _, s := range []string{"0022100001", "22100001", "00221000A1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseLeagueID(s)
		if err != nil {
			return
		}
		again, err := ParseLeagueID(id.ID)
		id.Restored = false
		if err != nil || again != id || len(id.ID) != leagueIDDigits {
			t.Errorf("ParseLeagueID(%q) = %+v, again %+v %v", s, id, again, err)
		}
	})
}

func FuzzSplitGameID(f *testing.F) {
	f.Add("20220115_BOS_CHI")
	f.Add("20220115_UTAH_GS")
	f.Fuzz(func(t *testing.T, s string) {
		date, first, second, ok := splitGameID(s)
		if ok && strings.TrimSpace(s) != date+"_"+first+"_"+second {
			t.Errorf("splitGameID(%q) = %q %q %q", s, date, first, second)
		}
	})
}

// FuzzScaled compares the integer rounding with exact rationals.
func FuzzScaled(f *testing.F) {
	f.Add(int64(27), int64(40), uint8(3))
	f.Add(int64(1)<<62, int64(1), uint8(3))
	f.Add(int64(1), int64(8), uint8(2)) // a tie
	f.Fuzz(func(t *testing.T, num, den int64, places uint8) {
		scale := int(places % 4)
		if num < 0 || den <= 0 || den > 1<<61 {
			t.Skip()
		}
		const limit = 999_999
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
		// floor(num*unit/den + 1/2)
		want := new(big.Int).Mul(big.NewInt(num), unit)
		want.Mul(want, big.NewInt(2)).Add(want, big.NewInt(den))
		want.Div(want, new(big.Int).Mul(big.NewInt(2), big.NewInt(den)))
		if want.Cmp(big.NewInt(limit)) > 0 {
			want.SetInt64(limit)
		}
		r := ratio{num, den}
		if got := r.scaled(scale, limit); got != want.Int64() {
			t.Errorf("%d/%d at %d places = %d, want %s", num, den, scale, got, want)
		}
		exact := new(big.Rat).SetFrac64(num, den)
		for _, n := range []int64{0, 50, 100} {
			if got, want := r.atMost(n), exact.Cmp(new(big.Rat).SetInt64(n)) <= 0; got != want {
				t.Errorf("%d/%d at most %d: %v, want %v", num, den, n, got, want)
			}
		}
	})
}

func TestUnknownRatioIsNull(t *testing.T) {
	t.Parallel()
	for _, r := range []ratio{{}, {5, 0}} {
		if v := r.decimal(3, limitRatio); !v.IsNull() {
			t.Errorf("%+v = %s, want NULL", r, v.Text())
		}
	}
	if got := (ratio{9999, 1}).decimal(3, limitRatio).Text(); got != "99.999" {
		t.Errorf("an impossible ratio is %s, want the column's limit", got)
	}
}

// Letters that only look or fold like ASCII make no team code.
func TestTeamIsASCII(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"mıa", "ſas", "ＢＯＳ"} {
		if team, ok := Team(code); ok {
			t.Errorf("Team(%q) = %s, want none", code, team)
		}
	}
}
