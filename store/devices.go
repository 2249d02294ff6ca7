package store

import (
	"context"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// DeviceFilter selects devices. An empty field matches all.
type DeviceFilter struct {
	Owner, Product, Group, GroupOwner, GroupType string
	Unassigned                                   bool
}

var devices = table[record.Device]{
	name: "devices", noun: "device", order: "rowid",
	columns: "id, agent, owner, device_group, name, key_hash, type, mac, enrolled, created, updated, " +
		"changed, address, runtime, boot, incarnation, heard_boot, heard_id, heard_installation",
	covered: 11, // seenDevice changes the others
	fields: func(d *record.Device) []any {
		return []any{&d.ID, &d.Agent, &d.Owner, (*optional)(&d.Group), &d.Name, &d.KeyHash, &d.Type, &d.MAC,
			(*milli)(&d.Enrolled), (*milli)(&d.Created), (*milli)(&d.Updated),
			(*milli)(&d.Changed), &d.Address, &d.Runtime, (*bits)(&d.Boot), (*bits)(&d.Incarnation),
			(*bits)(&d.Heard.Number), &d.Heard.ID, &d.Heard.Installation}
	},
}

// AddDevices makes all of the devices or none. A device that has no ID or Agent
// gets a random one; an ID or Agent that is given must be unused.
func (s *Store) AddDevices(ctx context.Context, list []record.Device) ([]record.Device, error) {
	now := s.stamp()
	made := make([]record.Device, len(list))
	for i, d := range list {
		if d.ID == "" {
			d.ID = tandem.NewDeviceID()
		}
		if d.Agent == "" {
			d.Agent = tandem.NewAgentID()
		}
		d.Enrolled = now
		d.Created = now
		d.Updated = now
		made[i] = d
	}
	err := s.do(ctx, func() error {
		steps := make([]step, len(made))
		for i := range made {
			steps[i] = step{query: devices.inserting(), args: devices.values(&made[i])}
		}
		if i, err := s.write.perform(s.inside(), steps); err != nil {
			return named(err,
				"Duplicate Resource: Device "+string(made[i].ID)+" exists already, or its owner or group does not.")
		}
		return nil
	})
	return made, err
}

// Device returns a device.
func (s *Store) Device(ctx context.Context, id tandem.DeviceID) (record.Device, error) {
	d, err := devices.one(ctx, s.read, where("id = ?", string(id)))
	return d, s.describe(err)
}

// DeviceOf returns an agent's device.
func (s *Store) DeviceOf(ctx context.Context, id tandem.AgentID) (record.Device, error) {
	d, err := devices.one(ctx, s.read, where("agent = ?", string(id)))
	return d, s.describe(err)
}

// DeviceAt returns a device by its MAC address.
func (s *Store) DeviceAt(ctx context.Context, mac string) (record.Device, error) {
	d, err := devices.one(ctx, s.read, where("mac = ? AND mac <> ''", mac))
	return d, s.describe(err)
}

// Devices returns devices, the oldest first, and how many there are.
func (s *Store) Devices(ctx context.Context, f DeviceFilter, page Page) ([]record.Device, int, error) {
	var c condition
	c.equal("owner", f.Owner)
	c.equal("device_group", f.Group)
	if f.Unassigned {
		c.and("device_group IS NULL")
	}
	var g condition
	g.equal("product", f.Product)
	g.equal("owner", f.GroupOwner)
	g.equal("type", f.GroupType)
	if len(g.terms) > 0 {
		c.and("device_group IN (SELECT id FROM device_groups"+g.String()+")", g.args...)
	}
	return devices.list(ctx, s, c, page)
}

// RenameDevice gives a device a name.
func (s *Store) RenameDevice(ctx context.Context, id tandem.DeviceID, name string) (record.Device, error) {
	return devices.change(ctx, s, string(id), func(d *record.Device) error {
		d.Name, d.Updated = name, s.stamp()
		return nil
	})
}

// Assign puts a device into a group. An empty group unassigns it.
func (s *Store) Assign(ctx context.Context, id tandem.DeviceID, group string) (record.Device, error) {
	return devices.change(ctx, s, string(id), func(d *record.Device) error {
		if group != "" {
			if _, err := groups.one(s.inside(), s.write, where("id = ?", group)); err != nil {
				return err
			}
		}
		d.Group, d.Updated = group, s.stamp()
		return nil
	})
}

// seenDevice is record.Device.Seen as one statement. A NULL parameter leaves its
// column unchanged.
const seenDevice = `UPDATE devices SET changed = ?, address = COALESCE(?, address), runtime = COALESCE(?, runtime),
	boot = COALESCE(?, boot), incarnation = COALESCE(?, incarnation), heard_boot = COALESCE(?, heard_boot),
	heard_id = COALESCE(?, heard_id), heard_installation = COALESCE(?, heard_installation) WHERE id = ?`

// Seen records that a device connected or disconnected. Like an agent's writes
// it does not block.
func (s *Store) Seen(id tandem.DeviceID, what record.Sighting, done func(error)) {
	var boot, incarnation any
	if what.Boot != 0 {
		boot, incarnation = int64(what.Boot), int64(what.Incarnation)
	}
	args := []any{milli(what.At), optional(what.Address), optional(what.Runtime), boot, incarnation}
	if h := what.Heard; h.Number != 0 {
		args = append(args, int64(h.Number), h.ID, h.Installation)
	} else {
		args = append(args, nil, nil, nil)
	}
	s.submit(&op{steps: []step{{query: seenDevice, args: append(args, string(id))}}, done: done})
}

// DeleteDevice deletes an unassigned device and all records of its agent.
func (s *Store) DeleteDevice(ctx context.Context, id tandem.DeviceID) error {
	return s.do(ctx, func() error {
		d, err := devices.one(s.inside(), s.write, where("id = ?", string(id)))
		if err != nil {
			return err
		}
		if d.Group != "" {
			return tandem.Errorf(tandem.Conflict,
				"Device Assigned: Cannot delete a device that is assigned to a devicegroup; unassign it first.")
		}
		for _, query := range []string{
			"DELETE FROM agents WHERE agent = ?",
			"DELETE FROM snapshots WHERE agent = ?", deletePosts,
		} {
			if err := s.exec(query, string(d.Agent)); err != nil {
				return err
			}
		}
		return devices.remove(s, string(id))
	})
}
