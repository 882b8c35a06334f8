package firestoreledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/firestore"

	"gamefill/internal/gamedate"
	"gamefill/internal/job"
	"gamefill/internal/ledger"
)

type runDocument struct {
	ID            string    `firestore:"id"`
	Job           string    `firestore:"job"`
	From          string    `firestore:"range_from"`
	To            string    `firestore:"range_to"`
	State         string    `firestore:"state"`
	Target        string    `firestore:"target"`
	Version       string    `firestore:"version"`
	Settings      []byte    `firestore:"settings"`
	SettingsHash  string    `firestore:"settings_hash"`
	ReferenceHash string    `firestore:"reference_hash"`
	PlanHash      string    `firestore:"plan_hash"`
	Accept        []string  `firestore:"accept"`
	Force         bool      `firestore:"force"`
	Reason        string    `firestore:"reason"`
	Actor         string    `firestore:"actor"`
	HoldWrites    bool      `firestore:"hold_writes"`
	Cause         string    `firestore:"cause"`
	CauseKind     string    `firestore:"cause_kind"`
	OpenedAt      time.Time `firestore:"opened_at"`
	StopFirst     bool      `firestore:"stop_on_first_failure"`
	Verdict       string    `firestore:"verdict"`
	Checks        string    `firestore:"checks"`
	Counts        string    `firestore:"counts"`
	Sample        string    `firestore:"sample"`
	Approval      string    `firestore:"approval"`
	CreatedAt     time.Time `firestore:"created_at"`
	UpdatedAt     time.Time `firestore:"updated_at"`
	FinishedAt    time.Time `firestore:"finished_at"`
	Upload        string    `firestore:"upload"`
	Chunks        int       `firestore:"chunks"`
}

// storedRun is a run and where its reference snapshot lies.
type storedRun struct {
	ledger.Run
	upload string
	chunks int
}

// runOf reads a run's document; ok is false when there is none.
func runOf(s *firestore.DocumentSnapshot) (r storedRun, ok bool, err error) {
	if !s.Exists() {
		return storedRun{}, false, nil
	}
	var d runDocument
	err = s.DataTo(&d)
	r = storedRun{upload: d.Upload, chunks: d.Chunks,
		Run: ledger.Run{ID: d.ID, Job: d.Job, State: ledger.RunState(d.State),
			Target: d.Target, Version: d.Version, Settings: d.Settings, SettingsHash: d.SettingsHash,
			ReferenceHash: d.ReferenceHash, PlanHash: d.PlanHash, Accept: d.Accept, Force: d.Force, Reason: d.Reason,
			Actor: d.Actor, HoldWrites: d.HoldWrites, Cause: d.Cause, CauseKind: d.CauseKind, OpenedAt: d.OpenedAt,
			StopOnFirstFailure: d.StopFirst, Verdict: job.Verdict(d.Verdict), CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
			FinishedAt: d.FinishedAt}}
	from, errFrom := dateOf(d.From)
	to, errTo := dateOf(d.To)
	r.Range = gamedate.Range{From: from, To: to}
	err = errors.Join(err, errFrom, errTo, fromJSON(d.Checks, &r.Checks), fromJSON(d.Counts, &r.Counts),
		fromJSON(d.Sample, &r.Sample),
		fromJSON(d.Approval, &r.Approval))
	if err != nil {
		return storedRun{}, false, fmt.Errorf("read %s: %w", s.Ref.Path, err)
	}
	return r, true, nil
}

func runFields(r ledger.Run) (fields, error) {
	checks, errChecks := jsonText(r.Checks)
	counts, errCounts := jsonText(r.Counts)
	sample, errSample := jsonText(r.Sample)
	approval, errApproval := jsonText(r.Approval)
	f := fields{"id": r.ID, "job": r.Job, "range_from": dateText(r.Range.From), "range_to": dateText(r.Range.To),
		"state": string(r.State), "target": r.Target, "version": r.Version, "settings": nil, "settings_hash": r.SettingsHash,
		"reference_hash": r.ReferenceHash, "plan_hash": r.PlanHash, "accept": nil, "force": r.Force, "reason": r.Reason,
		"actor": r.Actor, "hold_writes": r.HoldWrites, "cause": r.Cause, "cause_kind": r.CauseKind,
		"opened_at": instant(r.OpenedAt), "stop_on_first_failure": r.StopOnFirstFailure, "verdict": string(r.Verdict),
		"checks": checks, "counts": counts, "sample": sample, "approval": approval,
		"created_at": r.CreatedAt, "updated_at": r.UpdatedAt, "finished_at": instant(r.FinishedAt)}
	if r.Settings != nil {
		f["settings"] = r.Settings
	}
	if r.Accept != nil {
		f["accept"] = r.Accept
	}
	return f, errors.Join(errChecks, errCounts, errSample, errApproval)
}

// control is a job's document: it makes the open run the only one, and the target the only one.
type control struct {
	Target string `firestore:"target"`
	Open   string `firestore:"open"` // id of the run that has not ended, "" for none
}

func controlOf(s *firestore.DocumentSnapshot) (c control, err error) {
	if s.Exists() {
		if err = s.DataTo(&c); err != nil {
			err = fmt.Errorf("read %s: %w", s.Ref.Path, err)
		}
	}
	return c, err
}

// CreateRun implements [ledger.Runs].
func (l *Ledger) CreateRun(ctx context.Context, run ledger.Run, reference []byte) error {
	if err := l.createRun(ctx, run, reference); err != nil {
		return fmt.Errorf("create run %s: %w", run.ID, err)
	}
	return nil
}

func (l *Ledger) createRun(ctx context.Context, run ledger.Run, reference []byte) error {
	run.State, run.OpenedAt, run.FinishedAt = ledger.RunPlanning, time.Time{}, time.Time{}
	refs := []*firestore.DocumentRef{l.jobRef(run.Job), l.runRef(run.ID)}
	d, err := l.read(ctx, refs...) // before the upload, which a refused run need not pay for
	if err != nil {
		return err
	}
	if err := l.admit(ctx, d, run); err != nil {
		return err
	}
	upload, chunks, remove, err := l.upload(ctx, run.ID, reference)
	if err != nil {
		return err
	}
	err = l.change(ctx, refs, func(d documents) ([]write, error) {
		if mine, ok, err := runOf(d.snaps[1]); err != nil || ok && mine.upload == upload {
			return nil, err // stored by an earlier try, whose answer was lost
		}
		if err := l.admit(ctx, d, run); err != nil {
			return nil, err
		}
		run.CreatedAt, run.UpdatedAt = d.now, d.now
		f, err := runFields(run)
		if err != nil {
			return nil, err
		}
		f["upload"], f["chunks"] = upload, chunks
		return []write{put(d.snaps[0], fields{"target": run.Target, "open": run.ID}), put(d.snaps[1], f)}, nil
	})
	if err != nil && refusedRun(err) {
		remove() // after any other error the run may be there, and needs its reference
	}
	return err
}

// admit says what keeps a new run out of the job's document and its own, in that order.
func (l *Ledger) admit(ctx context.Context, d documents, run ledger.Run) error {
	c, err := controlOf(d.snaps[0])
	switch {
	case err != nil:
		return err
	case c.Target != "" && c.Target != run.Target:
		return &ledger.OtherTargetError{Job: run.Job, Bound: c.Target, Given: run.Target}
	case c.Open != "":
		return l.openError(ctx, c.Open)
	case d.snaps[1].Exists():
		return errors.New("there is a run of that id")
	}
	return nil
}

// openError is the RunOpenError that names a run.
func (l *Ledger) openError(ctx context.Context, id string) error {
	open, err := l.Run(ctx, id)
	if err != nil {
		return err
	}
	return &ledger.RunOpenError{Open: open}
}

// refusedRun reports whether admit said no to a run, so that nothing was stored.
func refusedRun(err error) bool {
	_, open := errors.AsType[*ledger.RunOpenError](err)
	_, target := errors.AsType[*ledger.OtherTargetError](err)
	return open || target
}

// Run implements [ledger.Runs].
func (l *Ledger) Run(ctx context.Context, id string) (ledger.Run, error) {
	d, err := l.read(ctx, l.runRef(id))
	if err != nil {
		return ledger.Run{}, fmt.Errorf("read run %s: %w", id, err)
	}
	run, ok, err := runOf(d.snaps[0])
	switch {
	case err != nil:
		return ledger.Run{}, err
	case !ok:
		return ledger.Run{}, fmt.Errorf("run %q: %w", id, ledger.ErrNoRun)
	}
	return run.Run, nil
}

// OpenRun implements [ledger.Runs].
func (l *Ledger) OpenRun(ctx context.Context, jobName string) (run ledger.Run, ok bool, err error) {
	c, err := l.control(ctx, jobName)
	if err != nil {
		return ledger.Run{}, false, fmt.Errorf("look for the open run of %s: %w", jobName, err)
	}
	if c.Open == "" {
		return ledger.Run{}, false, nil
	}
	if run, err = l.Run(ctx, c.Open); err != nil {
		return ledger.Run{}, false, fmt.Errorf("look for the open run of %s: %w", jobName, err)
	}
	if run.State.Closed() { // between the two reads
		return ledger.Run{}, false, nil
	}
	return run, true, nil
}

func (l *Ledger) control(ctx context.Context, jobName string) (control, error) {
	d, err := l.read(ctx, l.jobRef(jobName))
	if err != nil {
		return control{}, err
	}
	return controlOf(d.snaps[0])
}

// Target implements [ledger.Runs].
func (l *Ledger) Target(ctx context.Context, jobName string) (string, error) {
	c, err := l.control(ctx, jobName)
	if err != nil {
		return "", fmt.Errorf("read target of %s: %w", jobName, err)
	}
	return c.Target, nil
}

// ListRuns implements [ledger.Runs].
func (l *Ledger) ListRuns(ctx context.Context, jobName string, limit int) ([]ledger.Run, error) {
	d, err := l.ask(ctx, runsOfJob.query(l.top(runsOfJob.collection).Query, compared{"job": jobName}, limit))
	if err != nil {
		return nil, fmt.Errorf("list runs of %s: %w", jobName, err)
	}
	return decoded(d, func(s *firestore.DocumentSnapshot) (ledger.Run, error) {
		run, _, err := runOf(s)
		return run.Run, err
	})
}

// UpdateRun implements [ledger.Runs]. change runs outside any transaction, so it may use the ledger itself.
func (l *Ledger) UpdateRun(ctx context.Context, id string, event ledger.Event,
	change func(*ledger.Run) error) (ledger.Run, error) {
	var run ledger.Run
	err := l.again(ctx, func(ctx context.Context) (err error) {
		run, err = l.tryUpdateRun(ctx, id, event, change)
		return err
	})
	if err == nil && run.State == ledger.RunCancelled {
		err = l.cancelPending(ctx, run)
	}
	if err != nil {
		return ledger.Run{}, fmt.Errorf("update run %s: %w", id, err)
	}
	return run, nil
}

func (l *Ledger) tryUpdateRun(ctx context.Context, id string, event ledger.Event,
	change func(*ledger.Run) error) (ledger.Run, error) {
	snaps, err := l.client.GetAll(ctx, []*firestore.DocumentRef{l.runRef(id)})
	if err != nil {
		return ledger.Run{}, err
	}
	old, ok, err := runOf(snaps[0])
	switch {
	case err != nil:
		return ledger.Run{}, refuse(err)
	case !ok:
		return ledger.Run{}, refuse(ledger.ErrNoRun)
	}
	before, run := old.Run, old.Run
	if err := change(&run); err != nil {
		return ledger.Run{}, &refusal{err}
	}
	if err := ledger.CheckUpdate(before, run); err != nil {
		return ledger.Run{}, &refusal{err}
	}
	judge := func(d documents) ([]write, error) {
		if !d.snaps[0].UpdateTime.Equal(snaps[0].UpdateTime) {
			return nil, errConflict
		}
		run.Stamp(before, d.now)
		f, err := runFields(run)
		if err != nil {
			return nil, err
		}
		writes := []write{put(d.snaps[0], f)}
		if before.State.Closed() != run.State.Closed() {
			c, err := l.reopenOrClose(ctx, d, run)
			if err != nil {
				return nil, err
			}
			writes = append(writes, c)
		}
		if event.Kind != "" {
			event.At, event.Job, event.Run = d.now, run.Job, run.ID
			writes = append(writes, create(l.newEventRef(), eventFields(event)))
		}
		return writes, nil
	}
	refs := []*firestore.DocumentRef{l.runRef(id), l.jobRef(run.Job)}
	if run.State == ledger.RunFinished && before.State != ledger.RunFinished {
		err = l.tryExactly(ctx, refs, judge)
	} else {
		err = l.tryChange(ctx, refs, judge)
	}
	return run, err
}

// reopenOrClose changes the job's document with the run that is reopened or ends. A run may finish only in a
// transaction that sees all its dates settled.
func (l *Ledger) reopenOrClose(ctx context.Context, d documents, run ledger.Run) (write, error) {
	c, err := controlOf(d.snaps[1])
	if err != nil {
		return write{}, err
	}
	if !run.State.Closed() {
		if c.Open != "" && c.Open != run.ID {
			return write{}, l.openError(ctx, c.Open)
		}
		return put(d.snaps[1], fields{"open": run.ID}), nil
	}
	if run.State == ledger.RunFinished {
		unsettled := 0
		for _, state := range []ledger.State{ledger.Pending, ledger.Leased} {
			found, err := d.tx.Documents(l.inRun(run.Job, run.ID, string(state)).Select()).GetAll()
			if err != nil {
				return write{}, err
			}
			unsettled += len(found)
		}
		if unsettled > 0 {
			return write{}, fmt.Errorf("%d dates: %w", unsettled, ledger.ErrUnsettled)
		}
	}
	return put(d.snaps[1], fields{"open": ""}), nil
}

// cancelPending cancels what is left of a cancelled run. Nothing becomes Pending in it any more, so one look finds all.
func (l *Ledger) cancelPending(ctx context.Context, run ledger.Run) error {
	pending, _, err := l.entries(ctx, l.inRun(run.Job, run.ID, string(ledger.Pending)))
	if err != nil {
		return fmt.Errorf("it is cancelled, but not its pending dates: cancel it again: %w", err)
	}
	for portion := range portions(pending, func(e ledger.Entry) gamedate.Date { return e.Date }) {
		var refs []*firestore.DocumentRef
		for _, e := range portion {
			refs = append(refs, l.dateRef(e.Job, e.Date))
		}
		err := l.change(ctx, refs, func(d documents) (writes []write, err error) {
			for _, s := range d.snaps {
				e, ok, err := entryOf(s)
				if err != nil {
					return nil, err
				}
				if ok && e.Run == run.ID && e.State == ledger.Pending {
					e.State, e.NotBefore = ledger.Cancelled, time.Time{}
					writes = append(writes, save(s, &e.Entry, d.now))
				}
			}
			return writes, nil
		})
		if err != nil {
			return fmt.Errorf("it is cancelled, but not all its pending dates: cancel it again: %w", err)
		}
	}
	return nil
}
