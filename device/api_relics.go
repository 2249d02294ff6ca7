package device

import (
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// relicsAPI has functions of the first imps, for code of that time.
var relicsAPI = imp.API{
	Functions: []imp.Function{
		{
			Name: "hardware.configure", On: imp.OnDevice,
			Params: []imp.Param{{Name: "bus", Type: "string", Doc: "I2C_89, SPI_257, UART_57, ..."}},
			Throws: []string{"this module has no such bus"},
			Doc:    "Makes a bus ready, as its own configure does today.",
			Source: docs + "2634", Fn: hardwareConfigure,
			Example: `hardware.configure(I2C_89);`,
		},
		{
			Name: "hardware.getimpeeid", On: imp.OnDevice, Result: "string",
			Doc:     "The device id; hardware.getdeviceid is its name today.",
			Source:  docs + "2634",
			Fn:      constant(func(m *Machine) squirrel.Value { return m.vm().NewString(string(m.cfg.Device)) }),
			Example: `server.log("I am " + hardware.getimpeeid());`,
		},
		{
			Name: "server.show", On: imp.OnDevice,
			Params: []imp.Param{{Name: "message", Type: "any", Doc: "unused"}},
			Doc:    "Does nothing: the web page that showed the value does not exist any more.",
			Source: docs + "2634", Fn: nothing,
			Example: `server.show("21.5 °C");`,
		},
		{
			Name: "server.expectonlinein", On: imp.OnDevice,
			Params: []imp.Param{{Name: "seconds", Type: "number", Doc: "unused"}},
			Doc:    "Disconnects, as server.disconnect does. A deep sleep follows.",
			Source: docs + "2482", Fn: serverDisconnect,
			Example: `imp.onidle(@() server.expectonlinein(3600));`,
		},
	},
	Constants: []imp.Constant{
		{Name: "I2C_12", On: imp.OnDevice, Value: "i2c12", Doc: "A bus, for hardware.configure.", Source: docs + "2634"},
		{Name: "I2C_89", On: imp.OnDevice, Value: "i2c89", Doc: "A bus, for hardware.configure.", Source: docs + "2634"},
		{Name: "SPI_189", On: imp.OnDevice, Value: "spi189", Doc: "A bus, for hardware.configure.", Source: docs + "2634"},
		{Name: "SPI_257", On: imp.OnDevice, Value: "spi257", Doc: "A bus, for hardware.configure.", Source: docs + "2634"},
		{Name: "UART_12", On: imp.OnDevice, Value: "uart12", Doc: "A bus, for hardware.configure.", Source: docs + "2634"},
		{Name: "UART_57", On: imp.OnDevice, Value: "uart57", Doc: "A bus, for hardware.configure.", Source: docs + "2634"},
		{
			Name: "UART_1289", On: imp.OnDevice, Value: "uart1289", Doc: "A bus, for hardware.configure.",
			Source: docs + "2634",
		},
	},
}

const longestName = 40 // bytes; no bus has a longer one

func hardwareConfigure(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	if c.VM().Len(c.Arg(1)) > longestName {
		return c.Errorf("hardware.configure: this module has no such bus")
	}
	if err := c.Charge(nativeCost); err != nil {
		return squirrel.Null, err
	}
	name := c.Str(1)
	for i, p := range m.things {
		if p.name == name && p.class != "pin" {
			m.st.Buses[i].Ready = true
			return squirrel.Null, nil
		}
	}
	return c.Errorf("hardware.configure: this module has no %q", name)
}
