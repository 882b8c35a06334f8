package summary

import "strings"

// Categories of the reason why a listed player did not play.
const (
	ReasonInjury   = "injury"
	ReasonRest     = "rest"
	ReasonPersonal = "personal"
	ReasonCoach    = "coach_decision"
	ReasonOther    = "other"
)

// reasonWords are tried in order; the first category with a matching whole word or phrase wins.
var reasonWords = []struct {
	category string
	phrases  [][]string
}{
	{ReasonInjury, phrases("injury", "injured", "illness", "sprain", "strain", "sore", "soreness", "pain", "surgery",
		"concussion", "knee", "ankle", "back", "hamstring", "shoulder", "hip", "foot", "calf", "quad",
		"groin", "wrist", "elbow")},
	{ReasonRest, phrases("rest", "load management", "recovery", "maintenance", "scheduled rest", "precautionary")},
	{ReasonPersonal, phrases("personal", "family", "birth", "funeral", "bereavement")},
	{ReasonCoach, phrases("coach", "coach's", "decision", "not with team", "suspension", "team decision", "disciplinary")},
}

func phrases(list ...string) [][]string {
	out := make([][]string, len(list))
	for i, p := range list {
		out[i] = words(p)
	}
	return out
}

// ReasonCategory sorts a printed reason by whole words, so that "setback" is not a back. Text without a known word is
// "other"; the caller keeps NULL for no text.
func ReasonCategory(reason string) string {
	said := words(reason)
	for _, c := range reasonWords {
		for _, phrase := range c.phrases {
			if containsPhrase(said, phrase) {
				return c.category
			}
		}
	}
	return ReasonOther
}

// words splits lower-cased text at everything but letters, digits and apostrophes; a curly apostrophe is a straight
// one.
func words(s string) []string {
	return strings.FieldsFunc(strings.ReplaceAll(strings.ToLower(s), "’", "'"), func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '\'' || r > 127)
	})
}

func containsPhrase(said, phrase []string) bool {
	for i := 0; i+len(phrase) <= len(said); i++ {
		match := true
		for j := range phrase {
			if said[i+j] != phrase[j] {
				match = false
				break
			}
		}
		if match {
			return true
		}
	}
	return false
}
