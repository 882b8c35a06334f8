package sqlitequeue

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"gamefill/internal/queue"
	"gamefill/internal/sqlitefile"
)

const insertDeadLetter = `INSERT INTO queue_dead_letter (id, topic, body, attributes, published_at)
	VALUES (?, ?, ?, ?, ?)`

// insertLetter stores an encoded dead letter.
func (q *Queue) insertLetter(tx *sqlitefile.Tx, r row) error {
	return tx.ExecValues(insertDeadLetter, []driver.Value{r.id, q.o.Topic, r.body, r.attributes, q.now()})
}

// PublishDeadLetter implements [queue.Queue].
func (q *Queue) PublishDeadLetter(ctx context.Context, dl queue.Message) error {
	r, err := encode(dl)
	if err == nil {
		err = q.file.Write(ctx, func(tx *sqlitefile.Tx) error { return q.insertLetter(tx, r) })
	}
	if err != nil {
		return fmt.Errorf("publish dead letter: %w", err)
	}
	return nil
}

// foldChunk is how many dead letters are read, and then removed, at once.
const foldChunk = 100

// letter is a dead letter with its place in the table.
type letter struct {
	seq int64
	queue.DeadLetter
}

// FoldDeadLetters implements [queue.Queue]. Letters come oldest first. Those that fn has taken are removed a hundred at
// a time, and before an error is returned.
func (q *Queue) FoldDeadLetters(ctx context.Context, fn func(context.Context, queue.DeadLetter) error) (int, error) {
	removed := 0
	for {
		letters, err := q.letters(ctx)
		if err != nil {
			return removed, fmt.Errorf("read dead letters: %w", err)
		}
		if len(letters) == 0 {
			return removed, nil
		}
		taken := 0
		for _, l := range letters {
			if err = ctx.Err(); err == nil {
				err = fn(ctx, l.DeadLetter)
			}
			if err != nil {
				break
			}
			taken++
		}
		// What fn has taken is removed even when ctx ended meanwhile; otherwise it would only be handed out again.
		n, removeErr := q.removeLetters(context.WithoutCancel(ctx), letters[:taken])
		removed += n
		if err = errors.Join(err, removeErr); err != nil {
			return removed, fmt.Errorf("fold dead letters: %w", err)
		}
	}
}

func (q *Queue) letters(ctx context.Context) ([]letter, error) {
	var letters []letter
	err := q.file.Read(ctx, func(tx *sqlitefile.Tx) error {
		const query = `SELECT seq, id, published_at, body, attributes FROM queue_dead_letter
			WHERE topic = ? ORDER BY seq LIMIT ?`
		return tx.Scan(query, []any{q.o.Topic, foldChunk}, func(values []driver.Value) error {
			l := letter{seq: values[0].(int64)}
			l.ID = values[1].(string)
			l.PublishedAt = time.UnixMicro(values[2].(int64)).UTC()
			var err error
			l.Message, err = decode(values[3], values[4])
			letters = append(letters, l)
			return err
		})
	})
	return letters, err
}

// removeLetters returns how many it removed: another folder may have been faster.
func (q *Queue) removeLetters(ctx context.Context, letters []letter) (removed int, err error) {
	if len(letters) == 0 {
		return 0, nil
	}
	err = q.file.Write(ctx, func(tx *sqlitefile.Tx) error {
		removed = 0
		for _, l := range letters {
			n, err := tx.Exec(`DELETE FROM queue_dead_letter WHERE seq = ? AND id = ?`, l.seq, l.ID)
			if err != nil {
				return err
			}
			removed += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}
