package central

import (
	"net/http"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// device finds a device by its id, its agent's id or its MAC address.
func (c *call) device(id string) (d record.Device, err error) {
	err = tandem.Errorf(tandem.NotFound, "")
	switch low := strings.ToLower(id); {
	case tandem.DeviceID(low).Valid():
		d, err = c.Store.Device(c.ctx, tandem.DeviceID(low))
	case tandem.AgentID(id).Valid():
		if d, err = c.Store.DeviceOf(c.ctx, tandem.AgentID(id)); err == nil && d.Group == "" {
			err = tandem.Errorf(tandem.NotFound, "") // an unassigned device has no agent in the API
		}
	case strings.Count(id, ":") == 5:
		d, err = c.Store.DeviceAt(c.ctx, low)
	}
	if tandem.KindOf(err) == tandem.NotFound {
		return record.Device{}, tandem.Errorf(tandem.NotFound, "there is no device %s", id)
	}
	return d, err
}

// group returns a device group, which it looks up once per answer.
func (c *call) group(id string) (record.Group, error) {
	if g, ok := c.groups[id]; ok || id == "" {
		return g, nil
	}
	g, err := c.Store.Group(c.ctx, id)
	if err != nil {
		return g, err
	}
	if c.groups == nil {
		c.groups = map[string]record.Group{}
	}
	c.groups[id] = g
	return g, nil
}

func (c *call) showDevice(d record.Device) (object, error) {
	group, err := c.group(d.Group)
	if err != nil {
		return object{}, err
	}
	attributes := map[string]any{
		"name": d.Name, "agent_id": nil, "agent_url": nil,
		"device_online": c.Host.Online(d.ID), "device_state_changed_at": nil,
		"agent_running": false, "agent_state_changed_at": nil, "last_enrolled_at": stamp(d.Enrolled),
		"imp_type": d.Type, "ip_address": d.Address, "mac_address": nil, "free_memory": nil, "rssi": nil,
		"swversion": nil, "plan_id": nil,
	}
	if d.Group != "" {
		attributes["agent_id"], attributes["agent_url"] = d.Agent, c.Agents.URL(d.Agent)
		attributes["agent_running"] = c.Host.Runs(d.ID)
	}
	if !d.Changed.IsZero() {
		attributes["device_state_changed_at"] = stamp(d.Changed)
	}
	if d.Runtime != "" {
		attributes["swversion"] = d.Runtime
	}
	if d.MAC != "" {
		attributes["mac_address"] = d.MAC
	}
	return object{
		Type: "device", ID: string(d.ID), Links: c.self("devices", string(d.ID)), Attributes: attributes,
		Relationships: refs(map[string]ref{
			"owner":       {"account", d.Owner},
			"devicegroup": {"devicegroup", d.Group},
			"product":     {"product", group.Product},
		}),
	}, nil
}

func (c *call) sendDevice(d record.Device) error {
	o, err := c.showDevice(d)
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, o)
}

func (c *call) listDevices() error {
	number, page := c.page()
	f := store.DeviceFilter{
		Owner: c.filter("owner.id"), Product: c.filter("product.id"), Group: c.filter("devicegroup.id"),
		GroupType:  strings.TrimSuffix(c.filter("devicegroup.type"), groupSuffix),
		Unassigned: c.filter("devicegroup.owner.id") == "null",
	}
	if !f.Unassigned {
		f.GroupOwner = c.filter("devicegroup.owner.id")
	}
	list, total, err := c.Store.Devices(c.ctx, f, page)
	if err != nil {
		return err
	}
	shown := make([]object, len(list))
	for i, d := range list {
		if shown[i], err = c.showDevice(d); err != nil {
			return err
		}
	}
	return sendList(c, number, page, total, shown, func(o object) any { return o })
}

// addDevice makes a device. The original API has no such call, because its devices
// were registered by BlinkUp. The attributes of this answer alone have the device's
// key.
func (c *call) addDevice() error {
	var in struct{ Name string }
	body, err := c.read(&in)
	if err != nil {
		return err
	}
	group := body.Data.Relationships["devicegroup"].ID
	if group != "" {
		if _, err := c.Store.Group(c.ctx, group); err != nil {
			return err
		}
	}
	d, key, err := c.AddDevice(c.ctx, NewDevice{Name: in.Name, Group: group})
	if err != nil {
		return err
	}
	o, err := c.showDevice(d)
	if err != nil {
		return err
	}
	o.Attributes.(map[string]any)["key"] = key
	return c.sendObject(http.StatusCreated, o)
}

func (c *call) getDevice() error {
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	return c.sendDevice(d)
}

func (c *call) renameDevice() error {
	var in struct{ Name *string }
	if _, err := c.read(&in); err != nil {
		return err
	}
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	if in.Name != nil {
		if d, err = c.Store.RenameDevice(c.ctx, d.ID, *in.Name); err != nil {
			return err
		}
	}
	return c.sendDevice(d)
}

func (c *call) deleteDevice() error {
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	if err := c.Delete(c.ctx, d.ID); err != nil {
		return err
	}
	return c.noContent()
}

// restartDevice restarts both sides of a pair, or with ?side=agent or
// ?side=device, which the original API does not have, one of them. With
// ?give_up_saved what is damaged of what the agent has saved is given up.
func (c *call) restartDevice() error {
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	side := c.r.URL.Query().Get("side")
	switch {
	case side != "" && side != "agent" && side != "device":
		return tandem.Errorf(tandem.Invalid, "the side to restart is agent or device, not %q", side)
	case d.Group == "":
		return tandem.Errorf(tandem.Invalid, "device %s is in no device group, so it has no code to restart", d.ID)
	}
	if c.r.URL.Query().Has("give_up_saved") {
		if _, err := c.Store.GiveUp(c.ctx, d.Agent); err != nil {
			return err
		}
	}
	if side != "device" {
		if err := c.Host.RestartAgent(c.ctx, d.ID); err != nil {
			return err
		}
	}
	if side != "agent" {
		err := c.Host.RestartDevice(c.ctx, d.ID)
		if err != nil && (side == "device" || tandem.KindOf(err) != tandem.Unavailable) {
			return err
		}
	}
	return c.noContent()
}
