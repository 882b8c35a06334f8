package live_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/setup"
)

const adr4 = "docs/adr/0004-firestore-ledger.md"

// indexesWithin bounds the building of the indexes of an empty database; minutes are usual.
const indexesWithin = 30 * time.Minute

// lookEvery is how often the building of indexes is looked at.
const lookEvery = 10 * time.Second

// errNoIndexes is why the emulator cannot answer.
var errNoIndexes = errors.New("the emulator needs no indexes")

var firestoreChecks = []check{
	{name: "fields-of-an-empty-database", claim: "A field without settings of its own is reported as one that has the " +
		"database's default", source: "docs/google-cloud.md, section 7",
		run: func(ctx context.Context, p *place) (string, error) {
			if os.Getenv(firestoreledger.EmulatorVariable) != "" {
				return "", errNoIndexes
			}
			findings, err := p.newLedger(p.t).Ensure(ctx, setup.DryRun)
			if err != nil {
				return "", err
			}
			return allAre(findings[1:], setup.Missing) // the first is the database
		}},
	{name: "indexes-are-built", claim: "init makes all indexes, and finds them present once they are built", source: adr4,
		within: indexesWithin, run: func(ctx context.Context, p *place) (string, error) {
			if os.Getenv(firestoreledger.EmulatorVariable) != "" {
				return "", errNoIndexes
			}
			l := p.newLedger(p.t)
			if _, err := l.Ensure(ctx, setup.Make); err != nil {
				return "", err
			}
			tick := time.NewTicker(lookEvery)
			defer tick.Stop()
			for {
				findings, err := l.Ensure(ctx, setup.DryRun)
				if err != nil {
					return "", err
				}
				seen, err := allAre(findings, setup.Present)
				if err == nil {
					return seen, nil
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
					return "", contradicted("after %v: %v", indexesWithin, err)
				}
			}
		}},
	{name: "queries-are-answered", claim: "The indexes that init makes answer every query of the ledger", source: adr4,
		run: func(ctx context.Context, p *place) (string, error) { return askEverything(ctx, p.newLedger(p.t)) }},
	{name: "counts-of-one-instant", claim: "count() is answered within a read-only transaction", source: adr4,
		run: func(ctx context.Context, p *place) (string, error) {
			_, err := p.newLedger(p.t).CountStates(ctx, "job", "run")
			return "", answered(err)
		}},
	{name: "stale-precondition", claim: "An update under the time of an older change is refused with FailedPrecondition",
		source: adr4, run: func(ctx context.Context, p *place) (string, error) {
			d := p.firestore.Collection(p.name).NewDoc()
			first, err := d.Set(ctx, map[string]any{"n": 1})
			if err != nil {
				return "", err
			}
			if _, err := d.Set(ctx, map[string]any{"n": 2}); err != nil {
				return "", err
			}
			_, err = d.Update(ctx, []firestore.Update{{Path: "n", Value: 3}}, firestore.LastUpdateTime(first.UpdateTime))
			switch status.Code(err) {
			case codes.OK:
				return "", contradicted("it went through")
			case codes.FailedPrecondition:
				return err.Error(), nil
			case codes.Unavailable, codes.PermissionDenied, codes.DeadlineExceeded:
				return "", err
			}
			return "", contradicted("%v", err)
		}},
	{name: "read-time", claim: "A document that was just changed is read at a time that is not before the change",
		source: adr4, run: func(ctx context.Context, p *place) (string, error) {
			d := p.firestore.Collection(p.name).NewDoc()
			if _, err := d.Set(ctx, map[string]any{"n": 1}); err != nil {
				return "", err
			}
			snapshot, err := d.Get(ctx)
			if err != nil {
				return "", err
			}
			if snapshot.ReadTime.Before(snapshot.UpdateTime) {
				return "", contradicted("read at %v, changed at %v", snapshot.ReadTime, snapshot.UpdateTime)
			}
			return "", nil
		}},
	{name: "microseconds", claim: "An instant is kept in whole microseconds", source: "package firestoreledger",
		run: func(ctx context.Context, p *place) (string, error) {
			d := p.firestore.Collection(p.name).NewDoc()
			at := time.Date(2022, 1, 15, 1, 2, 3, 123_456_789, time.UTC)
			if _, err := d.Set(ctx, map[string]any{"at": at}); err != nil {
				return "", err
			}
			snapshot, err := d.Get(ctx)
			if err != nil {
				return "", err
			}
			if got, err := snapshot.DataAt("at"); err != nil || !at.Truncate(time.Microsecond).Equal(got.(time.Time)) {
				return "", contradicted("%v became %v, %v", at, got, err)
			}
			return "", nil
		}},
	{name: "chunk-fits", claim: "A document takes a piece of a reference snapshot, 900,000 bytes", source: adr4,
		run: func(ctx context.Context, p *place) (string, error) {
			// Where the ledger keeps such pieces: indexing the field is switched off there.
			d := p.firestore.Collection("gamefill_runs").Doc(p.name).Collection("registry").Doc("chunk")
			content := bytes.Repeat([]byte{0xa5}, 900_000)
			if _, err := d.Set(ctx, map[string]any{"content": content}); err != nil {
				if status.Code(err) == codes.InvalidArgument {
					return "", contradicted("%v", err)
				}
				return "", err
			}
			snapshot, err := d.Get(ctx)
			if err != nil {
				return "", err
			}
			if got, err := snapshot.DataAt("content"); err != nil || !bytes.Equal(got.([]byte), content) {
				return "", contradicted("it came back otherwise: %v", err)
			}
			return "", nil
		}},
}

// answered says whether a query was refused for want of an index.
func answered(err error) error {
	if status.Code(err) == codes.FailedPrecondition || status.Code(err) == codes.InvalidArgument {
		return contradicted("%v", err)
	}
	return err
}

// askEverything makes every query of the ledger, with each filter alone and with all; there need be no answers.
func askEverything(ctx context.Context, l ledger.Ledger) (string, error) {
	day := gamedate.MustParse("2022-01-15")
	asked := 0
	ask := func(_ any, err error) error {
		asked++
		return answered(err)
	}
	err := errors.Join(
		ask(l.Entries(ctx, "job", gamedate.Range{From: day, To: day})),
		ask(l.RunEntries(ctx, "job", "run")),
		ask(l.RunEntries(ctx, "job", "run", ledger.Pending, ledger.Leased)),
		ask(l.ListRuns(ctx, "job", 20)),
		ask(l.Events(ctx, "job", "", 20)),
		ask(l.Events(ctx, "job", "run", 20)),
		ask(l.Due(ctx, "job", "run", time.Minute)),
	)
	for _, f := range []ledger.AttemptFilter{{}, {Job: "job"}, {Run: "run"}, {Job: "job", Run: "run"},
		{Job: "job", Run: "run", Date: day}} {
		err = errors.Join(err, ask(l.Attempts(ctx, f, 20)))
		f.EndedOnly = true
		err = errors.Join(err, ask(l.Attempts(ctx, f, 20)))
	}
	for _, f := range []ledger.DeadLetterFilter{{}, {Job: "job"}, {Job: "job", Run: "run", State: ledger.LetterOpen}} {
		err = errors.Join(err, ask(l.DeadLetters(ctx, f)))
	}
	if against, ok := errors.AsType[*contradiction](err); ok {
		return "", against
	}
	return fmt.Sprintf("%d queries", asked), err
}
