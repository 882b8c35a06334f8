package firestoreledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/firestore"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

type attemptDocument struct {
	Job        string           `firestore:"job"`
	Date       string           `firestore:"date"`
	N          int              `firestore:"n"`
	Run        string           `firestore:"run"`
	Seq        int64            `firestore:"seq"`
	Generation int64            `firestore:"generation"`
	Owner      string           `firestore:"owner"`
	StartedAt  time.Time        `firestore:"started_at"`
	EndedAt    time.Time        `firestore:"ended_at"`
	Result     string           `firestore:"result"`
	Failure    *failureDocument `firestore:"failure"`
	Outcome    string           `firestore:"outcome"`
}

// attemptFields is the beginning of the attempt that e is in. It has no ended_at: an order by that field finds the
// documents that have it.
func attemptFields(e *ledger.Entry, now time.Time) fields {
	return fields{"job": e.Job, "date": e.Date.String(), "n": e.Attempt, "run": e.Run, "seq": e.Seq,
		"generation": e.Generation, "owner": e.Owner, "started_at": now, "result": ""}
}

// Attempts implements [ledger.Records].
func (l *Ledger) Attempts(ctx context.Context, f ledger.AttemptFilter, limit int) ([]ledger.Attempt, error) {
	s := startedFirst
	if f.EndedOnly {
		s = endedFirst
	}
	equal := compared{}.set("job", f.Job).set("run", f.Run).set("date", dateText(f.Date))
	d, err := l.ask(ctx, s.query(l.client.CollectionGroup(l.prefix+s.collection).Query, equal, limit))
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	return decoded(d, func(s *firestore.DocumentSnapshot) (ledger.Attempt, error) {
		var a attemptDocument
		if err := s.DataTo(&a); err != nil {
			return ledger.Attempt{}, err
		}
		failed, err := a.Failure.failure()
		if err != nil {
			return ledger.Attempt{}, err
		}
		date, err := dateOf(a.Date)
		return ledger.Attempt{Job: a.Job, Date: date, N: a.N, Run: a.Run, Seq: a.Seq, Generation: a.Generation,
			Owner:     a.Owner,
			StartedAt: a.StartedAt, EndedAt: a.EndedAt, Result: a.Result, Failure: failed,
			Outcome: ledger.Outcome(a.Outcome)}, err
	})
}

// decoded reads every document.
func decoded[T any](d documents, decode func(*firestore.DocumentSnapshot) (T, error)) ([]T, error) {
	var all []T
	for _, s := range d.snaps {
		one, err := decode(s)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", s.Ref.Path, err)
		}
		all = append(all, one)
	}
	return all, nil
}

type eventDocument struct {
	At      time.Time `firestore:"at"`
	Job     string    `firestore:"job"`
	Run     string    `firestore:"run"`
	Date    string    `firestore:"date"`
	Kind    string    `firestore:"kind"`
	Actor   string    `firestore:"actor"`
	Message string    `firestore:"message"`
}

func eventFields(e ledger.Event) fields {
	return fields{"at": e.At, "job": e.Job, "run": e.Run, "date": dateText(e.Date), "kind": e.Kind, "actor": e.Actor,
		"message": e.Message}
}

// AddEvent implements [ledger.Records].
func (l *Ledger) AddEvent(ctx context.Context, e ledger.Event) error {
	err := l.change(ctx, []*firestore.DocumentRef{l.newEventRef()}, func(d documents) ([]write, error) {
		if d.snaps[0].Exists() {
			return nil, nil // an earlier try, whose answer was lost
		}
		e.At = d.now
		return []write{put(d.snaps[0], eventFields(e))}, nil
	})
	if err != nil {
		return fmt.Errorf("add event %s: %w", e.Kind, err)
	}
	return nil
}

// Events implements [ledger.Records].
func (l *Ledger) Events(ctx context.Context, jobName, run string, limit int) ([]ledger.Event, error) {
	s := eventsOfJob
	d, err := l.ask(ctx, s.query(l.top(s.collection).Query, compared{"job": jobName}.set("run", run), limit))
	if err != nil {
		return nil, fmt.Errorf("read events of %s: %w", jobName, err)
	}
	return decoded(d, func(s *firestore.DocumentSnapshot) (ledger.Event, error) {
		var e eventDocument
		if err := s.DataTo(&e); err != nil {
			return ledger.Event{}, err
		}
		date, err := dateOf(e.Date)
		return ledger.Event{At: e.At, Job: e.Job, Run: e.Run, Date: date, Kind: e.Kind, Actor: e.Actor,
			Message: e.Message}, err
	})
}

type letterDocument struct {
	ID          string            `firestore:"id"`
	Job         string            `firestore:"job"`
	Date        string            `firestore:"date"`
	Run         string            `firestore:"run"`
	Seq         int64             `firestore:"seq"`
	Body        []byte            `firestore:"body"`
	Attributes  map[string]string `firestore:"attributes"`
	Failure     *failureDocument  `firestore:"failure"`
	Attempts    int               `firestore:"attempts"`
	PublishedAt time.Time         `firestore:"published_at"`
	FoldedAt    time.Time         `firestore:"folded_at"`
	State       string            `firestore:"state"`
	Actor       string            `firestore:"actor"`
	Note        string            `firestore:"note"`
	SettledAt   time.Time         `firestore:"settled_at"`
}

func letterFields(d ledger.DeadLetter) fields {
	f := fields{"id": d.ID, "job": d.Job, "date": dateText(d.Date), "run": d.Run, "seq": d.Seq, "body": nil,
		"attributes": nil,
		"failure":    failureFields(&d.Failure), "attempts": d.Attempts, "published_at": instant(d.PublishedAt),
		"folded_at": instant(d.FoldedAt), "state": string(d.State), "actor": d.Actor, "note": d.Note,
		"settled_at": instant(d.SettledAt)}
	if d.Body != nil {
		f["body"] = d.Body
	}
	if d.Attributes != nil {
		f["attributes"] = d.Attributes
	}
	return f
}

func letterOf(s *firestore.DocumentSnapshot) (ledger.DeadLetter, error) {
	var d letterDocument
	if err := s.DataTo(&d); err != nil {
		return ledger.DeadLetter{}, err
	}
	failed, err := d.Failure.failure()
	if err != nil {
		return ledger.DeadLetter{}, err
	}
	if failed == nil {
		failed = &ledger.Failure{}
	}
	date, err := dateOf(d.Date)
	return ledger.DeadLetter{ID: d.ID, Job: d.Job, Date: date, Run: d.Run, Seq: d.Seq, Body: d.Body,
		Attributes: d.Attributes,
		Failure:    *failed, Attempts: d.Attempts, PublishedAt: d.PublishedAt, FoldedAt: d.FoldedAt,
		State: ledger.LetterState(d.State), Actor: d.Actor, Note: d.Note, SettledAt: d.SettledAt}, err
}

func (l *Ledger) letterRef(id string) *firestore.DocumentRef {
	return l.top(deadLetters).Doc(documentID(id))
}

// RecordDeadLetter implements [ledger.Records].
func (l *Ledger) RecordDeadLetter(ctx context.Context, letter ledger.DeadLetter) error {
	if letter.State == "" {
		letter.State = ledger.LetterOpen
	}
	err := l.change(ctx, []*firestore.DocumentRef{l.letterRef(letter.ID)}, func(d documents) ([]write, error) {
		if d.snaps[0].Exists() {
			return nil, nil
		}
		letter.FoldedAt = d.now
		return []write{put(d.snaps[0], letterFields(letter))}, nil
	})
	if err != nil {
		return fmt.Errorf("record dead letter %s: %w", letter.ID, err)
	}
	return nil
}

// DeadLetters implements [ledger.Records]. Range and text are looked for here: Firestore has no search in texts.
func (l *Ledger) DeadLetters(ctx context.Context, f ledger.DeadLetterFilter) ([]ledger.DeadLetter, error) {
	equal := compared{}.set("job", f.Job).set("run", f.Run).set("state", string(f.State)).
		set("failure.class", f.Class).set("failure.stage", f.Stage).set("failure.reason", f.Reason)
	d, err := l.ask(ctx, lettersBy.query(l.top(lettersBy.collection).Query, equal, 0))
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	letters, err := decoded(d, letterOf)
	if err != nil {
		return nil, err
	}
	text := strings.ToLower(f.Text)
	letters = slices.DeleteFunc(letters, func(d ledger.DeadLetter) bool {
		inRange := f.Range == (gamedate.Range{}) ||
			!d.Date.IsZero() && d.Date.Compare(f.Range.From) >= 0 && d.Date.Compare(f.Range.To) <= 0
		return !inRange ||
			!strings.Contains(strings.ToLower(d.Failure.Reason), text) &&
				!strings.Contains(strings.ToLower(d.Failure.Message), text)
	})
	slices.SortFunc(letters, func(a, b ledger.DeadLetter) int {
		return cmp.Or(a.PublishedAt.Compare(b.PublishedAt), cmp.Compare(a.ID, b.ID))
	})
	return letters, nil
}

// SettleDeadLetters implements [ledger.Records].
func (l *Ledger) SettleDeadLetters(ctx context.Context, ids []string, state ledger.LetterState,
	actor, note string) (int, error) {
	if state != ledger.LetterReplayed && state != ledger.LetterResolved && state != ledger.LetterSuperseded {
		return 0, fmt.Errorf("settle dead letters: %q is no state of a settled letter", state)
	}
	settled := 0
	for portion := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(ids))), maxDocuments) {
		var refs []*firestore.DocumentRef
		for _, id := range portion {
			refs = append(refs, l.letterRef(id))
		}
		n := 0
		err := l.change(ctx, refs, func(d documents) (writes []write, err error) {
			for _, s := range d.snaps {
				if !s.Exists() {
					continue
				}
				letter, err := letterOf(s)
				if err != nil {
					return nil, err
				}
				if letter.State == ledger.LetterOpen {
					writes = append(writes, put(s, fields{"state": string(state), "actor": actor, "note": note, "settled_at": d.now}))
				}
			}
			n = len(writes)
			return writes, nil
		})
		if err != nil {
			return settled, fmt.Errorf("settle %d dead letters: %w", len(ids), err)
		}
		settled += n
	}
	return settled, nil
}
