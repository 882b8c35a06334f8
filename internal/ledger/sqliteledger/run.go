package sqliteledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
	"gamefill/internal/sqlitefile"
)

const runColumns = `r.id, r.job, r.range_from, r.range_to, r.state, r.target, r.version, r.settings, r.settings_hash,
	r.reference_hash, r.plan_hash, r.accept, r.force, r.reason, r.actor, r.hold_writes, r.cause, r.cause_kind,
	r.opened_at, r.stop_on_first_failure, r.verdict, r.checks, r.counts, r.created_at, r.updated_at, r.finished_at,
	r.sample, r.approval`

const (
	selectTarget  = `SELECT target FROM ledger_target WHERE job = ?`
	insertTarget  = `INSERT INTO ledger_target (job, target) VALUES (?, ?) ON CONFLICT DO NOTHING`
	selectRun     = `SELECT ` + runColumns + ` FROM ledger_run r WHERE r.id = ?`
	selectOpenRun = `SELECT ` + runColumns +
		` FROM ledger_run r WHERE r.job = ? AND r.state NOT IN ('finished', 'cancelled')`
	selectRuns = `SELECT ` + runColumns + ` FROM ledger_run r WHERE r.job = ? ORDER BY r.sequence DESC LIMIT ?`

	selectRevision = `SELECT r.revision, ` + runColumns + ` FROM ledger_run r WHERE r.id = ?`

	insertRun = `INSERT INTO ledger_run (id, job, range_from, range_to, state, target, version, settings, settings_hash,
		reference_hash, plan_hash, accept, force, reason, actor, hold_writes, cause, cause_kind, opened_at,
		stop_on_first_failure, verdict, checks, counts, created_at, updated_at, finished_at, sample, approval)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	// updateRun takes the arguments of insertRun and then the revision that was read.
	updateRun = `UPDATE ledger_run SET revision = revision + 1, job = ?2, range_from = ?3, range_to = ?4, state = ?5,
		target = ?6, version = ?7, settings = ?8, settings_hash = ?9, reference_hash = ?10, plan_hash = ?11, accept = ?12,
		force = ?13, reason = ?14, actor = ?15, hold_writes = ?16, cause = ?17, cause_kind = ?18, opened_at = ?19,
		stop_on_first_failure = ?20, verdict = ?21, checks = ?22, counts = ?23, created_at = ?24, updated_at = ?25,
		finished_at = ?26, sample = ?27, approval = ?28
		WHERE id = ?1 AND revision = ?29`

	cancelPending = `UPDATE ledger_entry SET state = 'cancelled', not_before = NULL, updated_at = ?
		WHERE run = ? AND state = 'pending'`

	selectUnsettled = `SELECT count(*) FROM ledger_entry WHERE run = ? AND state IN ('pending', 'leased')`

	insertReference = `INSERT INTO ledger_reference (run, chunk, content) VALUES (?, ?, ?)`
	selectReference = `SELECT content FROM ledger_reference WHERE run = ? ORDER BY chunk`
)

// readRun reads runColumns.
func readRun(c *columns) ledger.Run {
	r := ledger.Run{ID: c.text(), Job: c.text(), Range: gamedate.Range{From: c.date(), To: c.date()},
		State: ledger.RunState(c.text()), Target: c.text(), Version: c.text(), Settings: c.bytes(), SettingsHash: c.text(),
		ReferenceHash: c.text(), PlanHash: c.text()}
	c.json(&r.Accept)
	r.Force, r.Reason, r.Actor, r.HoldWrites = c.flag(), c.text(), c.text(), c.flag()
	r.Cause, r.CauseKind, r.OpenedAt, r.StopOnFirstFailure, r.Verdict = c.text(), c.text(), c.instant(), c.flag(),
		job.Verdict(c.text())
	c.json(&r.Checks)
	c.json(&r.Counts)
	r.CreatedAt, r.UpdatedAt, r.FinishedAt = c.instant(), c.instant(), c.instant()
	c.json(&r.Sample)
	c.json(&r.Approval)
	return r
}

// runArgs are the arguments of insertRun.
func runArgs(r ledger.Run) ([]any, error) {
	accept, errAccept := jsonText(r.Accept)
	checks, errChecks := jsonText(r.Checks)
	counts, errCounts := jsonText(r.Counts)
	sample, errSample := jsonText(r.Sample)
	approval, errApproval := jsonText(r.Approval)
	if err := errors.Join(errAccept, errChecks, errCounts, errSample, errApproval); err != nil {
		return nil, err
	}
	var settings any
	if r.Settings != nil {
		settings = string(r.Settings)
	}
	return []any{r.ID, r.Job, dateText(r.Range.From), dateText(r.Range.To), string(r.State), r.Target, r.Version, settings,
		r.SettingsHash, r.ReferenceHash, r.PlanHash, accept, flag(r.Force), r.Reason, r.Actor, flag(r.HoldWrites), r.Cause,
		r.CauseKind, micros(r.OpenedAt), flag(r.StopOnFirstFailure), string(r.Verdict), checks, counts, micros(r.CreatedAt),
		micros(r.UpdatedAt), micros(r.FinishedAt), sample, approval}, nil
}

// CreateRun implements [ledger.Runs].
func (l *Ledger) CreateRun(ctx context.Context, run ledger.Run, reference []byte) error {
	chunks, err := ledger.PackReference(reference)
	if err != nil {
		return fmt.Errorf("create run %s: pack reference: %w", run.ID, err)
	}
	run.State = ledger.RunPlanning
	run.CreatedAt = l.now()
	run.UpdatedAt, run.OpenedAt, run.FinishedAt = run.CreatedAt, time.Time{}, time.Time{}
	args, err := runArgs(run)
	if err != nil {
		return fmt.Errorf("create run %s: %w", run.ID, err)
	}
	err = l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		bound, err := targetOf(tx, run.Job)
		switch {
		case err != nil:
			return err
		case bound != "" && bound != run.Target:
			return &ledger.OtherTargetError{Job: run.Job, Bound: bound, Given: run.Target}
		}
		if err := refuseSecond(tx, run.Job, ""); err != nil {
			return err
		}
		if _, err := tx.Exec(insertTarget, run.Job, run.Target); err != nil {
			return err
		}
		if _, err := tx.Exec(insertRun, args...); err != nil {
			return err
		}
		for i, chunk := range chunks {
			if _, err := tx.Exec(insertReference, run.ID, i, chunk); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("create run %s: %w", run.ID, err)
	}
	return nil
}

// refuseSecond is a RunOpenError when the job has an open run other than id.
func refuseSecond(tx *sqlitefile.Tx, jobName, id string) error {
	open, err := scan(tx, selectOpenRun, []any{jobName}, readRun)
	if err == nil && len(open) > 0 && open[0].ID != id {
		err = &ledger.RunOpenError{Open: open[0]}
	}
	return err
}

func targetOf(tx *sqlitefile.Tx, jobName string) (string, error) {
	targets, err := scan(tx, selectTarget, []any{jobName}, (*columns).text)
	if err != nil || len(targets) == 0 {
		return "", err
	}
	return targets[0], nil
}

// Run implements [ledger.Runs].
func (l *Ledger) Run(ctx context.Context, id string) (ledger.Run, error) {
	runs, err := read(ctx, l, selectRun, []any{id}, readRun)
	switch {
	case err != nil:
		return ledger.Run{}, fmt.Errorf("read run %s: %w", id, err)
	case len(runs) == 0:
		return ledger.Run{}, fmt.Errorf("run %q: %w", id, ledger.ErrNoRun)
	}
	return runs[0], nil
}

// OpenRun implements [ledger.Runs].
func (l *Ledger) OpenRun(ctx context.Context, jobName string) (run ledger.Run, ok bool, err error) {
	runs, err := read(ctx, l, selectOpenRun, []any{jobName}, readRun)
	switch {
	case err != nil:
		return ledger.Run{}, false, fmt.Errorf("look for the open run of %s: %w", jobName, err)
	case len(runs) == 0:
		return ledger.Run{}, false, nil
	}
	return runs[0], true, nil
}

// ListRuns implements [ledger.Runs].
func (l *Ledger) ListRuns(ctx context.Context, jobName string, limit int) ([]ledger.Run, error) {
	runs, err := read(ctx, l, selectRuns, []any{jobName, orAll(limit)}, readRun)
	if err != nil {
		return nil, fmt.Errorf("list runs of %s: %w", jobName, err)
	}
	return runs, nil
}

// orAll is a limit as SQLite takes it: a negative one is none.
func orAll(limit int) int {
	if limit <= 0 {
		return -1
	}
	return limit
}

// UpdateRun implements [ledger.Runs]. change runs outside any transaction, so it may use the ledger itself.
func (l *Ledger) UpdateRun(ctx context.Context, id string, event ledger.Event,
	change func(*ledger.Run) error) (ledger.Run, error) {
	for {
		run, err := l.tryUpdateRun(ctx, id, event, change)
		if errors.Is(err, errConflict) {
			continue // somebody else's change went through, so all together get on
		}
		if err != nil {
			return ledger.Run{}, fmt.Errorf("update run %s: %w", id, err)
		}
		return run, nil
	}
}

func (l *Ledger) tryUpdateRun(ctx context.Context, id string, event ledger.Event,
	change func(*ledger.Run) error) (ledger.Run, error) {
	type revised struct {
		revision int64
		run      ledger.Run
	}
	found, err := read(ctx, l, selectRevision, []any{id},
		func(c *columns) revised { return revised{c.integer(), readRun(c)} })
	switch {
	case err != nil:
		return ledger.Run{}, err
	case len(found) == 0:
		return ledger.Run{}, ledger.ErrNoRun
	}
	before, run := found[0].run, found[0].run
	if err := change(&run); err != nil {
		return ledger.Run{}, err
	}
	if err := ledger.CheckUpdate(before, run); err != nil {
		return ledger.Run{}, err
	}
	run.Stamp(before, l.now())
	args, err := runArgs(run)
	if err != nil {
		return ledger.Run{}, err
	}
	event.At, event.Job, event.Run = run.UpdatedAt, run.Job, run.ID
	err = l.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		if before.State.Closed() && !run.State.Closed() {
			if err := refuseSecond(tx, run.Job, run.ID); err != nil {
				return err
			}
		}
		changed, err := tx.Exec(updateRun, append(slices.Clip(args), found[0].revision)...)
		switch {
		case err != nil:
			return err
		case changed == 0:
			return errConflict
		}
		if err := followUp(tx, before, run); err != nil {
			return err
		}
		if event.Kind == "" {
			return nil
		}
		return addEvent(tx, event)
	})
	if err != nil {
		return ledger.Run{}, err
	}
	return run, nil
}

// followUp does to a run's entries what its change of state means for them.
func followUp(tx *sqlitefile.Tx, before, run ledger.Run) error {
	if before.State == run.State {
		return nil
	}
	switch run.State {
	case ledger.RunCancelled:
		_, err := tx.Exec(cancelPending, micros(run.UpdatedAt), run.ID)
		return err
	case ledger.RunFinished:
		counts, err := scan(tx, selectUnsettled, []any{run.ID}, (*columns).integer)
		if err == nil && counts[0] > 0 {
			err = fmt.Errorf("%d dates: %w", counts[0], ledger.ErrUnsettled)
		}
		return err
	}
	return nil
}

// Reference implements [ledger.Runs].
func (l *Ledger) Reference(ctx context.Context, run string) ([]byte, error) {
	var chunks [][]byte
	var runs []ledger.Run
	err := l.file.Read(ctx, func(tx *sqlitefile.Tx) (err error) {
		if runs, err = scan(tx, selectRun, []any{run}, readRun); err != nil {
			return err
		}
		chunks, err = scan(tx, selectReference, []any{run}, (*columns).bytes)
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("read reference of run %s: %w", run, err)
	case len(runs) == 0:
		return nil, fmt.Errorf("reference of run %q: %w", run, ledger.ErrNoRun)
	}
	reference, err := ledger.UnpackReference(chunks)
	if err != nil {
		return nil, fmt.Errorf("unpack reference of run %s: %w", run, err)
	}
	return reference, nil
}

// Target implements [ledger.Runs].
func (l *Ledger) Target(ctx context.Context, jobName string) (string, error) {
	targets, err := read(ctx, l, selectTarget, []any{jobName}, (*columns).text)
	switch {
	case err != nil:
		return "", fmt.Errorf("read target of %s: %w", jobName, err)
	case len(targets) == 0:
		return "", nil
	}
	return targets[0], nil
}
