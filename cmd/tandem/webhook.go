package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central/client"
)

type webhookCmd struct {
	List       webhookListCmd       `cmd:"" help:"List the webhooks."`
	Show       webhookShowCmd       `cmd:"" help:"Show a webhook."`
	Add        webhookAddCmd        `cmd:"" help:"Have a URL called for events of a device group."`
	Change     webhookChangeCmd     `cmd:"" help:"Change the URL or the content type of a webhook."`
	Remove     webhookRemoveCmd     `cmd:"" help:"Remove a webhook, with what it has not delivered."`
	Deliveries webhookDeliveriesCmd `cmd:"" help:"List what a webhook has not delivered, and why."`
}

type webhookListCmd struct {
	nodeFlags
	listFlags
	Product string `placeholder:"PRODUCT" help:"${help_group_product}"`
	Group   string `placeholder:"GROUP" help:"Only those of this device group."`
}

func (c *webhookListCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	_, group, err := n.selected(ctx, c.Product, c.Group)
	if err != nil {
		return err
	}
	all, err := collect(s, "webhooks", n.Webhooks(ctx, group))
	if err != nil {
		return err
	}
	for _, w := range all {
		if err := n.name(ctx, w.Group, w.Owner, w.Creator); err != nil {
			return err
		}
	}
	return listed(s, c.listFlags, all, []column[client.Webhook]{
		{"webhook", func(w client.Webhook) string { return w.ID }},
		{"group", func(w client.Webhook) string { return called(w.Group) }},
		{"event", func(w client.Webhook) string { return w.Event }},
		{"url", func(w client.Webhook) string { return w.URL }},
		{"type", func(w client.Webhook) string { return w.ContentType }},
		{"created", func(w client.Webhook) string { return at(w.CreatedAt) }},
	})
}

// oneWebhook is the argument of a command for one webhook.
type oneWebhook struct {
	nodeFlags
	Webhook string `arg:"" help:"Id of the webhook."`
}

func (c *oneWebhook) dialWebhook(ctx context.Context, s *streams) (*node, client.Webhook, error) {
	n, err := c.dial(ctx, s)
	if err != nil {
		return nil, client.Webhook{}, err
	}
	w, err := n.Webhook(ctx, c.Webhook)
	if c.Webhook == "" || tandem.KindOf(err) == tandem.NotFound {
		err = unknown("webhook", c.Webhook, nil, "tandem webhook list shows all")
	}
	if err != nil {
		return nil, w, err
	}
	return n, w, n.name(ctx, w.Group, w.Owner, w.Creator)
}

type webhookShowCmd struct{ oneWebhook }

func (c *webhookShowCmd) Run(ctx context.Context, s *streams) error {
	_, w, err := c.dialWebhook(ctx, s)
	if err != nil {
		return err
	}
	return described(s, w, w.ID)
}

type webhookAddCmd struct {
	nodeFlags
	groupFlags
	ContentType string `placeholder:"TYPE" enum:"json,form" default:"json" help:"${help_webhook_type}"`
	Event       string `arg:"" enum:"deployment,blinkup,blessing" help:"${help_webhook_event}"`
	URL         string `arg:"" name:"url" help:"What is called, by POST."`
}

// webhookTypes are the content types of webhooks by what people call them.
var webhookTypes = map[string]string{"json": "application/json", "form": "application/x-www-form-urlencoded"}

func (c *webhookAddCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	g, err := n.target(ctx, c.groupFlags)
	if err != nil {
		return err
	}
	contentType := webhookTypes[c.ContentType]
	w, err := n.AddWebhook(ctx, g.ID, client.WebhookChange{URL: &c.URL, Event: &c.Event, ContentType: &contentType})
	if err != nil {
		return fmt.Errorf("%s: %w", c.URL, err)
	}
	if err := s.result(w, fmt.Sprintf("ID=%s\nSECRET=%s\n", w.ID, w.Secret)); err != nil {
		return err
	}
	s.say("The secret, which signs what is sent, is shown only once.")
	return nil
}

type webhookChangeCmd struct {
	oneWebhook
	Target      *string `placeholder:"URL" help:"Another URL to call."`
	ContentType string  `placeholder:"TYPE" enum:"json,form," default:"" help:"${help_webhook_type}"`
}

func (c *webhookChangeCmd) Run(ctx context.Context, s *streams) error {
	n, w, err := c.dialWebhook(ctx, s)
	if err != nil {
		return err
	}
	change := client.WebhookChange{URL: c.Target}
	if c.ContentType != "" {
		contentType := webhookTypes[c.ContentType]
		change.ContentType = &contentType
	}
	if w, err = n.ChangeWebhook(ctx, w.ID, change); err != nil {
		if c.Target != nil {
			err = fmt.Errorf("--target %s: %w", *c.Target, err)
		}
		return err
	}
	return s.made(w, w.ID)
}

type webhookRemoveCmd struct {
	oneWebhook
	yesFlag
}

func (c *webhookRemoveCmd) Run(ctx context.Context, s *streams) error {
	n, w, err := c.dialWebhook(ctx, s)
	if err != nil {
		return err
	}
	remove := func() error { return n.RemoveWebhook(ctx, w.ID) }
	return c.remove(s, w.ID, remove, "This removes the webhook to %s, for the event %s of device group %s",
		w.URL, w.Event, called(w.Group))
}

type webhookDeliveriesCmd struct {
	oneWebhook
	listFlags
}

func (c *webhookDeliveriesCmd) Run(ctx context.Context, s *streams) error {
	n, w, err := c.dialWebhook(ctx, s)
	if err != nil {
		return err
	}
	all, err := collect(s, "deliveries", n.Deliveries(ctx, w.ID))
	if err != nil {
		return err
	}
	return listed(s, c.listFlags, all, []column[client.Delivery]{
		{"delivery", func(d client.Delivery) string { return d.ID }},
		{"event", func(d client.Delivery) string { return d.Event }},
		{"state", func(d client.Delivery) string { return d.State }},
		{"attempts", func(d client.Delivery) string { return strconv.Itoa(d.Attempts) }},
		{"next", func(d client.Delivery) string { return when(d.NextAt) }},
		{"created", func(d client.Delivery) string { return at(d.CreatedAt) }},
		{"reason", func(d client.Delivery) string { return d.Reason }},
	})
}
