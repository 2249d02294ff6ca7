package device

import (
	"slices"

	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// relicsAPI has functions of the first imps, for code of that time.
var relicsAPI = imp.API{
	Functions: slices.Concat(oldServer, oldImp, oldPorts, []imp.Function{
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
			Name: "hardware.vbat", On: imp.OnDevice, Result: "float",
			Doc: "The voltage of the battery: that of the supply, for there is one only. " +
				"It exists on the imp003, the imp004m, the impC001, and the module " + AnyModule + ".",
			Source:  docs + "2410",
			Fn:      constant(func(m *Machine) squirrel.Value { return squirrel.Float(float32(m.board.Read("voltage"))) }),
			Example: `server.log(hardware.vbat() + " V");`,
		},
	}),
	Classes: []imp.Class{
		{
			Name: "InputPort", On: imp.OnDevice, Open: true,
			Doc: "An input of the first imps, set from a web page that does not exist any more. " +
				"Programs derive a class with a method set(value) from it, which is not called.",
		},
		{
			Name: "OutputPort", On: imp.OnDevice, Open: true,
			Doc: "An output of the first imps, for a web page that does not exist any more. Send the value with agent.send.",
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
