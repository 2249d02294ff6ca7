package device

import (
	"cmp"
	"fmt"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// oldServer has functions of the global server that the vendor has deprecated, or keeps for
// factories.
var oldServer = []imp.Function{
	{
		Name: "server.show", On: imp.OnDevice, Result: "integer",
		Params: []imp.Param{{Name: "message", Type: "any", Doc: "unused"}},
		Doc:    "Does nothing: the web page that showed the value does not exist any more. The result is 0.",
		Source: docs + "2634", Fn: constant(func(*Machine) squirrel.Value { return squirrel.Int(sendOK) }),
		Example: `server.show("21.5 °C");`,
	},
	{
		Name: "server.setpermanentvalues", On: imp.OnDevice, Result: "integer",
		Params: []imp.Param{{Name: "table", Type: "table", Doc: "its slots are added to server.permanent"}},
		Throws: []string{"Cannot serialize a …", "the values have more than 64 KB"},
		Doc: "Sets slots of the table server.permanent, and keeps the whole table across restarts and power cuts: " +
			"the next code starts with it. The result is 0. Today agent.send and server.save do this, or " +
			"imp.setuserconfiguration.",
		Source: docs + "2355", Fn: setPermanentValues,
		Example: `if (!("starts" in server.permanent)) server.setpermanentvalues({ starts = 0 });
server.setpermanentvalues({ starts = server.permanent.starts + 1 });
server.log("Start number " + server.permanent.starts);   // → Start number 1`,
	},
	{
		Name: "server.expectonlinein", On: imp.OnDevice, Result: "integer",
		Params: []imp.Param{{Name: "seconds", Type: "number", Doc: "unused"}},
		Doc: "Disconnects, as server.disconnect does. A deep sleep follows. The result is 0, or " +
			"SEND_ERROR_NOT_CONNECTED when there is no link.",
		Source: docs + "2482", Fn: expectOnline,
		Example: `imp.onidle(@() server.expectonlinein(3600));`,
	},
	{
		Name: "server.expectonlineat", On: imp.OnDevice, Result: "integer", Params: untilParams,
		Doc:    "Disconnects, as server.expectonlinein does.",
		Source: docs + "2437", Fn: expectOnline,
		Example: `imp.onidle(@() server.expectonlineat(7, 30, 0, MONDAY));`,
	},
	{
		Name: "server.connectwith", On: imp.OnDevice,
		Params: []imp.Param{
			{Name: "nic", Type: "table", Doc: "has the slot interface; the others are unused"},
			{
				Name: "callback", Type: "handler", Optional: true,
				Doc: "called with SERVER_CONNECTED or the reason of the failure",
			},
			{Name: "timeout", Type: "number", Optional: true, Doc: "seconds; 60 when left out"},
		},
		Throws: []string{"the nic has no slot interface"},
		Doc:    "Connects as server.connect does: which network the device uses is a matter of its computer.",
		Source: docs + "3053", Fn: connectWith,
		Example: `server.connectwith({ interface = "eth0" }, @(reason) server.log("connected: " + reason));`,
	},
	{
		Name: "server.bless", On: imp.OnDevice,
		Params: []imp.Param{
			{Name: "success", Type: "bool", Doc: "whether the device has passed its tests"},
			{Name: "callback", Type: "any", Doc: "unused"},
		},
		Throws: []string{"server.bless is for factory firmware"},
		Doc:    "Throws, as it does in code that is not for a factory: there is no factory here.",
		Source: docs + "2332", Fn: func(c *squirrel.Call) (squirrel.Value, error) {
			return c.Errorf("server.bless is for factory firmware: a device is added by tandem device add")
		},
		Example: `try { server.bless(true, @(ok) null); } catch (problem) server.log(problem);`,
	},
	{
		Name: "server.factoryblinkup", On: imp.OnDevice,
		Params: []imp.Param{
			{Name: "ssid", Type: "string", Doc: "unused"},
			{Name: "password", Type: "string", Doc: "unused"},
			{Name: "pin", Type: "any", Doc: "unused"},
			{Name: "flags", Type: "integer", Doc: "unused"},
			{Name: "apn", Type: "string", Optional: true, Doc: "unused"},
		},
		Doc:    "Logs an error, as it does outside of a factory.",
		Source: docs + "2516", Fn: func(c *squirrel.Call) (squirrel.Value, error) {
			of(c).core.Complain("Factory BlinkUp request failed. This is not a factory imp.", squirrel.Null)
			return squirrel.Null, nil
		},
		Example: `server.factoryblinkup("factory", "password", hardware.pin9, 0);`,
	},
}

// oldImp has functions of the global imp for a radio, which there is not, and some that the
// vendor has deprecated.
var oldImp = []imp.Function{
	{
		Name: "imp.configure", On: imp.OnDevice, Result: "string",
		Params: []imp.Param{
			{Name: "name", Type: "any", Doc: "of the device"},
			{Name: "inputs", Type: "any", Optional: true, Doc: "unused"},
			{Name: "outputs", Type: "any", Optional: true, Doc: "unused"},
		},
		Doc:    "Returns the name and does nothing; it exists so that old code runs.",
		Source: docs + "2366", Fn: func(c *squirrel.Call) (squirrel.Value, error) {
			if c.Arg(1).IsString() {
				return c.Arg(1), nil
			}
			return c.VM().NewString(""), nil
		},
		Example: `imp.configure("Thermostat", [], []);`,
	},
	{
		Name: "imp.getbootromversion", On: imp.OnDevice, Result: "string",
		Doc:     "The version of the software that starts the code: that of imp.getsoftwareversion.",
		Source:  docs + "2377",
		Fn:      imp.SoftwareVersion,
		Example: `server.log(imp.getbootromversion());`,
	},
	{
		Name: "imp.getssid", On: imp.OnDevice, Result: "string",
		Doc:    "The name of the wireless network: empty, for there is no radio.",
		Source: docs + "2435", Fn: constant(func(m *Machine) squirrel.Value { return m.vm().NewString("") }),
		Example: `if (imp.getssid() == "") server.log("There is no radio");`,
	},
	{
		Name: "imp.getbssid", On: imp.OnDevice, Result: "string",
		Doc:    "The address of the wireless base station: 12 zeros, for there is no radio.",
		Source: docs + "2391", Fn: constant(func(m *Machine) squirrel.Value { return m.vm().NewString("000000000000") }),
		Example: `server.log(imp.getbssid());   // → 000000000000`,
	},
	{
		Name: "imp.getrssi", On: imp.OnDevice, Result: "integer",
		Doc:    "Another name of imp.rssi.",
		Source: docs + "2358", Fn: constant(func(*Machine) squirrel.Value { return squirrel.Int(0) }),
		Example: `server.log(imp.getrssi() + " dBm");`,
	},
	{
		Name: "imp.setpowersave", On: imp.OnDevice,
		Params: []imp.Param{{Name: "state", Type: "bool", Doc: "on or off"}},
		Doc:    "Sets what imp.getpowersave returns; there is no radio to save.",
		Source: docs + "2372", Fn: sets(func(m *Machine, x squirrel.Value) { m.st.PowerSave = x.AsBool() }),
		Example: `imp.setpowersave(true);`,
	},
	{
		Name: "imp.getpowersave", On: imp.OnDevice, Result: "bool",
		Doc:    "What imp.setpowersave has set; false at first.",
		Source: docs + "2386", Fn: constant(func(m *Machine) squirrel.Value { return squirrel.Bool(m.st.PowerSave) }),
		Example: `if (!imp.getpowersave()) imp.setpowersave(true);`,
	},
	{
		Name: "imp.setpoweren", On: imp.OnDevice,
		Params: []imp.Param{{Name: "state", Type: "bool", Doc: "on or off"}},
		Doc:    "Sets what imp.getpoweren returns; there is no such pin.",
		Source: docs + "2367", Fn: sets(func(m *Machine, x squirrel.Value) { m.st.PowerOn = x.AsBool() }),
		Example: `imp.setpoweren(false);`,
	},
	{
		Name: "imp.getpoweren", On: imp.OnDevice, Result: "bool",
		Doc:    "What imp.setpoweren has set; false at first.",
		Source: docs + "2438", Fn: constant(func(m *Machine) squirrel.Value { return squirrel.Bool(m.st.PowerOn) }),
		Example: `server.log(imp.getpoweren());   // → false`,
	},
	{
		Name: "imp.setcountry", On: imp.OnDevice,
		Params: []imp.Param{{Name: "region", Type: "integer", Doc: "such as 0x00005355 for the USA"}},
		Doc:    "Sets what imp.getcountry returns, until the code starts again; there is no radio to which it matters.",
		Source: docs + "2485", Fn: sets(func(m *Machine, x squirrel.Value) { m.st.Country = x.AsInt() }),
		Example: `imp.setcountry(0x00005355);`,
	},
	{
		Name: "imp.getcountry", On: imp.OnDevice, Result: "string",
		Doc:    "The region, 8 hexadecimal digits: 00004247, most of the world, unless imp.setcountry has set another.",
		Source: docs + "2478", Fn: func(c *squirrel.Call) (squirrel.Value, error) {
			return c.VM().NewString(fmt.Sprintf("%08X", uint32(cmp.Or(of(c).st.Country, mostOfTheWorld)))), nil
		},
		Example: `server.log(imp.getcountry());   // → 00004247`,
	},
	{
		Name: "imp.clearconfiguration", On: imp.OnDevice,
		Params: []imp.Param{{Name: "action", Type: "integer", Optional: true, Doc: "unused"}},
		Doc:    "Does nothing: the network and the key of the device are a matter of its computer.",
		Source: docs + "2404", Fn: nothing,
		Example: `imp.clearconfiguration();`,
	},
	{
		Name: "imp.setwificonfiguration", On: imp.OnDevice,
		Params: []imp.Param{
			{Name: "ssid", Type: "string", Doc: "unused"},
			{Name: "key", Type: "string", Doc: "unused"},
		},
		Doc:    "Does nothing: there is no radio.",
		Source: docs + "2395", Fn: nothing,
		Example: `imp.setwificonfiguration("home", "password");`,
	},
}

// oldPorts make the ports of the first imps.
var oldPorts = []imp.Function{
	{
		Name: "InputPort", On: imp.OnDevice, Params: portParams, Result: "InputPort",
		Doc: "An input of the first imps, set from a web page that does not exist any more. " +
			"Programs derive a class with a method set(value) from it, which is not called.",
		Source: docs + "2366", Fn: nothing,
		Example: `class Relay extends InputPort {
    name = "relay";
    type = "number";
    function set(value) { hardware.pin1.write(value); }
}
imp.configure("Plug", [Relay()], []);`,
	},
	{
		Name: "InputPort.set", On: imp.OnDevice,
		Params: []imp.Param{{Name: "value", Type: "any", Doc: "unused"}},
		Doc:    "Does nothing; derived classes have their own.",
		Source: docs + "2366", Fn: nothing,
		Example: `InputPort("relay").set(1);`,
	},
	{
		Name: "OutputPort", On: imp.OnDevice, Params: portParams, Result: "OutputPort",
		Doc: "An output of the first imps, for a web page that does not exist any more. " +
			"Send the value with agent.send.",
		Source: docs + "2366", Fn: nothing,
		Example: `local power = OutputPort("power", "number");
imp.configure("Plug", [], [power]);
power.set(21.5);`,
	},
	{
		Name: "OutputPort.set", On: imp.OnDevice,
		Params: []imp.Param{{Name: "value", Type: "any", Doc: "unused"}},
		Doc:    "Does nothing: what showed the value does not exist any more.",
		Source: docs + "2366", Fn: nothing,
		Example: `OutputPort("temperature").set(21.5);`,
	},
}

var portParams = []imp.Param{
	{Name: "name", Type: "any", Optional: true, Doc: "unused"},
	{Name: "type", Type: "any", Optional: true, Doc: "unused"},
}
