package device

import (
	"strings"

	"github.com/tandem-iot/tandem/squirrel"
)

// absentSlot is the path of the native that says which module has a slot of hardware.
const absentSlot = "hardware._get"

// addAbsentSlot adds the native absentSlot, which programs do not see.
func addAbsentSlot(l *squirrel.Library) *squirrel.Library {
	l.Func(absentSlot, squirrel.Native{
		Name: "_get", Check: 2, Mask: "..", Fn: absent, Params: []squirrel.Param{{Name: "key"}},
	})
	return l
}

// explainAbsent has hardware say, for a slot that it lacks, which types of module have
// it. The operator in still tells whether a slot is there, for it asks no delegate.
func (m *Machine) explainAbsent(hardware squirrel.Value) {
	v := m.vm()
	get := v.NewString("_get")
	fn, _ := v.Get(hardware, get)
	v.Delete(hardware, get)
	if m.cfg.Module == AnyModule {
		return // what it lacks, every type lacks
	}
	delegate := v.NewTable()
	v.Set(delegate, get, fn)
	v.SetDelegate(hardware, delegate)
}

// absent throws for a slot of hardware that another type of module has. For any other
// it throws null, which means that the slot does not exist.
func absent(c *squirrel.Call) (squirrel.Value, error) {
	key := c.Arg(1)
	if !key.IsString() || c.VM().Len(key) > longestName {
		return c.Throw(squirrel.Null)
	}
	if err := c.Charge(nativeCost); err != nil {
		return squirrel.Null, err
	}
	slot := c.Str(1)
	names := owners(slot)
	if len(names) == 0 {
		return c.Throw(squirrel.Null)
	}
	has := "has"
	if len(names) > 1 {
		has = "have"
	}
	return c.Errorf("the index '%s' does not exist: this is an %s, and only %s %s it; see --module",
		slot, of(c).cfg.Module, strings.Join(names, ", "), has)
}
