package store

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// A DeviceEvent is something that has happened to a device. They are deleted with it.
type DeviceEvent struct {
	ID           string
	Device       tandem.DeviceID
	Event        string
	Group        string // the device's group afterwards
	Owner, Actor string // accounts; the actor of a tool of the node is ""
	At           time.Time
}

// What happens to devices.
const (
	DeviceEnrolled   = "enrolled"
	DeviceAssigned   = "assigned"
	DeviceUnassigned = "unassigned"
)

var deviceEvents = table[DeviceEvent]{
	name: "device_events", noun: "event", order: "rowid DESC", quiet: true,
	columns: "id, device, event, device_group, owner, actor, at",
	fields: func(e *DeviceEvent) []any {
		return []any{&e.ID, &e.Device, &e.Event, &e.Group, &e.Owner, &e.Actor, (*milli)(&e.At)}
	},
}

// DeviceEvents returns what has happened to a device, the newest first, and the After of the
// next page.
func (s *Store) DeviceEvents(ctx context.Context, id tandem.DeviceID, page Page) ([]DeviceEvent, int, error) {
	return deviceEvents.list(ctx, s, where("device = ?", string(id)), page)
}

// placeDevice writes the columns of a device by which it is found with its group's.
const placeDevice = `UPDATE devices SET
	product = COALESCE((SELECT product FROM device_groups g WHERE g.id = devices.device_group), ''),
	group_type = COALESCE((SELECT type FROM device_groups g WHERE g.id = devices.device_group), '') WHERE id = ?`

// enrolling returns what follows the insertion of devices.
func (s *Store) enrolling(made []record.Device) (steps []step) {
	events := make([]DeviceEvent, len(made))
	for i, d := range made {
		if d.Group != "" {
			steps = append(steps, step{query: placeDevice, args: []any{string(d.ID)}})
		}
		events[i] = DeviceEvent{
			ID: newID(), Device: d.ID, Event: DeviceEnrolled, Group: d.Group, Owner: d.Owner, Actor: d.Owner, At: d.Enrolled,
		}
	}
	return append(steps, deviceEvents.inserts(s, events)...)
}

// AgentChanged returns when an agent last started to run or stopped, the zero time when it
// never has.
func (s *Store) AgentChanged(ctx context.Context, id tandem.AgentID) (at time.Time, err error) {
	ctx, cancel := s.read.bounded(ctx)
	defer cancel()
	err = s.read.scan(ctx, "SELECT COALESCE((SELECT changed FROM agents WHERE agent = ?), 0)", []any{string(id)},
		(*milli)(&at))
	return at, s.describe(err)
}
