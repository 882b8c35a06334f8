// Package webhooknotify delivers messages to a webhook that takes what Slack's incoming webhooks take: a POST of
// {"text": "…"}. Mattermost, Rocket.Chat and Discord (at /slack) take it too.
//
// The address is a secret: whoever has it can post. No error, log line or text of this package shows more of it than
// scheme and host.
package webhooknotify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"gamefill/internal/notify"
)

const (
	// DefaultTimeout bounds one delivery, answer included: a service that takes messages at all answers in well under a
	// second.
	DefaultTimeout = 5 * time.Second
	// maxTextBytes keeps a text below the 4,000 characters that Slack advises as the most ("chat.postMessage", "Truncating
	// content").
	maxTextBytes = 3500
	// maxAnswerBytes is how much of a refusal is shown; Slack says "invalid_payload" and the like.
	maxAnswerBytes = 200
)

// Options tune a webhook. The zero value of a field means its default.
type Options struct {
	Timeout time.Duration // default DefaultTimeout
}

// Webhook is a [notify.Notifier].
type Webhook struct {
	address string
	shown   string
	client  http.Client
}

// New makes a webhook from its address, an http or https URL. The error does not show it.
func New(address string, o Options) (*Webhook, error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, errors.New("the address of the webhook is not an http or https URL")
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	return &Webhook{address: u.String(), shown: u.Scheme + "://" + u.Host + "/…", client: http.Client{
		Timeout: o.Timeout,
		// A redirect would turn the POST into a GET, or carry the message elsewhere; its answer is shown instead.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// AddressVariable is the environment variable that holds the address. No flag does: a command line is seen by everybody
// on the host.
const AddressVariable = "GAMEFILL_NOTIFY_WEBHOOK"

// Open makes the webhook whose address a file holds or, where file is "", the environment; ok is false when neither
// names one.
func Open(file string, getenv func(string) string, o Options) (w *Webhook, ok bool, err error) {
	address, from := getenv(AddressVariable), AddressVariable
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, false, fmt.Errorf("read the address of the webhook: %w", err)
		}
		address, from = string(text), file
	}
	if address == "" && file == "" {
		return nil, false, nil
	}
	if w, err = New(address, o); err != nil {
		return nil, false, fmt.Errorf("%s: %w", from, err)
	}
	return w, true, nil
}

// String is the address without its secret part.
func (w *Webhook) String() string { return w.shown }

// Notify implements [notify.Notifier].
func (w *Webhook) Notify(ctx context.Context, m notify.Message) error {
	body, err := json.Marshal(map[string]string{"text": text(m)})
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post to %s: %w", w.shown, bare(err))
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := w.client.Do(request)
	if err != nil {
		return fmt.Errorf("post to %s: %w", w.shown, bare(err))
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("post to %s: answered %s: %s", w.shown, response.Status, strings.TrimSpace(string(answer)))
	}
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", w.shown, bare(err))
	}
	return nil
}

// bare is the error without the URL that net/http puts in front of it.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// markup escapes the three characters that Slack's text format gives a meaning ("Formatting text for app surfaces").
var markup = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// text is the message with its title in bold.
func text(m notify.Message) string {
	lines := []string{"*" + markup.Replace(m.Title) + "*"}
	for _, line := range m.Lines {
		lines = append(lines, markup.Replace(line))
	}
	return clipped(strings.Join(lines, "\n"))
}

// clipped is at most maxTextBytes of s, whole runes.
func clipped(s string) string {
	if len(s) <= maxTextBytes {
		return s
	}
	end := maxTextBytes - len("…")
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

var _ notify.Notifier = (*Webhook)(nil)
