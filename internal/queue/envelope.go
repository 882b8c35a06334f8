package queue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"gamefill/internal/gamedate"
)

// EnvelopeVersion is the message format this build writes and the only one it reads.
const EnvelopeVersion = 1

// Attribute names. Attributes repeat what the body says, for filters and consoles, and carry seq.
const (
	AttrJob  = "job"
	AttrRun  = "run"
	AttrDate = "date"
	AttrSeq  = "seq"
	// AttrTrace is the trace that a message belongs to, where traces are on; AttrTraceBefore, on a message that replays a
	// dead letter, the letter's. Form: W3C Trace Context, header traceparent. Nothing decides by them.
	AttrTrace       = "traceparent"
	AttrTraceBefore = "traceparent_before"
	// Attributes of dead letters only.
	AttrClass      = "class"
	AttrStage      = "stage"
	AttrReason     = "reason"
	AttrAttempts   = "attempts"
	AttrGeneration = "generation"
	AttrVersion    = "version"
)

// Envelope is the content of a message: {"v":1,"job":"player_game_summary","run":"<id>","date":"2022-01-15"}.
// Seq is the entry's publication number, carried as an attribute; 0 when the message has none.
type Envelope struct {
	Job  string
	Run  string
	Date gamedate.Date
	Seq  int64
}

// Message writes the envelope.
func (e Envelope) Message() Message {
	body, _ := json.Marshal(struct { // texts and numbers always marshal
		V    int           `json:"v"`
		Job  string        `json:"job"`
		Run  string        `json:"run"`
		Date gamedate.Date `json:"date"`
	}{EnvelopeVersion, e.Job, e.Run, e.Date})
	return Message{Body: body, Attributes: map[string]string{
		AttrJob: e.Job, AttrRun: e.Run, AttrDate: e.Date.String(), AttrSeq: strconv.FormatInt(e.Seq, 10),
	}}
}

// EnvelopeError says why a message cannot be read. Reason is a short stable text for the dead letter.
type EnvelopeError struct {
	Reason string
	Detail string
}

// Error is reason and detail.
func (e *EnvelopeError) Error() string {
	if e.Detail == "" {
		return "unreadable message: " + e.Reason
	}
	return "unreadable message: " + e.Reason + ": " + e.Detail
}

// ParseEnvelope reads a message. Unknown fields are ignored and attributes kept as they are; anything else that is not
// an envelope is an *EnvelopeError. Whether the job is known and the date planned is the caller's question.
func ParseEnvelope(m Message) (Envelope, error) {
	bad := func(reason, detail string) (Envelope, error) { return Envelope{}, &EnvelopeError{reason, detail} }
	body := bytes.TrimSpace(m.Body)
	switch {
	case len(body) == 0:
		return bad("empty", "")
	case !utf8.Valid(body):
		return bad("not UTF-8", "")
	case !json.Valid(body):
		return bad("not JSON", "")
	case body[0] != '{':
		return bad("not an object", "")
	}
	var raw struct {
		V    json.RawMessage `json:"v"`
		Job  json.RawMessage `json:"job"`
		Run  json.RawMessage `json:"run"`
		Date json.RawMessage `json:"date"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return bad("not JSON", err.Error())
	}
	if v := string(raw.V); v != strconv.Itoa(EnvelopeVersion) {
		if v == "" {
			return bad("version missing", "")
		}
		return bad("unsupported version", fmt.Sprintf("v is %.20s, this build reads %d", v, EnvelopeVersion))
	}
	var e Envelope
	var date string
	for _, f := range []struct {
		name string
		raw  json.RawMessage
		to   *string
	}{{"job", raw.Job, &e.Job}, {"run", raw.Run, &e.Run}, {"date", raw.Date, &date}} {
		if len(f.raw) == 0 || string(f.raw) == "null" {
			return bad(f.name+" missing", "")
		}
		if err := json.Unmarshal(f.raw, f.to); err != nil {
			return bad(f.name+" is not text", "")
		}
		if *f.to == "" {
			return bad(f.name+" missing", "")
		}
	}
	var err error
	if e.Date, err = gamedate.Parse(date); err != nil {
		return bad("bad date", err.Error())
	}
	if s, ok := m.Attributes[AttrSeq]; ok {
		if e.Seq, err = strconv.ParseInt(s, 10, 64); err != nil || e.Seq < 0 {
			return bad("bad seq", fmt.Sprintf("%.20q", s))
		}
	}
	return e, nil
}
