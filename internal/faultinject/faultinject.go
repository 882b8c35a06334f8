// Package faultinject names the instants at which a crash is hardest to survive, and kills the process there on
// request.
//
// The engine calls [Point] at each of them. In ordinary builds that is an empty function. Built with the tag crashtest,
// the process kills itself with SIGKILL (no deferred call, no flush, no goodbye) at the points that the environment
// variable GAMEFILL_CRASH names: "before_write", "claimed:3" for the third time it is passed, or several of these
// separated by commas. A name that is not in [Points] ends the process at its start.
//
// Decorators that make a queue or a warehouse misbehave are in the package faulttest, so that no binary links them.
package faultinject

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Variable is the environment variable that a crashtest build reads.
const Variable = "GAMEFILL_CRASH"

// The crash points, in the order in which a run passes them.
const (
	// RunCreated: the run exists, none of its dates does.
	RunCreated = "run_created"
	// EntriesRecorded: the dates are in the ledger, the run is still planning and nothing is on the queue.
	EntriesRecorded = "entries_recorded"
	// MessagePublished: messages are on the queue, their entries are not marked published, the run is still planning.
	MessagePublished = "message_published"
	// RunOpened: everything is published and workers may claim; the publisher has not said so.
	RunOpened = "run_opened"
	// Claimed: the lease is held, nothing has been read.
	Claimed = "claimed"
	// AfterKeep: what the partition held is kept, the write over it is not announced.
	AfterKeep = "after_keep"
	// BeforeWrite: the ledger has recorded the write, the warehouse has not begun it.
	BeforeWrite = "before_write"
	// AfterWrite: the partition is replaced, the ledger does not know.
	AfterWrite = "after_write"
	// AfterComplete: the entry is complete, the delivery is not acked.
	AfterComplete = "after_complete"
	// AfterDeadRecorded: the ledger says dead, the dead-letter topic does not.
	AfterDeadRecorded = "after_dead_recorded"
	// AfterDeadLetter: the dead letter is published, the ledger has not recorded that.
	AfterDeadLetter = "after_dead_letter"
	// BeforeFinish: every date is settled, the run is not finished.
	BeforeFinish = "before_finish"
	// BeforeRollback: the ledger has recorded that a date is put back, the warehouse has not begun it.
	BeforeRollback = "before_rollback"
	// AfterRollback: the partition is what it was before the run, the ledger does not know.
	AfterRollback = "after_rollback"
)

// Points returns every crash point, in the order in which a run passes them.
func Points() []string {
	return []string{
		RunCreated, EntriesRecorded, MessagePublished, RunOpened, Claimed, AfterKeep, BeforeWrite, AfterWrite,
		AfterComplete, AfterDeadRecorded, AfterDeadLetter, BeforeFinish, BeforeRollback, AfterRollback,
	}
}

// parsePlan reads the value of [Variable]: for each point, the passes at which to crash, counted from 1. The empty text
// is the empty plan.
func parsePlan(text string) (map[string][]int, error) {
	plan := map[string][]int{}
	if text == "" {
		return plan, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		name, count, counted := strings.Cut(strings.TrimSpace(item), ":")
		pass := 1
		if counted {
			n, err := strconv.Atoi(count)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("%s: %q: want NAME or NAME:PASS with a pass from 1", Variable, item)
			}
			pass = n
		}
		if !slices.Contains(Points(), name) {
			return nil, fmt.Errorf("%s: unknown crash point %q: want one of %s", Variable, name, strings.Join(Points(), ", "))
		}
		plan[name] = append(plan[name], pass)
	}
	return plan, nil
}
