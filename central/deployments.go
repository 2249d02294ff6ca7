package central

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

func (c *call) showDeployment(d record.Deployment) (object, error) {
	attributes := map[string]any{
		"sha": d.SHA, "description": d.Description, "origin": nil,
		"flagged": d.Flagged(), "tags": append([]string{}, d.Tags...),
		"created_at": stamp(d.Created), "updated_at": stamp(d.Updated),
	}
	if d.Origin != "" {
		attributes["origin"] = d.Origin
	}
	group, err := c.groupRef(d.Group)
	return object{
		Type: "deployment", ID: d.ID, Links: c.self("deployments", d.ID), Attributes: attributes,
		Relationships: refs(map[string]ref{
			"owner":       {"account", d.Owner},
			"creator":     {"account", d.Creator},
			"product":     {"product", d.Product},
			"devicegroup": group,
			"flagger":     {"account", d.Flagger},
		}),
	}, err
}

// deploymentFilter reads the filters of a list. none says that nothing can meet them.
func (c *call) deploymentFilter() (f store.DeploymentFilter, none bool, err error) {
	f = store.DeploymentFilter{
		Creator: c.filter("creator.id"), SHA: c.filter("sha"), Flagger: c.filter("flagger.id"),
	}
	switch text := c.filter("flagged"); text {
	case "", "any":
	case "true", "false":
		flagged := text == "true"
		f.Flagged = &flagged
	default:
		return f, false, tandem.Errorf(tandem.Invalid, "filter[flagged] is true, false or any, not %q", text)
	}
	if text := c.filter("tags"); text != "" {
		f.Tags = strings.Split(text, ",")
	}
	f.In, err = c.seenWithin("owner.id")
	return f, len(f.In) == 0 && err == nil, err
}

func (c *call) listDeployments() error {
	f, none, err := c.deploymentFilter()
	if none {
		return c.sendNone()
	}
	if err != nil {
		return err
	}
	number, page := c.page()
	list, next, err := c.Store.Deployments(c.ctx, f, page)
	if err != nil {
		return err
	}
	return sendObjects(c, number, page, next, list, c.showDeployment)
}

var deploymentShape = shape{types: []string{"deployment"}, related: map[string][]string{"devicegroup": anyGroup}}

func (c *call) addDeployment() error {
	var in struct {
		DeviceCode          *string `json:"device_code"`
		AgentCode           *string `json:"agent_code"`
		Description, Origin string
		Flagged             bool
		Tags                []json.RawMessage
	}
	body, err := c.readAs(deploymentShape, &in)
	if err != nil {
		return err
	}
	g, err := c.ownGroup(body.Data.Relationships["devicegroup"].ID)
	if err != nil {
		return err
	}
	if in.DeviceCode == nil || in.AgentCode == nil {
		return tandem.Errorf(tandem.Invalid, "a deployment needs device_code and agent_code; an empty side is \"\"")
	}
	tags, err := readTags(in.Tags)
	err = cmp.Or(err, checkText("description", in.Description, longestDescription),
		checkText("origin", in.Origin, longestDescription))
	if err != nil {
		return err
	}
	d, err := c.AddDeployment(c.ctx, Deployment{
		Code:  Code{Agent: *in.AgentCode, Device: *in.DeviceCode},
		Group: g.ID, Creator: c.account.ID,
		Description: in.Description, Origin: in.Origin, Flagged: in.Flagged, Tags: tags,
	})
	if err != nil {
		return err
	}
	if err := c.fire(c.ctx, g.ID, eventDeployment, deploymentEvent(g, d)); err != nil {
		return err
	}
	return c.sendDeployment(http.StatusCreated, d)
}

func (c *call) sendDeployment(status int, d record.Deployment) error {
	o, err := c.showDeployment(d)
	if err != nil {
		return err
	}
	return c.sendObject(status, o)
}

// readTags reads the tags of a deployment. Clients may send numbers.
func readTags(list []json.RawMessage) (tags []string, err error) {
	all := 0
	for _, raw := range list {
		text, err := tag(raw)
		if err != nil {
			return nil, err
		}
		if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !tagRune(r) }) {
			return nil, tandem.Errorf(tandem.Invalid, "the tag %q must be of letters, digits and - _ * .", text)
		}
		if all += len(text); all > longestTags {
			const msg = "the tags of a deployment can have at most %d characters in all"
			return nil, tandem.Errorf(tandem.Invalid, msg, longestTags)
		}
		if !slices.Contains(tags, text) {
			tags = append(tags, text)
		}
	}
	return tags, nil
}

func tagRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-_*.", r)
}

// tag reads a tag of a deployment.
func tag(raw json.RawMessage) (text string, err error) {
	if json.Unmarshal(raw, &text) == nil && string(raw) != "null" {
		return text, nil
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil && n != "" {
		return n.String(), nil
	}
	return "", tandem.Errorf(tandem.Invalid, "a tag must be a string")
}

func (c *call) getDeployment() error {
	d, err := c.deployment(c.arg(1))
	if err != nil {
		return err
	}
	return c.sendWithCode(d)
}

func (c *call) sendWithCode(d record.Deployment) error {
	o, err := c.showDeployment(d)
	if err != nil {
		return err
	}
	attributes := o.Attributes.(map[string]any)
	attributes["device_code"], attributes["agent_code"] = d.DeviceCode, d.AgentCode
	return c.sendObject(http.StatusOK, o)
}

func (c *call) changeDeployment() error {
	d, err := c.deployment(c.arg(1))
	if err != nil {
		return err
	}
	var in struct {
		Description *string
		Flagged     *bool
		Tags        *[]json.RawMessage
	}
	if _, err := c.readAs(shape{types: deploymentShape.types}, &in); err != nil {
		return err
	}
	var tags []string
	if in.Tags != nil {
		if tags, err = readTags(*in.Tags); err != nil {
			return err
		}
	}
	if in.Description != nil {
		if err := checkText("description", *in.Description, longestDescription); err != nil {
			return err
		}
	}
	d, err = c.Store.ChangeDeployment(c.ctx, d.ID, func(d *record.Deployment) error {
		if in.Description != nil {
			d.Description = *in.Description
		}
		if in.Tags != nil {
			d.Tags = tags
		}
		switch {
		case in.Flagged == nil:
		case !*in.Flagged:
			d.Flagger = ""
		case !d.Flagged():
			d.Flagger = c.account.ID
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.sendWithCode(d)
}

func (c *call) deleteDeployment() error {
	d, err := c.deployment(c.arg(1))
	if err != nil {
		return err
	}
	if err := c.Store.DeleteDeployment(c.ctx, d.ID); err != nil {
		return err
	}
	return c.noContent()
}
