package imp

import (
	"github.com/tandem-iot/tandem/squirrel"
)

// The VM's registry table has the program's values that the Go side of a machine
// must keep: handlers by name, all others by number. So they are part of the VM's
// snapshot, and the collector knows of them.

// keepCost is the fuel of keeping a value.
const keepCost = 20

// Callback returns argument i of a call, a function that the host will call, together with
// the call and its place, in case that the function cannot be called. It is kept as a value,
// and given to Call. Null stays null. The caller has charged keepCost.
func (c *Core) Callback(call *squirrel.Call, i int) squirrel.Value {
	fn := call.Arg(i)
	if fn.IsNull() {
		return fn
	}
	cb := c.VM.NewArray()
	c.VM.Append(cb, fn)
	c.VM.Append(cb, squirrel.Int(int32(c.here())))
	c.VM.Append(cb, c.VM.NewString(call.Path()))
	return cb
}

// here returns where the program is at. When only native functions are running it is where
// the program has given the host the function that was called.
func (c *Core) here() uint32 {
	if site := c.VM.Site(); site != 0 {
		return site
	}
	return c.site
}

// Elements of what Callback returns.
const (
	callbackFunc = iota
	callbackSite
	callbackCall
)

// Params returns the greatest number of arguments that a function of the program takes, or
// a Callback.
func (c *Core) Params(fn squirrel.Value) int {
	if fn.IsArray() {
		fn = c.VM.Index(fn, callbackFunc)
	}
	return c.VM.Params(fn)
}

// SetHandler keeps a function, or a Callback, under a name; null removes it.
func (c *Core) SetHandler(name string, fn squirrel.Value) {
	key := c.VM.NewString(name)
	if fn.IsNull() {
		c.VM.Delete(c.VM.Registry(), key)
		return
	}
	c.VM.Set(c.VM.Registry(), key, fn)
}

// Handler returns the function kept under a name, or null.
func (c *Core) Handler(name string) squirrel.Value {
	fn, _ := c.VM.Get(c.VM.Registry(), c.VM.NewString(name))
	return fn
}

// HandlerBytes is Handler for a name that is made for this call only.
func (c *Core) HandlerBytes(name []byte) squirrel.Value {
	fn, _ := c.VM.Get(c.VM.Registry(), c.VM.NewStringBytes(name))
	return fn
}

// HasHandler reports whether there is a function with a name.
func (c *Core) HasHandler(name string) bool { return !c.Handler(name).IsNull() }

// SetParam sets a slot of imp.configparams.
func (c *Core) SetParam(name string, x squirrel.Value) {
	api := c.VM.Field(c.VM.Root(), "imp")
	params := c.VM.Field(api, "configparams")
	if params.IsNull() {
		params = c.VM.NewTable()
		c.VM.SetField(api, "configparams", params)
	}
	c.VM.SetField(params, name, x)
}

// NewID returns a number that no value is kept under.
func (c *Core) NewID() uint32 {
	for {
		c.lastID++
		if _, used := c.VM.Get(c.VM.Registry(), squirrel.Int(int32(c.lastID))); !used {
			return c.lastID
		}
	}
}

// Keep keeps a value and returns its number.
func (c *Core) Keep(x squirrel.Value) uint32 {
	id := c.NewID()
	c.VM.Set(c.VM.Registry(), squirrel.Int(int32(id)), x)
	return id
}

// Kept returns the value with a number, or null.
func (c *Core) Kept(id uint32) squirrel.Value {
	x, _ := c.VM.Get(c.VM.Registry(), squirrel.Int(int32(id)))
	return x
}

// Drop removes the value with a number.
func (c *Core) Drop(id uint32) { c.VM.Delete(c.VM.Registry(), squirrel.Int(int32(id))) }
