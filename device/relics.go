package device

import (
	"fmt"
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// mostOfTheWorld is the region of a module to which none was given.
const mostOfTheWorld = 0x4247

// batteryModules are the types of module that have hardware.vbat.
var batteryModules = []string{"imp003", "imp004m", "impC001", AnyModule}

const permanentTable = "permanent" // server.permanent

// plugRelics makes server.permanent, and imp.configparams, which is empty in a device that is
// not for a factory, and takes away what the module does not have.
func (m *Machine) plugRelics() {
	v := m.vm()
	permanent := v.NewTable()
	if m.cfg.Permanent != nil {
		if x, err := imp.Decode(v, m.cfg.Permanent); err == nil && x.IsTable() {
			permanent = x
		} else {
			m.explain(true, fmt.Sprintf("the values of server.permanent are lost: %v", err))
		}
	}
	v.SetField(v.Field(v.Root(), "server"), permanentTable, permanent)
	v.SetField(v.Field(v.Root(), "imp"), "configparams", v.NewTable())
	if !slices.Contains(batteryModules, m.cfg.Module) {
		v.Delete(v.Field(v.Root(), "hardware"), v.NewString("vbat"))
	}
}

// setPermanentValues adds slots to server.permanent and has the table kept.
func setPermanentValues(c *squirrel.Call) (squirrel.Value, error) {
	m, v := of(c), c.VM()
	table := c.Arg(1)
	if err := c.Charge(2 * nativeCost * (1 + v.Len(table))); err != nil {
		return squirrel.Null, err
	}
	if why := m.st.Posts.Room.Unwritable; why != "" {
		return c.Errorf("server.setpermanentvalues: %s", why)
	}
	added, dropped, err := imp.Encode(nil, v, table, imp.ForMessage)
	if err != nil {
		return c.Errorf("%v", err)
	}
	if err := c.Charge(len(added) + leftOutCost(dropped)); err != nil {
		return squirrel.Null, err
	}
	server := v.Field(v.Root(), "server")
	permanent := v.Field(server, permanentTable)
	if !permanent.IsTable() {
		permanent = v.NewTable()
		v.SetField(server, permanentTable, permanent)
	}
	before := v.NewTable()
	for i, key, x, ok := v.Next(table, 0); ok; i, key, x, ok = v.Next(table, i) {
		if old, ok := v.Get(permanent, key); ok {
			v.Set(before, key, old)
		}
		v.Set(permanent, key, x)
	}
	data, _, err := imp.Encode(nil, v, permanent, imp.ForMessage) // what is left out of it was said before
	if err == nil && len(data) > tandem.SavedTableSize {
		err = fmt.Errorf("server.setpermanentvalues: the values have %d bytes, more than %d KB",
			len(data), tandem.SavedTableSize>>10)
	}
	if err != nil {
		for i, key, _, ok := v.Next(table, 0); ok; i, key, _, ok = v.Next(table, i) {
			if old, ok := v.Get(before, key); ok {
				v.Set(permanent, key, old)
			} else {
				v.Delete(permanent, key)
			}
		}
		return c.Errorf("%v", err)
	}
	if err := c.Charge(len(data)); err != nil {
		return squirrel.Null, err
	}
	m.emit(&Permanent{Data: data, Cause: m.st.Posts.Cause})
	m.leftOut("server.setpermanentvalues", dropped)
	return squirrel.Int(sendOK), nil
}

// expectOnline is server.disconnect with the result of a send.
func expectOnline(c *squirrel.Call) (squirrel.Value, error) {
	if !of(c).st.Link.Up {
		return squirrel.Int(imp.SendNotConnected), nil
	}
	if _, err := serverDisconnect(c); err != nil {
		return squirrel.Null, err
	}
	return squirrel.Int(sendOK), nil
}

// connectWith is server.connect with another parameter before.
func connectWith(c *squirrel.Call) (squirrel.Value, error) {
	if c.VM().Field(c.Arg(1), "interface").IsNull() {
		return c.Errorf("server.connectwith: the nic has no slot interface")
	}
	return of(c).connectBy(c, 2)
}

// sets returns a native function that gives its argument to set.
func sets(set func(m *Machine, x squirrel.Value)) squirrel.NativeFunc {
	return func(c *squirrel.Call) (squirrel.Value, error) {
		set(of(c), c.Arg(1))
		return squirrel.Null, nil
	}
}
