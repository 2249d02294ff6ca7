package central

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

func (c *call) showProduct(p record.Product) any {
	return object{
		Type: "product", ID: p.ID, Links: c.self("products", p.ID),
		Attributes: map[string]any{
			"name": p.Name, "description": p.Description, "created_at": stamp(p.Created), "updated_at": stamp(p.Updated),
		},
		Relationships: refs(map[string]ref{
			"owner":   {"account", p.Owner},
			"creator": {"account", p.Creator},
		}),
	}
}

func (c *call) listProducts() error {
	number, page := c.page()
	list, total, err := c.Store.Products(c.ctx, c.filter("owner.id"), page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, total, list, c.showProduct)
}

func (c *call) addProduct() error {
	var in struct{ Name, Description string }
	if _, err := c.read(&in); err != nil {
		return err
	}
	if in.Name == "" {
		return tandem.Errorf(tandem.Invalid, "a product needs a name")
	}
	p, err := c.Store.AddProduct(c.ctx, record.Product{
		Owner: c.account.ID, Creator: c.account.ID, Name: in.Name, Description: in.Description,
	})
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusCreated, c.showProduct(p).(object))
}

func (c *call) getProduct() error {
	p, err := c.Store.Product(c.ctx, c.arg(1))
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, c.showProduct(p).(object))
}

func (c *call) deleteProduct() error {
	if err := c.Store.DeleteProduct(c.ctx, c.arg(1)); err != nil {
		return err
	}
	return c.noContent()
}

// groupSuffix is the API's suffix of a device group's type.
const groupSuffix = "_devicegroup"

func (c *call) showGroup(g record.Group) any {
	env := json.RawMessage(g.Env)
	if len(env) == 0 {
		env = json.RawMessage("{}")
	}
	return object{
		Type: g.Type + groupSuffix, ID: g.ID, Links: c.self("devicegroups", g.ID),
		Attributes: map[string]any{
			"name": g.Name, "description": g.Description, "env_vars": env, "validate_tls": g.ValidateTLS,
			"created_at": stamp(g.Created), "updated_at": stamp(g.Updated),
		},
		Relationships: refs(map[string]ref{
			"product":                  {"product", g.Product},
			"owner":                    {"account", g.Owner},
			"creator":                  {"account", g.Creator},
			"current_deployment":       {"deployment", g.Current},
			"min_supported_deployment": {"deployment", g.MinSupported},
		}),
	}
}

func (c *call) listGroups() error {
	number, page := c.page()
	f := store.GroupFilter{
		Owner: c.filter("owner.id"), Product: c.filter("product.id"), Type: strings.TrimSuffix(c.filter("type"), groupSuffix),
	}
	list, total, err := c.Store.Groups(c.ctx, f, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, total, list, c.showGroup)
}

func (c *call) addGroup() error {
	var in struct {
		Name, Description string
		Env               json.RawMessage `json:"env_vars"`
		ValidateTLS       bool            `json:"validate_tls"`
	}
	body, err := c.read(&in)
	if err != nil {
		return err
	}
	kind, ok := strings.CutSuffix(body.Data.Type, groupSuffix)
	if !ok || kind != tandem.GroupDevelopment && kind != tandem.GroupProduction {
		return tandem.Errorf(tandem.Invalid, "the type of a device group is %s or %s",
			tandem.GroupDevelopment+groupSuffix, tandem.GroupProduction+groupSuffix)
	}
	if in.Name == "" {
		return tandem.Errorf(tandem.Invalid, "a device group needs a name")
	}
	if env := bytes.TrimSpace(in.Env); len(env) > 0 && env[0] != '{' {
		return tandem.Errorf(tandem.Invalid, "env_vars must be an object")
	}
	g, err := c.Store.AddGroup(c.ctx, record.Group{
		Product: body.Data.Relationships["product"].ID, Creator: c.account.ID, Type: kind,
		Name: in.Name, Description: in.Description, Env: string(in.Env), ValidateTLS: in.ValidateTLS,
	})
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusCreated, c.showGroup(g).(object))
}

func (c *call) getGroup() error {
	g, err := c.Store.Group(c.ctx, c.arg(1))
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, c.showGroup(g).(object))
}

// changeGroup edits a device group. Agents get the changes when they are restarted
// with the group.
func (c *call) changeGroup() error {
	var in struct {
		ValidateTLS *bool `json:"validate_tls"`
	}
	if _, err := c.read(&in); err != nil {
		return err
	}
	g, err := c.Store.ChangeGroup(c.ctx, c.arg(1), func(g *record.Group) error {
		if in.ValidateTLS != nil {
			g.ValidateTLS = *in.ValidateTLS
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, c.showGroup(g).(object))
}

func (c *call) deleteGroup() error {
	if err := c.Store.DeleteGroup(c.ctx, c.arg(1)); err != nil {
		return err
	}
	return c.noContent()
}

// restartGroup restarts both sides of all pairs of a group, with its current
// deployment.
func (c *call) restartGroup() error {
	g, err := c.Store.Group(c.ctx, c.arg(1))
	if err != nil {
		return err
	}
	if err := c.Host.Deployed(c.ctx, g.ID); err != nil {
		return err
	}
	return c.noContent()
}

// eachDevice calls do for each device of the request's list. As the API requires,
// it is not atomic: failures are reported after the last device.
func (c *call) eachDevice(do func(record.Device) error) error {
	var in struct {
		Data []ref `json:"data"`
	}
	if err := c.readJSON(&in); err != nil {
		return err
	}
	if len(in.Data) == 0 {
		return tandem.Errorf(tandem.Invalid, `list the devices: {"data": [{"type": "device", "id": "…"}]}`)
	}
	if _, err := c.Store.Group(c.ctx, c.arg(1)); err != nil {
		return err
	}
	var failed []failure
	for _, r := range in.Data {
		d, err := c.device(r.ID)
		if err == nil {
			err = do(d)
		}
		if err != nil {
			failed = append(failed, failureOf(err))
		}
	}
	if failed != nil {
		c.failWith(http.StatusBadRequest, failed...)
		return nil
	}
	return c.noContent()
}

func (c *call) assignDevices() error {
	return c.eachDevice(func(d record.Device) error {
		return c.Assign(c.ctx, d.ID, c.arg(1))
	})
}

func (c *call) unassignDevices() error {
	return c.eachDevice(func(d record.Device) error {
		if d.Group != c.arg(1) {
			return tandem.Errorf(tandem.NotFound, "device %s is not in this device group", d.ID)
		}
		return c.Assign(c.ctx, d.ID, "")
	})
}

func (c *call) showDeployment(d record.Deployment) object {
	attributes := map[string]any{
		"sha": d.SHA, "description": d.Description, "origin": nil,
		"flagged": d.Flagged(), "tags": append([]string{}, d.Tags...),
		"created_at": stamp(d.Created), "updated_at": stamp(d.Updated),
	}
	if d.Origin != "" {
		attributes["origin"] = d.Origin
	}
	return object{
		Type: "deployment", ID: d.ID, Links: c.self("deployments", d.ID), Attributes: attributes,
		Relationships: refs(map[string]ref{
			"owner":       {"account", d.Owner},
			"creator":     {"account", d.Creator},
			"product":     {"product", d.Product},
			"devicegroup": {"devicegroup", d.Group},
			"flagger":     {"account", d.Flagger},
		}),
	}
}

func (c *call) listDeployments() error {
	number, page := c.page()
	f := store.DeploymentFilter{
		Owner: c.filter("owner.id"), Creator: c.filter("creator.id"), Product: c.filter("product.id"),
		Group: c.filter("devicegroup.id"), SHA: c.filter("sha"), Flagger: c.filter("flagger.id"),
	}
	list, total, err := c.Store.Deployments(c.ctx, f, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, total, list, func(d record.Deployment) any { return c.showDeployment(d) })
}

func (c *call) addDeployment() error {
	var in struct {
		DeviceCode  string `json:"device_code"`
		AgentCode   string `json:"agent_code"`
		Description string
		Origin      string
		Flagged     bool
		Tags        []string
	}
	body, err := c.read(&in)
	if err != nil {
		return err
	}
	d, err := c.AddDeployment(c.ctx, Deployment{
		Code:  Code{Agent: in.AgentCode, Device: in.DeviceCode},
		Group: body.Data.Relationships["devicegroup"].ID, Creator: c.account.ID,
		Description: in.Description, Origin: in.Origin, Flagged: in.Flagged, Tags: in.Tags,
	})
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusCreated, c.showDeployment(d))
}

func (c *call) getDeployment() error {
	d, err := c.Store.Deployment(c.ctx, c.arg(1))
	if err != nil {
		return err
	}
	o := c.showDeployment(d)
	attributes := o.Attributes.(map[string]any)
	attributes["device_code"], attributes["agent_code"] = d.DeviceCode, d.AgentCode
	return c.sendObject(http.StatusOK, o)
}
