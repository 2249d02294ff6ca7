package device

import (
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// impAPI has the functions of the global imp that only devices have.
var impAPI = imp.API{
	Functions: []imp.Function{
		{
			Name: "imp.onidle", On: imp.OnDevice,
			Params: []imp.Param{{Name: "callback", Type: "handler", Doc: "called once, without arguments; null removes it"}},
			Doc:    "Sets the function that is called when there is nothing else to do.",
			Source: docs + "2440", Fn: imp.SetsHandler(onIdle),
			Example: `imp.onidle(@() server.log("Nothing else to do"));`,
		},
		{
			Name: "imp.deepsleepfor", On: imp.OnDevice,
			Params: []imp.Param{{Name: "seconds", Type: "number", Doc: "up to 2,419,198"}},
			Throws: []string{"invalid sleep time"},
			Doc: "Sleeps deeply at once: the code starts again from its first line, with nothing but the global table " +
				"nv. Never returns.",
			Source: docs + "2424", Fn: func(c *squirrel.Call) (squirrel.Value, error) { return sleepFor(c, false) },
			Example: `imp.onidle(@() imp.deepsleepfor(3600));`,
		},
		{
			Name: "imp.deepsleepuntil", On: imp.OnDevice, Params: untilParams,
			Throws: []string{"invalid sleep time"},
			Doc:    "Sleeps deeply until a time of day, UTC, as imp.deepsleepfor does. Never returns.",
			Source: docs + "2424", Fn: func(c *squirrel.Call) (squirrel.Value, error) { return sleepUntil(c, false) },
			Example: `imp.onidle(@() imp.deepsleepuntil(7, 30));`,
		},
		{
			Name: "imp.reset", On: imp.OnDevice,
			Doc:    "Restarts with the wake reason SW_RESET; the log shows exit code 16. Never returns.",
			Source: docs + "2933", Fn: impReset,
			Example: `imp.wakeup(3600, @() imp.reset());`,
		},
		{
			Name: "imp.info", On: imp.OnDevice, Result: "table",
			Doc:    "A table with the slot type: the type of module, such as imp003.",
			Source: docs + "2321", Fn: impInfo,
			Example: `server.log(imp.info().type);`,
		},
		{
			Name: "imp.net.info", On: imp.OnDevice, Result: "table",
			Doc: "The network: interface, an array with one table {type, macaddress, connected}; " +
				"and while there is a link active, the index into it, and ipv4, a table {address}.",
			Source: docs + "2573", Fn: impNetInfo,
			Example: `local net = imp.net.info();
if ("ipv4" in net) server.log("My address is " + net.ipv4.address);`,
		},
		{
			Name: "imp.rssi", On: imp.OnDevice, Result: "integer",
			Doc:    "The strength of the radio signal, dBm: 0, for there is no radio.",
			Source: docs + "2315", Fn: constant(func(*Machine) squirrel.Value { return squirrel.Int(0) }),
			Example: `server.log(imp.rssi() + " dBm");`,
		},
		{
			Name: "imp.getmacaddress", On: imp.OnDevice, Result: "string",
			Doc:    "The network address, 12 hexadecimal digits, made of the device id.",
			Source: docs + "2315", Fn: constant(func(m *Machine) squirrel.Value { return m.vm().NewString(m.macAddress()) }),
			Example: `server.log(imp.getmacaddress());`,
		},
		{
			Name: "imp.setsendbuffersize", On: imp.OnDevice,
			Params: []imp.Param{{
				Name: "size", Type: "integer",
				Doc: "bytes, 3456 to 30000; other values are brought into this range",
			}},
			Result: "integer",
			Doc:    "Sets the size of the send buffer and returns the old size. While there is a link it can only grow.",
			Source: "https://developer.electricimp.com/api/imp/setsendbuffersize", Fn: impSetSendBuffer,
			Example: `local before = imp.setsendbuffersize(8096);`,
		},
		{
			Name: "imp.setuserconfiguration", On: imp.OnDevice,
			Params: []imp.Param{{Name: "value", Type: "s|x|o", Doc: "up to 4096 bytes; null erases it"}},
			Throws: []string{"value too long in imp.setuserconfiguration(value)"},
			Doc:    "Keeps some bytes across power cuts and new code.",
			Source: docs + "2381", Fn: impSetUserConfiguration,
			Example: `imp.setuserconfiguration("kitchen");
server.log(imp.getuserconfiguration().tostring());   // → kitchen`,
		},
		{
			Name: "imp.getuserconfiguration", On: imp.OnDevice, Result: "blob",
			Doc:    "The value that imp.setuserconfiguration has kept, or null.",
			Source: docs + "2381", Fn: impGetUserConfiguration,
			Example: `local kept = imp.getuserconfiguration();
server.log(kept == null ? "nothing kept" : kept.tostring());   // → nothing kept`,
		},
		{
			Name: "imp.enableblinkup", On: imp.OnDevice,
			Params: []imp.Param{{Name: "state", Type: "bool", Doc: "on or off"}},
			Doc:    "Does nothing: there is no BlinkUp.",
			Source: docs + "2315", Fn: nothing,
			Example: `imp.enableblinkup(false);`,
		},
	},
}
