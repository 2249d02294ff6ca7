package central

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
)

// Fetcher makes the requests of webhooks. It is that of agents, with the same rules for what
// may be reached.
type Fetcher interface {
	Fetch(ctx context.Context, f *tandem.Fetch, part func([]byte), done func(*tandem.Response))
}

// Attempts to deliver. After the last of retries a delivery is dead; it is kept, with its
// reason, to be read.
const (
	hookWait  = 30 * time.Second // for an answer
	hookLease = 2 * time.Minute  // in which no other node tries
	hookLook  = time.Second      // between looks for what is due
	hooksOnce = 8                // deliveries under way on a node
)

var hookRetries = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour,
}

// fire has the webhooks of a group for an event deliver what has happened. It is durable when
// fire returns; RunHooks delivers it.
func (s *Service) fire(ctx context.Context, group, event string, what map[string]any) error {
	what["event"] = event
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	some, err := s.Store.Deliver(ctx, group, event, string(body))
	if some {
		s.setUp()
		select {
		case s.hooks <- struct{}{}:
		default: // it has a token
		}
	}
	return err
}

// RunHooks delivers what webhooks have to, until ctx ends. What is under way then is tried
// again later, like all that the store could not be asked or told.
func (s *Service) RunHooks(ctx context.Context, logger *slog.Logger) error {
	s.setUp()
	if s.Fetcher == nil {
		return nil
	}
	failing := false
	look := time.NewTicker(hookLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.hooks:
		case <-look.C:
		}
		more := true
		var err error
		for more && err == nil {
			more, err = s.deliverDue(ctx)
		}
		switch {
		case err == nil:
			failing = false
		case ctx.Err() == nil && !failing:
			failing = true
			logger.Warn("what came of deliveries to webhooks cannot be kept; they are made again", "err", err)
		}
	}
}

// deliverDue delivers what is due, and reports whether there may be more.
func (s *Service) deliverDue(ctx context.Context) (more bool, err error) {
	due, err := s.Store.Due(ctx, hookLease)
	if err != nil {
		return false, err
	}
	failed := make([]error, len(due))
	var all sync.WaitGroup
	places := make(chan struct{}, hooksOnce)
	for i, d := range due {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			failed[i] = s.deliver(ctx, d)
		})
	}
	all.Wait()
	return len(due) > 0 && ctx.Err() == nil, errors.Join(failed...)
}

// deliver makes an attempt, and keeps what came of it. When that cannot be kept, the lease
// ends and the delivery is made again: a receiver may get it twice, with the same id.
func (s *Service) deliver(ctx context.Context, d store.Delivery) error {
	w, err := s.Store.Webhook(ctx, d.Webhook)
	switch {
	case tandem.KindOf(err) == tandem.NotFound: // it was deleted meanwhile, and its deliveries with it
		return nil
	case err != nil:
		return err
	}
	reason := s.attemptHook(ctx, w, d)
	switch {
	case ctx.Err() != nil:
		return nil
	case reason == "":
		return s.Store.Delivered(ctx, d.ID)
	case d.Attempts > len(hookRetries):
		return s.Store.Undelivered(ctx, d.ID, reason, time.Time{})
	}
	return s.Store.Undelivered(ctx, d.ID, reason, time.Now().Add(hookRetries[d.Attempts-1]))
}

// attemptHook makes a request, and returns why it failed.
func (s *Service) attemptHook(ctx context.Context, w store.Webhook, d store.Delivery) (reason string) {
	body, err := encodeHook(w.ContentType, d.Body)
	if err != nil {
		return err.Error()
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	f := &tandem.Fetch{
		Method: http.MethodPost, URL: w.URL, Body: body, Timeout: hookWait, Validate: true,
		Headers: []tandem.Header{
			{Name: "Content-Type", Value: w.ContentType}, {Name: "User-Agent", Value: "Tandem"},
			{Name: "X-Tandem-Event", Value: d.Event}, {Name: "X-Tandem-Delivery", Value: d.ID},
			{Name: "X-Tandem-Signature", Value: "t=" + now + ",v1=" + signHook(w.Secret, now, body)},
		},
	}
	ctx, cancel := context.WithTimeout(ctx, hookWait+5*time.Second)
	defer cancel()
	answer := make(chan *tandem.Response, 1)
	s.Fetcher.Fetch(ctx, f, nil, func(r *tandem.Response) { answer <- r })
	r := <-answer
	if release := r.Releaser(); release != nil {
		defer release()
	}
	switch {
	case r.Status >= 200 && r.Status < 300:
		return ""
	case r.Status < 100:
		return fmt.Sprintf("no answer: %.200s", r.Body)
	}
	return fmt.Sprintf("the server answered %d %s", r.Status, http.StatusText(r.Status))
}

// signHook returns the signature of a delivery: HMAC-SHA256 with the webhook's secret, of the
// time in seconds, a full stop and the body.
func signHook(secret, now string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(now + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// encodeHook returns the body of a delivery in the webhook's content type.
func encodeHook(contentType, body string) ([]byte, error) {
	if contentType == contentJSON {
		return []byte(body), nil
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		return nil, err
	}
	form := url.Values{}
	for name, v := range members {
		text := ""
		if v != nil {
			text = fmt.Sprint(v)
		}
		form.Set(name, text)
	}
	return []byte(form.Encode()), nil
}
