package central

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// Events that webhooks are for.
const (
	eventDeployment = "deployment" // a group has a new deployment
	eventBlinkup    = "blinkup"    // a device has been made in a group
	eventBlessing   = "blessing"   // a device has been assigned to a (pre_)production group
)

const (
	contentJSON = "application/json"
	contentForm = "application/x-www-form-urlencoded"
)

func (c *call) showWebhook(w store.Webhook) (object, error) {
	group, err := c.groupRef(w.Group)
	return object{
		Type: "webhook", ID: w.ID, Links: c.self("webhooks", w.ID),
		Attributes: map[string]any{
			"url": w.URL, "event": w.Event, "content_type": w.ContentType,
			"created_at": stamp(w.Created), "updated_at": stamp(w.Updated),
		},
		Relationships: refs(map[string]ref{
			"devicegroup": group,
			"owner":       {"account", w.Owner},
			"creator":     {"account", w.Creator},
		}),
	}, err
}

func (c *call) listWebhooks() error {
	in, err := c.seenWithin("owner.id")
	if err != nil {
		return err
	}
	if len(in) == 0 {
		return c.sendNone()
	}
	number, page := c.page()
	list, next, err := c.Store.WebhooksIn(c.ctx, in, page)
	if err != nil {
		return err
	}
	return sendObjects(c, number, page, next, list, c.showWebhook)
}

// checkURL checks the address of a webhook. Whether it may be reached is decided when it is.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || len(text) > 2000 {
		return tandem.Errorf(tandem.Invalid, "Invalid URL: The provided URL is invalid.")
	}
	return nil
}

func checkContentType(text string) error {
	if text != contentJSON && text != contentForm {
		return tandem.Errorf(tandem.Invalid, "the content_type of a webhook is %s or %s", contentJSON, contentForm)
	}
	return nil
}

var webhookShape = shape{types: []string{"webhook"}, related: map[string][]string{"devicegroup": anyGroup}}

func (c *call) addWebhook() error {
	var in struct {
		URL, Event  string
		ContentType string `json:"content_type"`
	}
	body, err := c.readAs(webhookShape, &in)
	if err != nil {
		return err
	}
	if events := []string{eventDeployment, eventBlinkup, eventBlessing}; !slices.Contains(events, in.Event) {
		return tandem.Errorf(tandem.Invalid, "the event of a webhook is one of %s", strings.Join(events, ", "))
	}
	if err := checkContentType(in.ContentType); err != nil {
		return err
	}
	if err := checkURL(in.URL); err != nil {
		return err
	}
	g, err := c.ownGroup(body.Data.Relationships["devicegroup"].ID)
	if err != nil {
		return err
	}
	w, err := c.Store.AddWebhook(c.ctx, store.Webhook{
		Group: g.ID, Creator: c.account.ID, URL: in.URL, Event: in.Event, ContentType: in.ContentType,
	})
	if err != nil {
		return err
	}
	o, err := c.showWebhook(w)
	if err != nil {
		return err
	}
	o.Attributes.(map[string]any)["secret"] = w.Secret
	return c.sendObject(http.StatusCreated, o)
}

func (c *call) sendWebhook(w store.Webhook) error {
	o, err := c.showWebhook(w)
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, o)
}

func (c *call) getWebhook() error {
	w, err := c.webhook(c.arg(1))
	if err != nil {
		return err
	}
	return c.sendWebhook(w)
}

func (c *call) changeWebhook() error {
	w, err := c.webhook(c.arg(1))
	if err != nil {
		return err
	}
	var in struct {
		URL         *string
		ContentType *string `json:"content_type"`
	}
	if _, err := c.readAs(shape{types: webhookShape.types}, &in); err != nil {
		return err
	}
	w, err = c.Store.ChangeWebhook(c.ctx, w.ID, func(w *store.Webhook) error {
		if in.URL != nil {
			w.URL = *in.URL
		}
		if in.ContentType != nil {
			w.ContentType = *in.ContentType
		}
		if err := checkURL(w.URL); err != nil {
			return err
		}
		return checkContentType(w.ContentType)
	})
	if err != nil {
		return err
	}
	return c.sendWebhook(w)
}

func (c *call) deleteWebhook() error {
	w, err := c.webhook(c.arg(1))
	if err != nil {
		return err
	}
	if err := c.Store.DeleteWebhook(c.ctx, w.ID); err != nil {
		return err
	}
	return c.noContent()
}

// listDeliveries sends what a webhook has not delivered.
func (c *call) listDeliveries() error {
	w, err := c.webhook(c.arg(1))
	if err != nil {
		return err
	}
	number, page := c.page()
	list, next, err := c.Store.Deliveries(c.ctx, w.ID, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, next, list, func(d store.Delivery) any {
		attributes := map[string]any{
			"event": d.Event, "state": "dead", "attempts": d.Attempts, "reason": d.Reason, "body": d.Body,
			"next_attempt_at": nil, "created_at": stamp(d.Created), "updated_at": stamp(d.Updated),
		}
		if !d.Due.IsZero() {
			attributes["state"], attributes["next_attempt_at"] = "waiting", stamp(d.Due)
		}
		return object{
			Type: "delivery", ID: d.ID, Links: c.self("webhooks/"+w.ID+"/deliveries", d.ID), Attributes: attributes,
			Relationships: map[string]ref{"webhook": {"webhook", w.ID}},
		}
	})
}

// deploymentEvent is what webhooks are told of a deployment.
func deploymentEvent(g record.Group, d record.Deployment) map[string]any {
	return map[string]any{
		"deployment_id": d.ID, "devicegroup_id": g.ID, "product_id": g.Product, "sha": d.SHA,
		"creator_id": d.Creator, "created_at": stamp(d.Created),
	}
}
