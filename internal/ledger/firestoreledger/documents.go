package firestoreledger

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"cloud.google.com/go/firestore"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// Names of collections. Those at the top, and that of attempts, which is queried across all dates, take the prefix.
const (
	jobs        = "gamefill_jobs"
	dates       = "dates"
	attempts    = "gamefill_attempts"
	runs        = "gamefill_runs"
	registry    = "registry"
	deadLetters = "gamefill_dead_letters"
	events      = "gamefill_events"
	roles       = "gamefill_roles"
)

// documentID is any text as the id of a document, which may hold no slash and be neither empty, "." nor "..".
func documentID(text string) string {
	switch text {
	case "":
		return "%"
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	}
	return url.PathEscape(text)
}

func (l *Ledger) top(collection string) *firestore.CollectionRef {
	return l.client.Collection(l.prefix + collection)
}

func (l *Ledger) jobRef(name string) *firestore.DocumentRef { return l.top(jobs).Doc(documentID(name)) }

func (l *Ledger) dateRef(jobName string, date gamedate.Date) *firestore.DocumentRef {
	return l.jobRef(jobName).Collection(dates).Doc(date.String())
}

func (l *Ledger) attemptRef(jobName string, date gamedate.Date, n int) *firestore.DocumentRef {
	return l.dateRef(jobName, date).Collection(l.prefix + attempts).Doc(fmt.Sprintf("%06d", n))
}

func (l *Ledger) runRef(id string) *firestore.DocumentRef { return l.top(runs).Doc(documentID(id)) }

func (l *Ledger) newEventRef() *firestore.DocumentRef { return l.top(events).NewDoc() }

// instant is t as stored; the zero time is null.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// dateText is a game date as stored; the zero date is "".
func dateText(d gamedate.Date) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

// dateOf undoes dateText.
func dateOf(text string) (d gamedate.Date, err error) {
	if text != "" {
		err = d.UnmarshalText([]byte(text))
	}
	return d, err
}

// jsonText is v as stored where nobody queries inside it; nil pointers, slices and maps are "".
func jsonText(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil || string(text) == "null" {
		return "", err
	}
	return string(text), nil
}

// fromJSON undoes jsonText.
func fromJSON(text string, to any) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), to)
}

// failureFields is a failure as stored.
func failureFields(f *ledger.Failure) any {
	if f == nil {
		return nil
	}
	return map[string]any{"class": f.Class.String(), "reason": f.Reason, "stage": f.Stage, "message": f.Message}
}

type failureDocument struct {
	Class   string `firestore:"class"`
	Reason  string `firestore:"reason"`
	Stage   string `firestore:"stage"`
	Message string `firestore:"message"`
}

func (f *failureDocument) failure() (*ledger.Failure, error) {
	if f == nil {
		return nil, nil
	}
	class, err := failure.ParseClass(f.Class)
	return &ledger.Failure{Class: class, Reason: f.Reason, Stage: f.Stage, Message: f.Message}, err
}
