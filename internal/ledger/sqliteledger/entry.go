package sqliteledger

import (
	"encoding/json"
	"fmt"
	"time"

	"gamefill/internal/gamedate"
	"gamefill/internal/ledger"
	"gamefill/internal/sqlitefile"
)

const (
	entryColumns = `e.job, e.date, e.state, e.run, e.seq, e.published_seq, e.published_at, e.not_before, e.reason,
	e.generation, e.attempt, e.spent, e.owner, e.lease_until, e.write_generation, e.write_id, e.write_run,
	e.write_fingerprint, e.write_pre_image, e.write_pre_image_rows, e.write_rollback, e.failure, e.dead_published,
	e.updated_at, f.facts`
	entryTables = ` FROM ledger_entry e LEFT JOIN ledger_facts f ON f.job = e.job AND f.date = e.date `

	selectEntry   = `SELECT ` + entryColumns + entryTables + `WHERE e.job = ? AND e.date = ?`
	selectEntries = `SELECT ` + entryColumns + entryTables + `WHERE e.job = ? AND e.date BETWEEN ? AND ? ORDER BY e.date`

	insertEntry = `INSERT INTO ledger_entry (job, date, state, run, seq, reason, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)`

	// updateEntry rewrites everything of an entry but its key and its facts.
	updateEntry = `UPDATE ledger_entry SET state = ?3, run = ?4, seq = ?5, published_seq = ?6, published_at = ?7,
		not_before = ?8, reason = ?9, generation = ?10, attempt = ?11, spent = ?12, owner = ?13, lease_until = ?14,
		write_generation = ?15, write_id = ?16, write_run = ?17, write_fingerprint = ?18, write_pre_image = ?19,
		write_pre_image_rows = ?20, write_rollback = ?21, failure = ?22, dead_published = ?23, updated_at = ?24
		WHERE job = ?1 AND date = ?2`

	insertAttempt = `INSERT INTO ledger_attempt (job, date, attempt, run, seq, generation, owner, started_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	endAttempt = `UPDATE ledger_attempt SET ended_at = ?4, result = ?5, failure = ?6, outcome = ?7
		WHERE job = ?1 AND date = ?2 AND attempt = ?3`
)

// stored is an entry whose facts are still text: parsing them can wait until the transaction is over, and is left out
// where nobody asks.
type stored struct {
	ledger.Entry
	facts []byte
}

// readEntry reads entryColumns.
func readEntry(c *columns) stored {
	e := ledger.Entry{Job: c.text(), Date: c.date(), State: ledger.State(c.text()), Run: c.text(), Seq: c.integer(),
		PublishedSeq: c.integer(), PublishedAt: c.instant(), NotBefore: c.instant(), Reason: c.text(),
		Generation: c.integer(), Attempt: int(c.integer()), Spent: int(c.integer()), Owner: c.text(), LeaseUntil: c.instant(),
		Write: ledger.WriteRecord{Generation: c.integer(), ID: c.text(), Run: c.text(), Fingerprint: c.text(),
			PreImage:     c.text(),
			PreImageRows: int(c.integer()), Rollback: c.flag()}}
	c.json(&e.Failure)
	e.DeadPublished, e.UpdatedAt = c.flag(), c.instant()
	return stored{e, c.bytes()}
}

// entry is s with its facts.
func (s stored) entry() (ledger.Entry, error) {
	e := s.Entry
	if s.facts == nil {
		return e, nil
	}
	if err := json.Unmarshal(s.facts, &e.Facts); err != nil {
		return ledger.Entry{}, fmt.Errorf("read facts of %s: %w", e.Date, err)
	}
	return e, nil
}

func entriesOf(found []stored) ([]ledger.Entry, error) {
	var entries []ledger.Entry
	for _, s := range found {
		e, err := s.entry()
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// entryAt reads one entry inside a transaction; ok is false when the date was never planned.
func entryAt(tx *sqlitefile.Tx, jobName string, date gamedate.Date) (s stored, ok bool, err error) {
	found, err := scan(tx, selectEntry, []any{jobName, date.String()}, readEntry)
	if err != nil || len(found) == 0 {
		return stored{}, false, err
	}
	return found[0], true, nil
}

// save stores e over what is there, stamped with now.
func save(tx *sqlitefile.Tx, e *ledger.Entry, now time.Time) error {
	failed, err := jsonText(e.Failure)
	if err != nil {
		return err
	}
	e.UpdatedAt = now
	_, err = tx.Exec(updateEntry, e.Job, e.Date.String(), string(e.State), e.Run, e.Seq, e.PublishedSeq,
		micros(e.PublishedAt), micros(e.NotBefore), e.Reason, e.Generation, e.Attempt, e.Spent, e.Owner, micros(e.LeaseUntil),
		e.Write.Generation, e.Write.ID, e.Write.Run, e.Write.Fingerprint, e.Write.PreImage, e.Write.PreImageRows,
		flag(e.Write.Rollback), failed, flag(e.DeadPublished), micros(now))
	return err
}

// end closes the attempt that e is in.
func end(tx *sqlitefile.Tx, e *ledger.Entry, now time.Time, result string, f *ledger.Failure,
	outcome ledger.Outcome) error {
	failed, err := jsonText(f)
	if err != nil {
		return err
	}
	_, err = tx.Exec(endAttempt, e.Job, e.Date.String(), e.Attempt, micros(now), result, failed, string(outcome))
	return err
}

// expire ends the lease of e, which has run out, see [ledger.Entry.Expire], and its attempt. The caller saves e.
func expire(tx *sqlitefile.Tx, e *ledger.Entry, run ledger.RunState, now time.Time, maxAttempts int) error {
	e.Expire(run, maxAttempts)
	return end(tx, e, now, ledger.ResultExpired, e.Failure, "")
}
