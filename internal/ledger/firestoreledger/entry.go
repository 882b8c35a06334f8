package firestoreledger

import (
	"fmt"
	"maps"
	"time"

	"cloud.google.com/go/firestore"

	"gamefill/internal/ledger"
)

type entryDocument struct {
	Job             string           `firestore:"job"`
	Date            string           `firestore:"date"`
	State           string           `firestore:"state"`
	Run             string           `firestore:"run"`
	Seq             int64            `firestore:"seq"`
	PublishedSeq    int64            `firestore:"published_seq"`
	PublishedAt     time.Time        `firestore:"published_at"`
	NotBefore       time.Time        `firestore:"not_before"`
	Reason          string           `firestore:"reason"`
	Generation      int64            `firestore:"generation"`
	Attempt         int              `firestore:"attempt"`
	Spent           int              `firestore:"spent"`
	Owner           string           `firestore:"owner"`
	LeaseUntil      time.Time        `firestore:"lease_until"`
	WriteGeneration int64            `firestore:"write_generation"`
	WriteID         string           `firestore:"write_id"`
	WriteRun        string           `firestore:"write_run"`
	WriteContent    string           `firestore:"write_fingerprint"`
	WritePreImage   string           `firestore:"write_pre_image"`
	WritePreRows    int              `firestore:"write_pre_image_rows"`
	WriteRollback   bool             `firestore:"write_rollback"`
	Failure         *failureDocument `firestore:"failure"`
	DeadPublished   bool             `firestore:"dead_published"`
	Facts           string           `firestore:"facts"`
	Claim           string           `firestore:"claim"`
	UpdatedAt       time.Time        `firestore:"updated_at"`
}

// stored is an entry as it was read. claim names the claim that granted the lease.
type stored struct {
	ledger.Entry
	claim string
}

// entryOf reads a date's document; ok is false when the date was never planned.
func entryOf(s *firestore.DocumentSnapshot) (e stored, ok bool, err error) {
	if !s.Exists() {
		return stored{}, false, nil
	}
	var d entryDocument
	if err := s.DataTo(&d); err != nil {
		return stored{}, false, fmt.Errorf("read %s: %w", s.Ref.Path, err)
	}
	date, err := dateOf(d.Date)
	if err != nil {
		return stored{}, false, fmt.Errorf("read %s: %w", s.Ref.Path, err)
	}
	e = stored{claim: d.Claim,
		Entry: ledger.Entry{Job: d.Job, Date: date, State: ledger.State(d.State), Run: d.Run, Seq: d.Seq,
			PublishedSeq: d.PublishedSeq, PublishedAt: d.PublishedAt, NotBefore: d.NotBefore, Reason: d.Reason,
			Generation: d.Generation, Attempt: d.Attempt, Spent: d.Spent, Owner: d.Owner, LeaseUntil: d.LeaseUntil,
			Write: ledger.WriteRecord{Generation: d.WriteGeneration, ID: d.WriteID, Run: d.WriteRun, Fingerprint: d.WriteContent,
				PreImage: d.WritePreImage, PreImageRows: d.WritePreRows, Rollback: d.WriteRollback},
			DeadPublished: d.DeadPublished, UpdatedAt: d.UpdatedAt}}
	if e.Failure, err = d.Failure.failure(); err != nil {
		return stored{}, false, fmt.Errorf("read %s: %w", s.Ref.Path, err)
	}
	if err := fromJSON(d.Facts, &e.Facts); err != nil {
		return stored{}, false, fmt.Errorf("read facts of %s: %w", s.Ref.Path, err)
	}
	return e, true, nil
}

// entryFields is everything of an entry but its facts and its claim, which change by themselves.
func entryFields(e *ledger.Entry) fields {
	f := fields{"job": e.Job, "date": e.Date.String(), "state": string(e.State), "run": e.Run, "seq": e.Seq,
		"published_seq": e.PublishedSeq, "published_at": instant(e.PublishedAt), "not_before": instant(e.NotBefore),
		"reason": e.Reason, "generation": e.Generation, "attempt": e.Attempt, "spent": e.Spent, "owner": e.Owner,
		"lease_until": instant(e.LeaseUntil), "failure": failureFields(e.Failure), "dead_published": e.DeadPublished,
		"updated_at": e.UpdatedAt}
	maps.Copy(f, writeFields(e.Write))
	return f
}

func writeFields(w ledger.WriteRecord) fields {
	return fields{"write_generation": w.Generation, "write_id": w.ID, "write_run": w.Run,
		"write_fingerprint": w.Fingerprint,
		"write_pre_image":   w.PreImage, "write_pre_image_rows": w.PreImageRows, "write_rollback": w.Rollback}
}

// save stores e over the document that it was read from, stamped with now.
func save(s *firestore.DocumentSnapshot, e *ledger.Entry, now time.Time) write {
	e.UpdatedAt = now
	return put(s, entryFields(e))
}

// end closes the attempt that e is in.
func (l *Ledger) end(e *ledger.Entry, now time.Time, result string, f *ledger.Failure, outcome ledger.Outcome) write {
	return update(l.attemptRef(e.Job, e.Date, e.Attempt),
		fields{"ended_at": now, "result": result, "failure": failureFields(f), "outcome": string(outcome)})
}

// expire ends the lease of e, which has run out, see [ledger.Entry.Expire]. The caller saves e and stores the end of
// the attempt that is returned.
func (l *Ledger) expire(e *ledger.Entry, run ledger.RunState, now time.Time, maxAttempts int) write {
	e.Expire(run, maxAttempts)
	return l.end(e, now, ledger.ResultExpired, e.Failure, "")
}
