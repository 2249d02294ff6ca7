package store

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// DeviceFilter selects devices. An empty field matches all.
type DeviceFilter struct {
	Owner, Product, Group, GroupType string
	Assigned, Unassigned             bool           // they are, or are not, in a group
	In                               []record.Place // in any of these, which hold no device together
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
		made[i] = newDevice(d, now)
	}
	err := s.do(ctx, func() error {
		if i, err := s.insertDevices(made); err != nil {
			return named(err,
				"Duplicate Resource: Device "+string(made[i].ID)+" exists already, or its owner or group does not.")
		}
		return nil
	})
	return made, err
}

// newDevice fills in what a device does not have before it is made.
func newDevice(d record.Device, now time.Time) record.Device {
	if d.ID == "" {
		d.ID = tandem.NewDeviceID()
	}
	if d.Agent == "" {
		d.Agent = tandem.NewAgentID()
	}
	if d.MAC == "" {
		d.MAC = record.MACOf(d.ID)
	}
	d.Enrolled = now
	d.Created = now
	d.Updated = now
	return d
}

// insertDevices makes devices inside a transaction. With an error it returns the index of the
// one that was refused.
func (s *Store) insertDevices(made []record.Device) (refused int, err error) {
	if i, err := s.write.perform(s.inside(), devices.inserts(s, made)); err != nil {
		return i, err
	}
	_, err = s.write.perform(s.inside(), s.enrolling(made))
	return 0, err
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

// Devices returns devices, the oldest first, and the After of the next page.
func (s *Store) Devices(ctx context.Context, f DeviceFilter, page Page) ([]record.Device, int, error) {
	var c condition
	c.equal("owner", f.Owner)
	c.equal("device_group", f.Group)
	c.equal("product", f.Product)
	c.equal("group_type", f.GroupType)
	switch {
	case f.Unassigned:
		c.and("device_group IS NULL")
	case f.Assigned:
		c.and("device_group IS NOT NULL")
	}
	return devices.listAny(ctx, s, c.in(f.In, func(c *condition, p record.Place) {
		if p.Group != "" {
			p = record.Place{Group: p.Group}
		}
		c.at(p, "device_group")
	}), page)
}

// RenameDevice gives a device a name.
func (s *Store) RenameDevice(ctx context.Context, id tandem.DeviceID, name string) (record.Device, error) {
	return devices.change(ctx, s, string(id), func(d *record.Device) error {
		d.Name, d.Updated = name, s.stamp()
		return nil
	})
}

// Assign is AssignBy for a tool of the node.
func (s *Store) Assign(ctx context.Context, id tandem.DeviceID, group string) (record.Device, error) {
	return s.AssignBy(ctx, id, group, "")
}

// AssignBy puts a device into a group for an account, the actor. An empty group unassigns it.
func (s *Store) AssignBy(ctx context.Context, id tandem.DeviceID, group, actor string) (d record.Device, err error) {
	err = s.do(ctx, func() error {
		if d, err = devices.one(s.inside(), s.write, where("id = ?", string(id))); err != nil {
			return err
		}
		if group != "" {
			if _, err := groups.one(s.inside(), s.write, where("id = ?", group)); err != nil {
				return err
			}
		}
		moved := d.Group != group
		d.Group, d.Updated = group, s.stamp()
		if err := devices.update(s, &d); err != nil || !moved {
			return err
		}
		if err := s.exec(placeDevice, string(d.ID)); err != nil {
			return err
		}
		event := DeviceAssigned
		if group == "" {
			event = DeviceUnassigned
		}
		return deviceEvents.insert(s, &DeviceEvent{
			ID: newID(), Device: d.ID, Event: event, Group: group, Owner: d.Owner, Actor: actor, At: d.Updated,
		})
	})
	return d, err
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
		if err := s.forgetIdentity(id); err != nil {
			return err
		}
		if err := s.exec("DELETE FROM device_events WHERE device = ?", string(id)); err != nil {
			return err
		}
		return devices.remove(s, string(id))
	})
}
