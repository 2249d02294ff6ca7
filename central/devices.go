package central

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

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
	if err == nil {
		var at record.Place
		if at, err = c.placeIn(d.Owner, d.Group); err == nil {
			err = c.may(at, "device")
		}
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
		"name": orNull(d.Name), "agent_id": nil, "agent_url": nil,
		"device_online": c.Host.Online(d.ID), "device_state_changed_at": stampOrNull(d.Changed),
		"agent_running": false, "agent_state_changed_at": nil, "last_enrolled_at": stampOrNull(d.Enrolled),
		"imp_type": orNull(d.Type), "ip_address": orNull(d.Address), "mac_address": orNull(d.MAC),
		"free_memory": nil, "rssi": nil, "swversion": orNull(d.Runtime), "plan_id": nil,
	}
	owned := map[string]ref{"owner": {"account", d.Owner}}
	if d.Group != "" {
		changed, err := c.Store.AgentChanged(c.ctx, d.Agent)
		if err != nil {
			return object{}, err
		}
		attributes["agent_id"], attributes["agent_url"] = d.Agent, c.Agents.URL(d.Agent)
		attributes["agent_running"], attributes["agent_state_changed_at"] = c.Host.Runs(d.ID), stampOrNull(changed)
		owned["devicegroup"] = ref{group.Type + groupSuffix, d.Group}
		owned["product"] = ref{"product", group.Product}
	}
	return object{
		Type: "device", ID: string(d.ID), Links: c.self("devices", string(d.ID)), Attributes: attributes,
		Relationships: owned,
	}, nil
}

// orNull is a text that clients know as null when there is none.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// stampOrNull is stamp for a time that may be zero.
func stampOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}

func (c *call) sendDevice(d record.Device) error {
	o, err := c.showDevice(d)
	if err != nil {
		return err
	}
	return c.sendObject(http.StatusOK, o)
}

// deviceFilter reads the filters of a list. none says that nothing can meet them.
func (c *call) deviceFilter() (f store.DeviceFilter, none bool, err error) {
	if f.GroupType, err = c.filterType("devicegroup.type"); err != nil {
		return f, false, err
	}
	owners := []string{"owner.id", "account.id"}
	narrow := f.GroupType != "" || c.filter("product.id") != "" || c.filter("devicegroup.id") != ""
	switch c.filter("devicegroup.owner.id") {
	case "":
	case "null":
		f.Unassigned = true
		none = narrow
	default:
		owners = append(owners, "devicegroup.owner.id")
		f.Assigned = !narrow
	}
	f.In, err = c.seenWithin(owners...)
	return f, (none || len(f.In) == 0) && err == nil, err
}

func (c *call) listDevices() error {
	f, none, err := c.deviceFilter()
	if none {
		return c.sendNone()
	}
	if err != nil {
		return err
	}
	number, page := c.page()
	list, next, err := c.Store.Devices(c.ctx, f, page)
	if err != nil {
		return err
	}
	return sendObjects(c, number, page, next, list, c.showDevice)
}

var deviceShape = shape{types: []string{"device"}, related: map[string][]string{"devicegroup": anyGroup}}

// addDevice makes a device. The original API has no such call, because its devices
// were registered by BlinkUp. The attributes of this answer alone have the device's
// key.
func (c *call) addDevice() error {
	var in struct{ Name string }
	body, err := c.readAs(deviceShape, &in)
	if err != nil {
		return err
	}
	if err := checkDeviceName(in.Name); err != nil {
		return err
	}
	group, owner := body.Data.Relationships["devicegroup"].ID, c.account.ID
	if group != "" {
		g, err := c.ownGroup(group)
		if err != nil {
			return err
		}
		owner = g.Owner
	}
	d, key, err := c.AddDevice(c.ctx, NewDevice{Owner: owner, Name: in.Name, Group: group})
	if err != nil {
		return err
	}
	if err := c.enrolled(d); err != nil {
		return err
	}
	o, err := c.showDevice(d)
	if err != nil {
		return err
	}
	o.Attributes.(map[string]any)["key"] = key
	return c.sendObject(http.StatusCreated, o)
}

// enrolled tells the webhooks of its group of a new device.
func (c *call) enrolled(d record.Device) error {
	if d.Group == "" {
		return nil
	}
	return c.fire(c.ctx, d.Group, eventBlinkup, map[string]any{"device_id": d.ID, "plan_id": nil, "token": nil})
}

func (c *call) getDevice() error {
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	return c.sendDevice(d)
}

func (c *call) renameDevice() error {
	var in struct{ Name json.RawMessage }
	if _, err := c.readAs(shape{types: deviceShape.types}, &in); err != nil {
		return err
	}
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	if in.Name != nil {
		var name *string // null takes the name away
		if err := decodeAs(in.Name, &name, "name", "a string, or null"); err != nil {
			return err
		}
		if name == nil {
			name = new(string)
		}
		if err := checkDeviceName(*name); err != nil {
			return err
		}
		if d, err = c.Store.RenameDevice(c.ctx, d.ID, *name); err != nil {
			return err
		}
	}
	return c.sendDevice(d)
}

// checkDeviceName checks the name of a device, which may have none.
func checkDeviceName(name string) error {
	if name == "" {
		return nil
	}
	return checkName("device", name)
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
	side := c.query.Get("side")
	switch {
	case side != "" && side != "agent" && side != "device":
		return tandem.Errorf(tandem.Invalid, "the side to restart is agent or device, not %q", side)
	case d.Group == "":
		return tandem.Errorf(tandem.Invalid, "device %s is in no device group, so it has no code to restart", d.ID)
	}
	if err := c.act(string(d.ID)); err != nil {
		return err
	}
	if c.query.Has("give_up_saved") {
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

// restartConditionally makes both sides of a pair run the group's code. The code that runs is
// told so, and can choose the time.
func (c *call) restartConditionally() error {
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	if d.Group == "" {
		return tandem.Errorf(tandem.Invalid, "device %s is in no device group, so it has no code to restart", d.ID)
	}
	if err := c.act(string(d.ID)); err != nil {
		return err
	}
	if err := c.Host.Assigned(c.ctx, d.ID); err != nil {
		return err
	}
	return c.noContent()
}

// listHistory sends what has happened to a device. Like lines of a log these are no objects.
func (c *call) listHistory() error {
	d, err := c.device(c.arg(1))
	if err != nil {
		return err
	}
	number, page := c.page()
	list, next, err := c.Store.DeviceEvents(c.ctx, d.ID, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, next, list, func(e store.DeviceEvent) any {
		return map[string]any{
			"timestamp": stamp(e.At), "event": e.Event, "owner_id": e.Owner, "actor_id": orNull(e.Actor),
			"devicegroup_id": orNull(e.Group),
		}
	})
}
