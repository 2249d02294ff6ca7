package device

import (
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// radioAPI has the functions of the global imp that are about the network.
var radioAPI = imp.API{
	Functions: []imp.Function{
		{
			Name: "imp.net.info", On: imp.OnDevice, Result: "table",
			Doc: "The network: interface, an array with a table {type, connected, ...} for each that the module has: wifi, " +
				"ethernet or cell. While there is a link, active is the index into it, and ipv4 a table {address, broadcast, " +
				"dhcpserver, dnsserver, gateway, netmask}, of which the address alone is real; else lasterror is why there " +
				"is none. The wireless network is a simulated one.",
			Source: docs + "2573", Fn: impNetInfo,
			Example: `local net = imp.net.info();
if ("ipv4" in net) server.log("My address is " + net.ipv4.address);`,
		},
		{
			Name: "imp.net.getcurrentconfig", On: imp.OnDevice, Result: "table",
			Doc:    "How the device connects: interface, and wificonfig {ssid}. It holds no key.",
			Source: docs + "3094", Fn: impNetConfig,
			Example: `server.log(imp.net.getcurrentconfig().interface);   // → wl0`,
		},
		{
			Name: "imp.net.getcellinfo", On: imp.OnDevice,
			Params: []imp.Param{{Name: "callback", Type: "function", Doc: "called with a text of the modem"}},
			Throws: []string{"this module has no cellular modem"},
			Doc:    "Asks the modem of an impC001 about its connection; the text is a made-up one.",
			Source: docs + "3083", Fn: impCellInfo,
			Example: `if (imp.info().type == "impC001") imp.net.getcellinfo(@(text) server.log(text));`,
		},
		{
			Name: "imp.scanwifinetworks", On: imp.OnDevice,
			Params: []imp.Param{{
				Name: "callback", Type: "handler", Optional: true,
				Doc: "called with the list, 2 s later",
			}},
			Result: "array", Throws: []string{"scan already running in imp.scanwifinetworks(callback)"},
			Doc: "The wireless networks nearby, each a table {ssid, bssid, channel, rssi, open}: two simulated ones, or " +
				"none on a module without a radio. With a callback it returns null.",
			Source: docs + "2376", Fn: impScan,
			Example: `imp.scanwifinetworks(function(networks) {
    foreach (n in networks) server.log(n.ssid + " " + n.rssi + " dBm");
});`,
		},
		{
			Name: "imp.rssi", On: imp.OnDevice, Result: "integer",
			Doc:    "The strength of the simulated network's signal, dBm; 0 without a link.",
			Source: docs + "2315", Fn: constant(func(m *Machine) squirrel.Value { return imp.Int32(m.strength()) }),
			Example: `server.log(imp.rssi() + " dBm");`,
		},
		{
			Name: "imp.getssid", On: imp.OnDevice, Result: "string",
			Doc:    "The name of the simulated wireless network; empty on a module without one.",
			Source: docs + "2315", Fn: constant(func(m *Machine) squirrel.Value { return m.vm().NewString(m.networkName()) }),
			Example: `server.log(imp.getssid());   // → Tandem`,
		},
		{
			Name: "imp.getbssid", On: imp.OnDevice, Result: "string",
			Doc:    "The address of the simulated network's access point, 12 hexadecimal digits; empty without a link.",
			Source: docs + "2315", Fn: constant(func(m *Machine) squirrel.Value { return m.vm().NewString(m.networkAddress()) }),
			Example: `server.log(imp.getbssid());`,
		},
	},
	Constants: radioConstants(),
}

func radioConstants() (all []imp.Constant) {
	for _, c := range []struct {
		name, doc, page string
		value           int
	}{
		{"CONFIG_WIFI", "Argument of imp.clearconfiguration: the wireless network", "2404", 1},
		{"CONFIG_STATIC_NETWORK", "Argument of imp.clearconfiguration: static addresses", "2404", 2},
		{"CONFIG_PROXY", "Argument of imp.clearconfiguration: the proxy", "2404", 4},
		{"CONFIG_ALL", "Argument of imp.clearconfiguration: everything", "2404", 7},
		{"PROXY_TYPE_HTTP", "Argument of imp.setproxy, which is not here", "2404", 1},
		{"BLINKUP_FAST", "Flag of server.factoryblinkup, which is not here", "2516", 1},
		{"BLINKUP_ACTIVEHIGH", "Flag of server.factoryblinkup, which is not here", "2516", 2},
	} {
		all = append(all, imp.Constant{
			Name: c.name, On: imp.OnDevice, Value: c.value, Doc: c.doc + ".", Source: docs + c.page,
		})
	}
	return all
}
