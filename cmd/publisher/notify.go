package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"gamefill/internal/notify"
	"gamefill/internal/notify/webhooknotify"
	"gamefill/internal/publisher"
	"gamefill/internal/summary"
)

// notifyFlags are shared by the commands that change a run: they say who is told.
type notifyFlags struct {
	NotifyWebhookFile string `help:"File with the address of a Slack-compatible webhook that is told; or set $GAMEFILL_NOTIFY_WEBHOOK to the address." placeholder:"FILE"`
}

// told opens the webhook that the settings name; commands call it before they change anything. Where they name none,
// nobody is told.
func (f *notifyFlags) told(e *environment) error {
	w, ok, err := webhooknotify.Open(f.NotifyWebhookFile, os.Getenv, webhooknotify.Options{})
	if err != nil {
		return &publisher.UsageError{Problem: err.Error()}
	}
	if ok {
		e.notifier = w
	}
	return nil
}

// tellingTime is how long a command may take to tell what it did. It has done its work by then.
const tellingTime = 10 * time.Second

// announce tells what is new about a run, where somebody is told. It never fails the command: what does not arrive is
// said on standard error, and told later by a worker that has the webhook too.
func (e *environment) announce(run string) {
	if e.notifier == nil || run == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), tellingTime)
	defer cancel()
	owner := e.actor() + "-" + publisher.NewRunID(time.Now()) // unique per process
	herald := notify.NewHerald(e.backend.Ledger, e.notifier, summary.Job().Name, owner, logTo(e.err), notify.Options{})
	herald.AnnounceRun(ctx, run)
}

// tell tells what only this command knows; like announce it never fails the command.
func (e *environment) tell(m notify.Message) {
	if e.notifier == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), tellingTime)
	defer cancel()
	if err := e.notifier.Notify(ctx, m); err != nil {
		fmt.Fprintln(e.err, "publisher: nobody was told:", err)
	}
}

type notifyCommand struct {
	notifyFlags `embed:""`
	Test        bool `help:"Send a message that says it is a test." required:"" env:"-"`
}

func (*notifyCommand) Help() string {
	return `Sends a message to the webhook that runs are told to, and fails when it does not arrive. The address is a secret: it
comes from a file or from the environment, and is never shown whole. publish, sample, run, validate, pause, resume, cancel,
approve, rollback and worker tell that a run has begun, what its sample came to, that it is paused or has stopped itself, what
died and why, when a quarter, half and three quarters are settled, how it ended and what was put back. Of several programs with
the webhook one tells each thing. No command and no date fails because a message does not arrive.

Examples:
  GAMEFILL_NOTIFY_WEBHOOK=https://hooks.slack.com/services/… publisher notify --test
  publisher notify --test --notify-webhook-file /etc/gamefill/webhook`
}

func (c *notifyCommand) Run(e *environment) error {
	if err := c.told(e); err != nil {
		return err
	}
	if e.notifier == nil {
		return &publisher.UsageError{Problem: "there is nobody to tell: set " + webhooknotify.AddressVariable +
			", or give --notify-webhook-file"}
	}
	m := notify.Message{Kind: notify.Test, Title: "gamefill can tell what becomes of its runs",
		Lines: []string{"A test by " + e.actor()}}
	if err := e.notifier.Notify(e.ctx, m); err != nil {
		return err
	}
	to := fmt.Sprint(e.notifier)
	return e.print(map[string]string{"told": to}, func() { fmt.Fprintf(e.out, "A test message has arrived at %s.\n", to) })
}
