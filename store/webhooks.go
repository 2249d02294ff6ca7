package store

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// A Webhook is a URL that is called for a device group's events. It is deleted
// with its group.
type Webhook struct {
	ID               string
	Group            string
	Owner, Creator   string // accounts
	URL              string
	Event            string // "blessing", "blinkup" or "deployment"
	ContentType      string
	Created, Updated time.Time
	Secret           string // signs its deliveries; it does not change
}

var webhooks = table[Webhook]{
	name: "webhooks", noun: "webhook", order: "rowid",
	columns: "id, device_group, owner, creator, url, event, content_type, created, updated, secret",
	fields: func(w *Webhook) []any {
		return []any{
			&w.ID, &w.Group, &w.Owner, &w.Creator, &w.URL, &w.Event, &w.ContentType,
			(*milli)(&w.Created), (*milli)(&w.Updated), &w.Secret,
		}
	},
}

// AddWebhook makes a webhook of an existing group.
func (s *Store) AddWebhook(ctx context.Context, w Webhook) (Webhook, error) {
	w.ID, w.Created = newID(), s.stamp()
	w.Updated = w.Created
	err := s.do(ctx, func() error {
		g, err := groups.one(s.inside(), s.write, where("id = ?", w.Group))
		if err != nil {
			return err
		}
		w.Owner = g.Owner
		w.Secret = rand.Text()
		if err := webhooks.insert(s, &w); err != nil {
			return err
		}
		return s.exec("UPDATE webhooks SET product = ? WHERE id = ?", g.Product, w.ID)
	})
	return w, err
}

// Webhook returns a webhook.
func (s *Store) Webhook(ctx context.Context, id string) (Webhook, error) {
	w, err := webhooks.one(ctx, s.read, where("id = ?", id))
	return w, s.describe(err)
}

// Webhooks returns webhooks, the oldest first, and the After of the next page. An empty
// owner or group matches all.
func (s *Store) Webhooks(ctx context.Context, owner, group string, page Page) ([]Webhook, int, error) {
	var c condition
	c.equal("owner", owner)
	c.equal("device_group", group)
	return webhooks.list(ctx, s, c, page)
}

// WebhooksIn is Webhooks for places that hold no webhook together.
func (s *Store) WebhooksIn(ctx context.Context, in []record.Place, page Page) ([]Webhook, int, error) {
	var c condition
	return webhooks.listAny(ctx, s, c.in(in, func(c *condition, p record.Place) { c.at(narrow(p), "device_group") }), page)
}

// ChangeWebhook edits a webhook.
func (s *Store) ChangeWebhook(ctx context.Context, id string, edit func(*Webhook) error) (Webhook, error) {
	return webhooks.change(ctx, s, id, func(w *Webhook) error {
		w.Updated = s.stamp()
		return edit(w)
	})
}

// DeleteWebhook deletes a webhook.
func (s *Store) DeleteWebhook(ctx context.Context, id string) error {
	return s.do(ctx, func() error { return webhooks.remove(s, id) })
}

// A Delivery is a webhook's event that is to be delivered, or could not be: a dead letter.
type Delivery struct {
	ID               string
	Webhook          string
	Event            string
	Body             string
	Attempts         int
	Due              time.Time // zero: it is dead
	Reason           string    // why the last attempt failed
	Created, Updated time.Time
}

var deliveries = table[Delivery]{
	name: "deliveries", noun: "delivery", order: "rowid DESC", quiet: true,
	columns: "id, webhook, event, body, attempts, due, reason, created, updated",
	fields: func(d *Delivery) []any {
		return []any{&d.ID, &d.Webhook, &d.Event, &d.Body, &d.Attempts, (*milli)(&d.Due), &d.Reason,
			(*milli)(&d.Created), (*milli)(&d.Updated)}
	},
}

// Limits of deliveries.
const (
	DeliveriesPerWebhook = 200 // kept, waiting and dead; the oldest goes first
	dueAtOnce            = 32
)

// Deliver has the webhooks of a group for an event deliver a body. It returns whether there
// are any.
func (s *Store) Deliver(ctx context.Context, group, event, body string) (any bool, err error) {
	// Most groups have none, and need no transaction.
	hooks, _, err := webhooks.list(ctx, s, where("device_group = ? AND event = ?", group, event), Page{})
	if err != nil || len(hooks) == 0 {
		return false, err
	}
	err = s.do(ctx, func() error {
		for _, w := range hooks {
			now := s.stamp()
			d := Delivery{ID: newID(), Webhook: w.ID, Event: event, Body: body, Due: now, Created: now, Updated: now}
			if err := deliveries.insert(s, &d); err != nil {
				return err
			}
			const old = "DELETE FROM deliveries WHERE webhook = ?1 AND rowid <= (SELECT rowid FROM deliveries " +
				"WHERE webhook = ?1 ORDER BY rowid DESC LIMIT 1 OFFSET ?2)"
			if err := s.exec(old, w.ID, DeliveriesPerWebhook); err != nil {
				return err
			}
		}
		return nil
	})
	return true, err
}

// Due takes deliveries that are due for an attempt, which another node may not make before
// lease is over.
func (s *Store) Due(ctx context.Context, lease time.Duration) (taken []Delivery, err error) {
	list, err := s.due(ctx, s.read)
	if err != nil || len(list) == 0 {
		return nil, s.describe(err)
	}
	err = s.do(ctx, func() error {
		taken = nil
		list, err := s.due(s.inside(), s.write)
		if err != nil {
			return err
		}
		for _, d := range list {
			d.Due = s.stamp().Add(lease)
			d.Attempts++
			if err := deliveries.update(s, &d); err != nil {
				return err
			}
			taken = append(taken, d)
		}
		return nil
	})
	return taken, err
}

func (s *Store) due(ctx context.Context, q querier) ([]Delivery, error) {
	is := []condition{where("due > 0 AND due <= ?", milli(s.stamp()))}
	list, _, _, err := dueDeliveries.scan(ctx, q, is, Page{Limit: dueAtOnce})
	return list, err
}

// dueDeliveries lists deliveries by the time at which they are due.
var dueDeliveries = table[Delivery]{
	name: deliveries.name, noun: deliveries.noun, order: "due", columns: deliveries.columns, fields: deliveries.fields,
}

// Delivered forgets a delivery that has been made.
func (s *Store) Delivered(ctx context.Context, id string) error {
	err := s.do(ctx, func() error { return deliveries.remove(s, id) })
	if tandem.KindOf(err) == tandem.NotFound {
		return nil // its webhook was deleted meanwhile
	}
	return err
}

// Undelivered says why an attempt has failed, and when the next is due; never if due is zero.
func (s *Store) Undelivered(ctx context.Context, id, reason string, due time.Time) error {
	_, err := deliveries.change(ctx, s, id, func(d *Delivery) error {
		d.Reason, d.Due = reason, due
		d.Updated = s.stamp()
		return nil
	})
	if tandem.KindOf(err) == tandem.NotFound {
		return nil // its webhook was deleted meanwhile
	}
	return err
}

// Deliveries returns a webhook's deliveries that wait or are dead, the newest first, and the
// After of the next page.
func (s *Store) Deliveries(ctx context.Context, webhook string, page Page) ([]Delivery, int, error) {
	return deliveries.list(ctx, s, where("webhook = ?", webhook), page)
}
