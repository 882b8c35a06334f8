// Package history writes what a ledger knows of one run as JSON lines, and reads them back: for archives, for other
// programs, and for the day when the ledger is gone.
//
// A line is an object with the key "kind" and one more, named like the kind, with the record: first the run, then its
// entries by date, its attempts and its events in the order of time, and its dead letters, oldest first. Times are UTC,
// bytes are base64. The reference snapshot is not among them; its hash is in the run.
package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
)

// Kind says what a line holds.
type Kind string

// The kinds, in the order in which they are written.
const (
	Run        Kind = "run"
	Entry      Kind = "entry"
	Attempt    Kind = "attempt"
	Event      Kind = "event"
	DeadLetter Kind = "dead_letter"
)

// Line is one record; the field of its kind is set.
type Line struct {
	Kind       Kind               `json:"kind"`
	Run        *ledger.Run        `json:"run,omitempty"`
	Entry      *ledger.Entry      `json:"entry,omitempty"`
	Attempt    *ledger.Attempt    `json:"attempt,omitempty"`
	Event      *ledger.Event      `json:"event,omitempty"`
	DeadLetter *ledger.DeadLetter `json:"dead_letter,omitempty"`
}

// Source is what is asked of a ledger.
type Source interface {
	Run(ctx context.Context, id string) (ledger.Run, error)
	Entries(ctx context.Context, jobName string, r gamedate.Range) ([]ledger.Entry, error)
	Attempts(ctx context.Context, f ledger.AttemptFilter, limit int) ([]ledger.Attempt, error)
	Events(ctx context.Context, jobName, run string, limit int) ([]ledger.Event, error)
	DeadLetters(ctx context.Context, f ledger.DeadLetterFilter) ([]ledger.DeadLetter, error)
}

// portionDays is how many dates' entries are held at a time: their facts are the bulk of a history.
const portionDays = 31

// Write writes the history of a run and returns the number of lines. A date that another run has planned since belongs
// to that run's entries; its attempts under this one are here. A run that goes on changes while it is written.
// Errors: ledger.ErrNoRun.
func Write(ctx context.Context, s Source, id string, w io.Writer) (lines int, err error) {
	enc := json.NewEncoder(w)
	write := func(l Line) error {
		lines++
		return enc.Encode(l)
	}
	run, err := s.Run(ctx, id)
	if err != nil {
		return 0, err
	}
	if err := write(Line{Kind: Run, Run: &run}); err != nil {
		return lines, err
	}
	span := run.Span()
	for from := span.From; !span.To.Before(from); from = from.AddDays(portionDays) {
		to := from.AddDays(portionDays - 1)
		if span.To.Before(to) {
			to = span.To
		}
		entries, err := s.Entries(ctx, run.Job, gamedate.Range{From: from, To: to})
		if err != nil {
			return lines, fmt.Errorf("read entries of run %s: %w", id, err)
		}
		for _, e := range entries {
			if e.Run != id {
				continue
			}
			if err := write(Line{Kind: Entry, Entry: &e}); err != nil {
				return lines, err
			}
		}
	}
	attempts, err := s.Attempts(ctx, ledger.AttemptFilter{Job: run.Job, Run: id}, 0)
	if err != nil {
		return lines, fmt.Errorf("read attempts of run %s: %w", id, err)
	}
	for _, a := range slices.Backward(attempts) {
		if err := write(Line{Kind: Attempt, Attempt: &a}); err != nil {
			return lines, err
		}
	}
	events, err := s.Events(ctx, run.Job, id, 0)
	if err != nil {
		return lines, fmt.Errorf("read events of run %s: %w", id, err)
	}
	for _, e := range slices.Backward(events) {
		if err := write(Line{Kind: Event, Event: &e}); err != nil {
			return lines, err
		}
	}
	letters, err := s.DeadLetters(ctx, ledger.DeadLetterFilter{Job: run.Job, Run: id})
	if err != nil {
		return lines, fmt.Errorf("read dead letters of run %s: %w", id, err)
	}
	for _, l := range letters {
		if err := write(Line{Kind: DeadLetter, DeadLetter: &l}); err != nil {
			return lines, err
		}
	}
	return lines, nil
}

// Read hands the lines of a history to fn, in order, and ends with fn's first error. A line of an unknown kind, or one
// that lacks its record, is an error that names the line.
func Read(r io.Reader, fn func(Line) error) error {
	dec := json.NewDecoder(r)
	for n := 1; ; n++ {
		var l Line
		err := dec.Decode(&l)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && !l.whole() {
			err = fmt.Errorf("kind %q: it is unknown, or its record is missing", l.Kind)
		}
		if err != nil {
			return fmt.Errorf("history, line %d: %w", n, err)
		}
		if err := fn(l); err != nil {
			return err
		}
	}
}

// whole reports whether the record of the line's kind is there.
func (l Line) whole() bool {
	switch l.Kind {
	case Run:
		return l.Run != nil
	case Entry:
		return l.Entry != nil
	case Attempt:
		return l.Attempt != nil
	case Event:
		return l.Event != nil
	case DeadLetter:
		return l.DeadLetter != nil
	}
	return false
}
