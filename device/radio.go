package device

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// The simulated radio. There is one network, to which the device belongs, and another
// one nearby, as strong as these numbers say.
const (
	homeNetwork  = "Tandem"
	homeChannel  = 6
	homeStrength = -52 // dBm
	cellStrength = -87
)

// network is a wireless network that the radio hears.
type network struct {
	name     string
	number   byte // the last byte of the access point's address
	channel  int
	strength int
	open     bool
}

var networks = []network{
	{homeNetwork, 0x01, homeChannel, homeStrength, false},
	{"Tandem Guest", 0x02, 11, -71, true},
}

// address returns the address of a network's access point: a locally administered one.
func (n network) address() string { return fmt.Sprintf("0200000000%02x", n.number) }

// scanTime is how long imp.scanwifinetworks takes with a callback.
const scanTime = 2 * time.Second

// Names of handlers of the radio.
const (
	onScan = "imp.scanwifinetworks"
	onCell = "imp.net.getcellinfo"
)

// hasNetwork reports whether the module has a kind of network interface.
func (m *Machine) hasNetwork(kind string) bool { return slices.Contains(m.module.network, kind) }

// scanCost is the fuel of making the list of networks.
const scanCost = 20 * nativeCost

// heard returns the list of networks that the radio hears; an empty one without a radio.
func (m *Machine) heard() squirrel.Value {
	v := m.vm()
	list := v.NewArray()
	if !m.hasNetwork("wifi") {
		return list
	}
	for _, n := range networks {
		t := v.NewTable()
		v.SetField(t, "ssid", v.NewString(n.name))
		v.SetField(t, "bssid", v.NewString(n.address()))
		v.SetField(t, "channel", imp.Int32(n.channel))
		v.SetField(t, "rssi", imp.Int32(n.strength))
		v.SetField(t, "open", squirrel.Bool(n.open))
		v.Append(list, t)
	}
	return list
}

func impScan(c *squirrel.Call) (squirrel.Value, error) {
	if err := c.Charge(scanCost); err != nil {
		return squirrel.Null, err
	}
	m := of(c)
	if c.Arg(1).IsNull() {
		return m.heard(), nil
	}
	if m.st.Scan != 0 {
		return c.Errorf("scan already running in imp.scanwifinetworks(callback)")
	}
	m.st.Scan = instantOf(m.core.Now.Add(scanTime))
	m.core.SetHandler(onScan, m.core.Callback(c, 1))
	return squirrel.Null, nil
}

// scanned gives the program what a scan has found.
func (m *Machine) scanned() imp.Outcome {
	m.st.Scan = 0
	return m.once(onScan, m.heard())
}

// cellTime is how long imp.net.getcellinfo takes.
const cellTime = time.Second

// cellInfo is what the modem of an impC001 might say of its connection.
const cellInfo = "4G,6300,20,10,10,FDD,262,02,BF75,0345103,350,90,-87,-10,CONN"

func impCellInfo(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	if !m.hasNetwork("cell") {
		return c.Errorf("imp.net.getcellinfo: this module has no cellular modem; see --module impC001")
	}
	m.st.Cell = instantOf(m.core.Now.Add(cellTime))
	m.core.SetHandler(onCell, m.core.Callback(c, 1))
	return squirrel.Null, nil
}

func (m *Machine) cellTold() imp.Outcome {
	m.st.Cell = 0
	return m.once(onCell, m.vm().NewString(cellInfo))
}

// strength returns the strength of the radio's signal, dBm; 0 without a link.
func (m *Machine) strength() int {
	switch {
	case !m.st.Link.Up:
		return 0
	case m.hasNetwork("cell"):
		return cellStrength
	}
	return homeStrength
}

// networkName returns the name of the wireless network; "" when there is none.
func (m *Machine) networkName() string {
	if m.hasNetwork("wifi") {
		return homeNetwork
	}
	return ""
}

// networkAddress returns the address of the wireless network's access point; "" when
// there is none.
func (m *Machine) networkAddress() string {
	if m.hasNetwork("wifi") && m.st.Link.Up {
		return networks[0].address()
	}
	return ""
}

// netCost is the fuel of making a table of the network.
const netCost = 20 * nativeCost

func impNetInfo(c *squirrel.Call) (squirrel.Value, error) {
	if err := c.Charge(netCost); err != nil {
		return squirrel.Null, err
	}
	m := of(c)
	v := m.vm()
	l := &m.st.Link
	t := v.NewTable()
	cards := v.NewArray()
	for i, kind := range m.module.network {
		v.Append(cards, m.card(kind, i == 0 && l.Up))
	}
	v.SetField(t, "interface", cards)
	if !l.Up {
		v.SetField(t, "lasterror", imp.Int32(l.Why))
		return t, nil
	}
	v.SetField(t, "active", squirrel.Int(0))
	if !m.hasNetwork("cell") {
		v.SetField(t, "ipv4", m.addresses(l.Address))
	}
	return t, nil
}

// addresses returns the table of the network that the device with an address belongs to:
// a class C network, whose first host is the router.
func (m *Machine) addresses(address string) squirrel.Value {
	v := m.vm()
	t := v.NewTable()
	v.SetField(t, "address", v.NewString(address))
	a, err := netip.ParseAddr(address)
	if err != nil || !a.Is4() {
		return t
	}
	net := a.As4()
	host := func(last byte) squirrel.Value {
		net[3] = last
		return v.NewString(netip.AddrFrom4(net).String())
	}
	servers := v.NewArray()
	v.Append(servers, host(1))
	v.SetField(t, "broadcast", host(255))
	v.SetField(t, "dhcpserver", host(1))
	v.SetField(t, "dnsserver", servers)
	v.SetField(t, "gateway", host(1))
	v.SetField(t, "netmask", v.NewString("255.255.255.0"))
	return t
}

// card returns the table of a network interface.
func (m *Machine) card(kind string, connected bool) squirrel.Value {
	v := m.vm()
	t := v.NewTable()
	v.SetField(t, "type", v.NewString(kind))
	v.SetField(t, "connected", squirrel.Bool(connected))
	if connected && kind == "cell" { // as in the vendor's demonstrations; its page lacks it
		v.SetField(t, "rssi", imp.Int32(m.strength()))
	}
	switch kind {
	case "cell":
		v.SetField(t, "imei", v.NewString("35"+m.macAddress()+"0"))
		if connected {
			v.SetField(t, "cellinfo", v.NewString(cellInfo))
		}
	case "wifi":
		v.SetField(t, "macaddress", v.NewString(m.macAddress()))
		v.SetField(t, "ssid", v.NewString(homeNetwork))
		if connected {
			v.SetField(t, "connectedssid", v.NewString(homeNetwork))
			v.SetField(t, "bssid", v.NewString(networks[0].address()))
			v.SetField(t, "channel", imp.Int32(homeChannel))
			v.SetField(t, "rssi", imp.Int32(homeStrength))
		}
	default:
		v.SetField(t, "macaddress", v.NewString(m.macAddress()))
	}
	return t
}

func impNetConfig(c *squirrel.Call) (squirrel.Value, error) {
	if err := c.Charge(netCost); err != nil {
		return squirrel.Null, err
	}
	m := of(c)
	v := m.vm()
	t := v.NewTable()
	if m.hasNetwork("cell") {
		v.SetField(t, "interface", v.NewString("cell0"))
		return t, nil
	}
	v.SetField(t, "interface", v.NewString("wl0"))
	wifi := v.NewTable()
	v.SetField(wifi, "ssid", v.NewString(homeNetwork))
	v.SetField(t, "wificonfig", wifi)
	return t, nil
}
