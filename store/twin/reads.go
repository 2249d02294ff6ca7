package twin

import (
	"cmp"
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/placement"
	"github.com/tandem-iot/tandem/store/record"
)

// Record reads an agent's record. Its answer is a record.Agent.
type Record struct{ Agent tandem.AgentID }

// Posts reads the posts that wait for an agent's device. Its answer is a
// []record.Post, the oldest first, without causes.
type Posts struct{ Agent tandem.AgentID }

// Running reads which agents run, or will run when their node starts. Its answer
// is a sorted []tandem.AgentID.
type Running struct{}

// RunningIn is Running for some shards.
type RunningIn struct{ Shards []int }

// Device reads a device. Its answer is a record.Device.
type Device struct{ Device tandem.DeviceID }

// DeviceOf reads an agent's device. Its answer is a record.Device.
type DeviceOf struct{ Agent tandem.AgentID }

// Devices reads the devices of a group. Its answer is a []record.Device, ordered
// by id.
type Devices struct{ Group string }

// Group reads a device group. Its answer is a record.Group.
type Group struct{ ID string }

// Product reads a product. Its answer is a record.Product.
type Product struct{ ID string }

// Deployment reads a deployment with its code. Its answer is a
// record.Deployment.
type Deployment struct{ ID string }

// LibraryCode reads the source of a library. Its answer is a string.
type LibraryCode struct{ Library tandem.LibraryID }

func (Record) op()      {}
func (Posts) op()       {}
func (Running) op()     {}
func (RunningIn) op()   {}
func (Device) op()      {}
func (DeviceOf) op()    {}
func (Devices) op()     {}
func (Group) op()       {}
func (Product) op()     {}
func (Deployment) op()  {}
func (LibraryCode) op() {}

func (o Record) perform(t transaction) (any, error) {
	return t.kept(o.Agent).agent, nil
}

func (o Posts) perform(t transaction) (any, error) {
	var list []record.Post
	for _, p := range t.kept(o.Agent).posts {
		list = append(list, record.Post{Seq: p.Seq, Name: p.Name, Data: p.Data})
	}
	return list, nil
}

func (o Running) perform(t transaction) (any, error) {
	return t.running(func(tandem.AgentID) bool { return true }), nil
}

func (o RunningIn) perform(t transaction) (any, error) {
	wanted := map[int]bool{}
	for _, shard := range o.Shards {
		wanted[shard] = true
	}
	return t.running(func(id tandem.AgentID) bool { return wanted[placement.ShardOf(id, len(t.db.shards))] }), nil
}

func (t transaction) running(wanted func(tandem.AgentID) bool) (ids []tandem.AgentID) {
	for id, k := range t.db.agents {
		if k.agent.Running && wanted(id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (o Device) perform(t transaction) (any, error) { return found(t.db.devices, o.Device, "device") }

func (o DeviceOf) perform(t transaction) (any, error) {
	for _, d := range t.db.devices {
		if d.Agent == o.Agent { // an agent has one device
			return d, nil
		}
	}
	return nil, record.Absent("device")
}

func (o Devices) perform(t transaction) (any, error) {
	var list []record.Device
	for _, d := range t.db.devices {
		if d.Group == o.Group {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b record.Device) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

func (o Group) perform(t transaction) (any, error) { return found(t.db.groups, o.ID, "device group") }

func (o Product) perform(t transaction) (any, error) { return found(t.db.products, o.ID, "product") }

func (o Deployment) perform(t transaction) (any, error) {
	return found(t.db.deployments, o.ID, "deployment")
}

func (o LibraryCode) perform(t transaction) (any, error) {
	return found(t.db.libraries, o.Library, "library")
}

// found looks a record up.
func found[K comparable, V any](records map[K]V, key K, noun string) (any, error) {
	v, known := records[key]
	if !known {
		return nil, record.Absent(noun)
	}
	return v, nil
}
