package sqliteledger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gamefill/internal/failure"
	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/sqlitefile"
)

const (
	attemptColumns = `job, date, attempt, run, seq, generation, owner, started_at, ended_at, result, failure, outcome`

	eventColumns = `at, job, run, date, kind, actor, message`

	insertEvent = `INSERT INTO ledger_event (at, job, run, date, kind, actor, message) VALUES (?, ?, ?, ?, ?, ?, ?)`

	insertDeadLetter = `INSERT INTO ledger_dead_letter (id, job, date, run, seq, body, attributes, failure_class,
		failure_stage, failure_reason, failure_message, attempts, published_at, folded_at, state, actor, note, settled_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`
	deadLetterColumns = `id, job, date, run, seq, body, attributes, failure_class, failure_stage, failure_reason,
		failure_message, attempts, published_at, folded_at, state, actor, note, settled_at`
	settleDeadLetter = `UPDATE ledger_dead_letter SET state = ?, actor = ?, note = ?, settled_at = ?
		WHERE id = ? AND state = 'open'`
)

// conditions builds a WHERE clause of the filter fields that are set.
type conditions struct {
	terms []string
	args  []any
}

func (c *conditions) add(term string, args ...any) {
	c.terms = append(c.terms, term)
	c.args = append(c.args, args...)
}

// equal adds a condition unless value is "".
func (c *conditions) equal(column, value string) {
	if value != "" {
		c.add(column+" = ?", value)
	}
}

func (c *conditions) where() string {
	if len(c.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.terms, " AND ")
}

// Attempts implements [ledger.Records].
func (l *Ledger) Attempts(ctx context.Context, f ledger.AttemptFilter, limit int) ([]ledger.Attempt, error) {
	query, args := attemptQuery(f, limit)
	attempts, err := read(ctx, l, query, args, readAttempt)
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	return attempts, nil
}

func attemptQuery(f ledger.AttemptFilter, limit int) (query string, args []any) {
	var c conditions
	c.equal("job", f.Job)
	c.equal("run", f.Run)
	c.equal("date", dateText(f.Date))
	order := " ORDER BY sequence DESC LIMIT ?"
	if f.EndedOnly {
		c.add("ended_at IS NOT NULL")
		order = " ORDER BY ended_at DESC, sequence DESC LIMIT ?"
	}
	return "SELECT " + attemptColumns + " FROM ledger_attempt" + c.where() + order, append(c.args, orAll(limit))
}

// readAttempt reads attemptColumns.
func readAttempt(c *columns) ledger.Attempt {
	a := ledger.Attempt{Job: c.text(), Date: c.date(), N: int(c.integer()), Run: c.text(), Seq: c.integer(),
		Generation: c.integer(), Owner: c.text(), StartedAt: c.instant(), EndedAt: c.instant(), Result: c.text()}
	c.json(&a.Failure)
	a.Outcome = ledger.Outcome(c.text())
	return a
}

// AddEvent implements [ledger.Records].
func (l *Ledger) AddEvent(ctx context.Context, e ledger.Event) error {
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		e.At = l.now()
		return addEvent(tx, e)
	})
	if err != nil {
		return fmt.Errorf("add event %s: %w", e.Kind, err)
	}
	return nil
}

func addEvent(tx *sqlitefile.Tx, e ledger.Event) error {
	_, err := tx.Exec(insertEvent, micros(e.At), e.Job, e.Run, dateText(e.Date), e.Kind, e.Actor, e.Message)
	return err
}

// Events implements [ledger.Records].
func (l *Ledger) Events(ctx context.Context, jobName, run string, limit int) ([]ledger.Event, error) {
	query, args := eventQuery(jobName, run, limit)
	events, err := read(ctx, l, query, args, readEvent)
	if err != nil {
		return nil, fmt.Errorf("read events of %s: %w", jobName, err)
	}
	return events, nil
}

func eventQuery(jobName, run string, limit int) (query string, args []any) {
	var c conditions
	c.add("job = ?", jobName)
	c.equal("run", run)
	return "SELECT " + eventColumns + " FROM ledger_event" + c.where() +
		" ORDER BY sequence DESC LIMIT ?", append(c.args, orAll(limit))
}

// readEvent reads eventColumns.
func readEvent(c *columns) ledger.Event {
	return ledger.Event{At: c.instant(), Job: c.text(), Run: c.text(), Date: c.date(), Kind: c.text(), Actor: c.text(),
		Message: c.text()}
}

// RecordDeadLetter implements [ledger.Records].
func (l *Ledger) RecordDeadLetter(ctx context.Context, d ledger.DeadLetter) error {
	attributes, err := jsonText(d.Attributes)
	if err != nil {
		return fmt.Errorf("record dead letter %s: %w", d.ID, err)
	}
	if d.State == "" {
		d.State = ledger.LetterOpen
	}
	err = l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		_, err := tx.Exec(insertDeadLetter, d.ID, d.Job, dateText(d.Date), d.Run, d.Seq, d.Body, attributes,
			d.Failure.Class.String(), d.Failure.Stage, d.Failure.Reason, d.Failure.Message, d.Attempts,
			micros(d.PublishedAt), micros(l.now()), string(d.State), d.Actor, d.Note, micros(d.SettledAt))
		return err
	})
	if err != nil {
		return fmt.Errorf("record dead letter %s: %w", d.ID, err)
	}
	return nil
}

// DeadLetters implements [ledger.Records].
func (l *Ledger) DeadLetters(ctx context.Context, f ledger.DeadLetterFilter) ([]ledger.DeadLetter, error) {
	query, args := deadLetterQuery(f)
	letters, err := read(ctx, l, query, args, readDeadLetter)
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	if f.Text == "" {
		return letters, nil
	}
	want := strings.ToLower(f.Text)
	return slices.DeleteFunc(letters, func(d ledger.DeadLetter) bool {
		return !strings.Contains(strings.ToLower(d.Failure.Reason), want) &&
			!strings.Contains(strings.ToLower(d.Failure.Message), want)
	}), nil
}

// deadLetterQuery covers every field but Text: SQLite folds the case of ASCII alone.
func deadLetterQuery(f ledger.DeadLetterFilter) (query string, args []any) {
	var c conditions
	c.equal("job", f.Job)
	c.equal("run", f.Run)
	c.equal("state", string(f.State))
	c.equal("failure_class", f.Class)
	c.equal("failure_stage", f.Stage)
	c.equal("failure_reason", f.Reason)
	if f.Range != (gamedate.Range{}) {
		c.add("date BETWEEN ? AND ?", dateText(f.Range.From), dateText(f.Range.To))
	}
	return "SELECT " + deadLetterColumns + " FROM ledger_dead_letter" + c.where() + " ORDER BY published_at, id", c.args
}

// readDeadLetter reads deadLetterColumns.
func readDeadLetter(c *columns) ledger.DeadLetter {
	d := ledger.DeadLetter{ID: c.text(), Job: c.text(), Date: c.date(), Run: c.text(), Seq: c.integer(), Body: c.bytes()}
	c.json(&d.Attributes)
	class, err := failure.ParseClass(c.text())
	if err != nil && c.err == nil {
		c.err = err
	}
	d.Failure = ledger.Failure{Class: class, Stage: c.text(), Reason: c.text(), Message: c.text()}
	d.Attempts, d.PublishedAt, d.FoldedAt = int(c.integer()), c.instant(), c.instant()
	d.State, d.Actor, d.Note, d.SettledAt = ledger.LetterState(c.text()), c.text(), c.text(), c.instant()
	return d
}

// SettleDeadLetters implements [ledger.Records].
func (l *Ledger) SettleDeadLetters(ctx context.Context, ids []string, state ledger.LetterState,
	actor, note string) (int, error) {
	if state != ledger.LetterReplayed && state != ledger.LetterResolved && state != ledger.LetterSuperseded {
		return 0, fmt.Errorf("settle dead letters: %q is no state of a settled letter", state)
	}
	var settled int64
	err := l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		settled = 0
		now := micros(l.now())
		for _, id := range ids {
			n, err := tx.Exec(settleDeadLetter, string(state), actor, note, now, id)
			if err != nil {
				return err
			}
			settled += n
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("settle %d dead letters: %w", len(ids), err)
	}
	return int(settled), nil
}
