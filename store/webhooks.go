package store

import (
	"context"
	"time"
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
}

var webhooks = table[Webhook]{
	name: "webhooks", noun: "webhook", order: "rowid",
	columns: "id, device_group, owner, creator, url, event, content_type, created, updated",
	fields: func(w *Webhook) []any {
		return []any{
			&w.ID, &w.Group, &w.Owner, &w.Creator, &w.URL, &w.Event, &w.ContentType,
			(*milli)(&w.Created), (*milli)(&w.Updated),
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
		return webhooks.insert(s, &w)
	})
	return w, err
}

// Webhook returns a webhook.
func (s *Store) Webhook(ctx context.Context, id string) (Webhook, error) {
	w, err := webhooks.one(ctx, s.read, where("id = ?", id))
	return w, s.describe(err)
}

// Webhooks returns webhooks, the oldest first, and how many there are. An empty
// owner or group matches all.
func (s *Store) Webhooks(ctx context.Context, owner, group string, page Page) ([]Webhook, int, error) {
	var c condition
	c.equal("owner", owner)
	c.equal("device_group", group)
	return webhooks.list(ctx, s, c, page)
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
