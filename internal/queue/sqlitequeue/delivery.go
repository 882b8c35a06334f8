package sqlitequeue

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	"gamefill/internal/queue"
	"gamefill/internal/sqlitefile"
)

// delivery is one taken message. It implements [queue.Delivery].
//
// A call that returns an error has ended nothing; another may follow. Only Ack tells of a lost hold ([ErrHoldLost]):
// after Nack the message comes again, and after DeadLetter the letter is published, whoever holds the message.
type delivery struct {
	q       *Queue
	seq     int64
	holder  string
	id      string
	count   int
	message queue.Message
	ended   func(*delivery) // told once, when the delivery has ended

	mu   sync.Mutex // guards done; held during the write that ends the delivery
	done bool
}

// Message implements [queue.Delivery].
func (d *delivery) Message() queue.Message { return d.message }

// ID implements [queue.Delivery].
func (d *delivery) ID() string { return d.id }

// DeliveryCount implements [queue.Delivery]; it is always known.
func (d *delivery) DeliveryCount() int { return d.count }

// Ack implements [queue.Delivery].
func (d *delivery) Ack(ctx context.Context) error {
	lost := false
	err := d.end(ctx, func(tx *sqlitefile.Tx) (err error) {
		lost, err = d.remove(tx)
		return err
	})
	if err == nil && lost {
		err = ErrHoldLost
	}
	if err != nil {
		return fmt.Errorf("ack message %s: %w", d.id, err)
	}
	return nil
}

// Nack implements [queue.Delivery]; delays are honoured.
func (d *delivery) Nack(ctx context.Context, delay time.Duration) error {
	given := false
	err := d.end(ctx, func(tx *sqlitefile.Tx) error {
		n, err := tx.Exec(`UPDATE queue_message SET holder = '', visible_at = ? WHERE seq = ? AND holder = ?`,
			d.q.now()+max(delay, 0).Microseconds(), d.seq, d.holder)
		given = n > 0
		return err
	})
	if err != nil {
		return fmt.Errorf("nack message %s: %w", d.id, err)
	}
	if given {
		d.q.changed.notify()
	}
	return nil
}

// DeadLetter implements [queue.Delivery]; the letter and the ack are one transaction.
func (d *delivery) DeadLetter(ctx context.Context, dl queue.Message) error {
	r, err := encode(dl)
	if err == nil {
		err = d.end(ctx, func(tx *sqlitefile.Tx) error {
			if err := d.q.insertLetter(tx, r); err != nil {
				return err
			}
			_, err := d.remove(tx)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("dead-letter message %s: %w", d.id, err)
	}
	return nil
}

// end runs the write that ends the delivery, unless one has.
func (d *delivery) end(ctx context.Context, write func(*sqlitefile.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		return nil
	}
	if err := d.q.file.Write(ctx, write); err != nil {
		return err
	}
	d.done = true
	d.ended(d)
	return nil
}

// remove deletes the message if the hold stands. lost reports that it is still there, under another holder or none.
func (d *delivery) remove(tx *sqlitefile.Tx) (lost bool, err error) {
	n, err := tx.Exec(`DELETE FROM queue_message WHERE seq = ? AND holder = ?`, d.seq, d.holder)
	if err != nil || n > 0 {
		return false, err
	}
	err = tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM queue_message WHERE seq = ? AND id = ?)`, d.seq, d.id).Scan(&lost)
	return lost, err
}

// renew puts the end of the hold off. A delivery that has ended, or lost its hold, is left alone.
func (d *delivery) renew(tx *sqlitefile.Tx, until int64) error {
	return tx.ExecValues(`UPDATE queue_message SET visible_at = ? WHERE seq = ? AND holder = ?`,
		[]driver.Value{until, d.seq, d.holder})
}
