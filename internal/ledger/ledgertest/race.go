package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"gamefill/internal/ledger"
)

// raceCases: several callers at once.
var raceCases = []testCase{
	{"race/one date, one holder", func(b *bench) {
		const rounds, racers = 20, 4
		ds := dates(rounds)
		b.open(run1, ds...)
		for _, d := range ds {
			e := b.at(d)
			claims := make([]ledger.Claim, racers)
			b.must(errors.Join(together(racers, func(i int) (err error) {
				claims[i], err = b.Claim(b.Context(), request(fmt.Sprintf("worker-%d", i), e))
				return err
			})...))
			b.equal("outcomes of "+d.String(), outcomes(claims),
				map[ledger.ClaimOutcome]int{ledger.Claimed: 1, ledger.HeldBy: racers - 1})
			winner := claims[slices.IndexFunc(claims, func(c ledger.Claim) bool { return c.Outcome == ledger.Claimed })]
			for _, c := range claims {
				b.equal("holder that everybody sees", c.Entry.Owner, winner.Lease.Owner)
			}
			b.equal("generation", b.at(d).Generation, int64(1))
		}
	}},
	{"race/fifty dates at the same time", func(b *bench) {
		ds := dates(50)
		entries := b.open(run1, ds...)
		b.must(errors.Join(together(len(ds), func(i int) error {
			c, err := b.Claim(b.Context(), request(fmt.Sprintf("worker-%d", i%4), entries[i]))
			if err != nil {
				return err
			}
			if c.Outcome != ledger.Claimed {
				return fmt.Errorf("claim of %s: got %s, want %s", ds[i], c.Outcome, ledger.Claimed)
			}
			facts := simpleFacts()
			facts.Rows = i
			return errors.Join(b.BeginWrite(b.Context(), c.Lease, time.Minute, load("load")),
				b.Complete(b.Context(), c.Lease, facts))
		})...))
		for i, e := range b.all(run1) {
			if e.State != ledger.Complete || e.Facts == nil || e.Facts.Rows != i {
				b.Errorf("%s: got %s with facts %v, want complete with %d rows", e.Date, e.State, e.Facts, i)
			}
		}
		attempts, err := b.Attempts(b.Context(), ledger.AttemptFilter{Run: run1, EndedOnly: true}, 0)
		b.must(err)
		b.equal("attempts", len(attempts), len(ds))
	}},
	{"race/expired lease has one heir", func(b *bench) {
		ds := dates(5)
		b.open(run1, ds...)
		var old []ledger.Lease
		for _, d := range ds {
			old = append(old, b.takeBriefly(alice, d).Lease)
		}
		b.pass(b.ttl())
		for i, d := range ds {
			e := b.at(d)
			claims := make([]ledger.Claim, 3)
			var completed error
			errs := together(4, func(n int) (err error) {
				if n == 3 {
					completed = b.Complete(b.Context(), old[i], simpleFacts())
					return nil
				}
				claims[n], err = b.Claim(b.Context(), request(fmt.Sprintf("worker-%d", n), e))
				return err
			})
			b.must(errors.Join(errs...))
			got := outcomes(claims)
			switch {
			case completed == nil:
				b.equal("claims of a completed date", got, map[ledger.ClaimOutcome]int{ledger.AlreadySettled: 3})
				b.equal("state", b.at(d).State, ledger.Complete)
			case errors.Is(completed, ledger.ErrLeaseLost):
				b.equal("claims of an expired date", got, map[ledger.ClaimOutcome]int{ledger.Claimed: 1, ledger.HeldBy: 2})
				b.equal("state", b.at(d).State, ledger.Leased)
			default:
				b.Errorf("complete: got error %v, want none or %v", completed, ledger.ErrLeaseLost)
			}
		}
	}},
	{"race/plans of one date", func(b *bench) {
		b.must(b.CreateRun(b.Context(), newRun(run1), nil))
		b.must(errors.Join(together(6, func(int) error {
			_, err := b.Record(b.Context(), jobName, run1, []ledger.Plan{{Date: day, To: ledger.Pending}})
			return err
		})...))
		b.equal("seq", b.at(day).Seq, int64(1))
	}},
	{"race/cancelling against claims", func(b *bench) {
		ds := dates(10)
		entries := b.open(run1, ds...)
		b.must(errors.Join(together(len(ds)+1, func(i int) error {
			if i == len(ds) {
				_, err := b.UpdateRun(b.Context(), run1, ledger.Event{},
					func(r *ledger.Run) error { return r.Move(ledger.RunCancelled) })
				return err
			}
			_, err := b.Claim(b.Context(), request(alice, entries[i]))
			return err
		})...))
		for _, e := range b.all(run1) {
			if e.State != ledger.Cancelled && e.State != ledger.Leased {
				b.Errorf("%s: got %s, want cancelled, or leased when the claim came first", e.Date, e.State)
			}
		}
	}},
	{"race/a role has one holder", func(b *bench) {
		for round := range 10 {
			held := make([]bool, 4)
			b.must(errors.Join(together(len(held), func(i int) (err error) {
				held[i], err = b.Hold(b.Context(), fmt.Sprintf("role-%d", round), fmt.Sprintf("worker-%d", i), time.Hour)
				return err
			})...))
			n := 0
			for _, h := range held {
				if h {
					n++
				}
			}
			b.equal("holders", n, 1)
		}
	}},
}
