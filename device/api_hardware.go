package device

import (
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// hardwareAPI is the global hardware without its pins and buses.
var hardwareAPI = imp.API{
	Functions: []imp.Function{
		{
			Name: "hardware.getdeviceid", On: imp.OnDevice, Result: "string",
			Doc:     "The device id, 16 hexadecimal digits.",
			Source:  docs + "2318",
			Fn:      constant(func(m *Machine) squirrel.Value { return m.vm().NewString(string(m.cfg.Device)) }),
			Example: `server.log("I am " + hardware.getdeviceid());`,
		},
		{
			Name: "hardware.millis", On: imp.OnDevice, Result: "integer",
			Doc:    "Milliseconds since the code started; wraps at 32 bits.",
			Source: docs + "2318", Fn: func(c *squirrel.Call) (squirrel.Value, error) {
				d, err := of(c).uptime(c)
				return squirrel.Int(int32(d.Milliseconds())), err
			},
			Example: `server.log("Up for " + hardware.millis() / 1000 + " s");`,
		},
		{
			Name: "hardware.micros", On: imp.OnDevice, Result: "integer",
			Doc:    "Microseconds since the code started; wraps at 32 bits.",
			Source: docs + "2318", Fn: func(c *squirrel.Call) (squirrel.Value, error) {
				d, err := of(c).uptime(c)
				return squirrel.Int(int32(d.Microseconds())), err
			},
			Example: `local start = hardware.micros();
server.log(hardware.micros() - start + " µs");`,
		},
		{
			Name: "hardware.wakereason", On: imp.OnDevice, Result: "integer",
			Doc:    "Why the code has started: one of the WAKEREASON constants.",
			Source: docs + "2407", Fn: constant(func(m *Machine) squirrel.Value { return squirrel.Int(int32(m.st.Wake)) }),
			Example: `if (hardware.wakereason() == WAKEREASON_TIMER) server.log("Slept well");`,
		},
		{
			Name: "hardware.voltage", On: imp.OnDevice, Result: "float",
			Doc:     "The supply voltage.",
			Source:  docs + "2318",
			Fn:      constant(func(m *Machine) squirrel.Value { return squirrel.Float(float32(m.sense("voltage"))) }),
			Example: `if (hardware.voltage() < 2.6) server.log("The battery is low");`,
		},
		{
			Name: "hardware.lightlevel", On: imp.OnDevice, Result: "integer",
			Doc:     "The light sensor, 0 to 65535.",
			Source:  docs + "2318",
			Fn:      constant(func(m *Machine) squirrel.Value { return squirrel.Int(int32(m.sense("lightlevel"))) }),
			Example: `if (hardware.lightlevel() < 10000) server.log("It is dark");`,
		},
	},
	Constants: hardwareConstants(),
}

func hardwareConstants() (all []imp.Constant) {
	for _, c := range []struct {
		name, doc string
		value     int
	}{
		{"WAKEREASON_POWER_ON", "power came", WakePowerOn},
		{"WAKEREASON_TIMER", "a deep sleep is over", WakeTimer},
		{"WAKEREASON_SW_RESET", "imp.reset, or out of memory", WakeSoftwareReset},
		{"WAKEREASON_PIN", "a wake-up pin went high", WakePin},
		{"WAKEREASON_PIN1", "old name of WAKEREASON_PIN", WakePin},
		{"WAKEREASON_NEW_SQUIRREL", "new code", WakeNewSquirrel},
		{"WAKEREASON_SQUIRREL_ERROR", "an exception was not caught", WakeSquirrelError},
		{"WAKEREASON_NEW_FIRMWARE", "a new runtime", 6},
		{"WAKEREASON_SNOOZE", "a pause after failing to connect", 7},
		{"WAKEREASON_HW_RESET", "the reset line", 8},
		{"WAKEREASON_BLINKUP", "BlinkUp", 9},
		{"WAKEREASON_SW_RESTART", "server.restart", WakeRestart},
		{"WAKEREASON_POWER_RESTORED", "power came back", 11},
	} {
		all = append(all, imp.Constant{
			Name: c.name, On: imp.OnDevice, Value: c.value, Doc: "Wake reason: " + c.doc + ".",
			Source: docs + "2407",
		})
	}
	for mode, name := range modeNames {
		if name != "" {
			all = append(all, imp.Constant{
				Name: name, On: imp.OnDevice, Value: mode, Doc: modeDocs[mode], Source: docs + "2538",
			})
		}
	}
	for _, c := range []struct {
		name, doc string
		value     int
	}{
		{"CLOCK_SPEED_10_KHZ", "I2C clock: 10 kHz", 10},
		{"CLOCK_SPEED_50_KHZ", "I2C clock: 50 kHz", 50},
		{"CLOCK_SPEED_100_KHZ", "I2C clock: 100 kHz", 100},
		{"CLOCK_SPEED_400_KHZ", "I2C clock: 400 kHz", 400},
		{"SIMPLEX_RX", "SPI flag: only read", 1},
		{"SIMPLEX_TX", "SPI flag: only write", 2},
		{"CLOCK_IDLE_HIGH", "SPI flag: clock polarity", 4},
		{"CLOCK_IDLE_LOW", "SPI flag: clock polarity, the default", 0},
		{"CLOCK_2ND_EDGE", "SPI flag: clock phase", 8},
		{"MSB_FIRST", "SPI flag: bit order, the default", 0},
		{"LSB_FIRST", "SPI flag: bit order", 16},
		{"NO_SCLK", "SPI flag: no clock pin; unused", 32},
		{"USE_CS_L", "SPI flag: drive the bus's own chip-select line, which buses of the imp005 have", spiUseChipSelect},
		{"PARITY_NONE", "UART parity", 0},
		{"PARITY_EVEN", "UART parity", 1},
		{"PARITY_ODD", "UART parity", 2},
		{"NO_CTSRTS", "UART flag: no flow control", 1},
		{"NO_TX", "UART flag: do not write", 2},
		{"NO_RX", "UART flag: do not read", 4},
		{"TIMING_ENABLED", "UART flag: unused", 8},
	} {
		all = append(all, imp.Constant{
			Name: c.name, On: imp.OnDevice, Value: c.value, Doc: c.doc + ".", Source: docs + "2318",
		})
	}
	return append(all, eventConstants()...)
}

// eventConstants are the events of uart.flags.
func eventConstants() (all []imp.Constant) {
	for _, c := range []struct {
		name, doc string
		value     int
	}{
		{"READ_READY", "bytes have arrived", uartReadReady},
		{"WRITE_DONE", "everything is transmitted", uartWriteDone},
		{"NOISE_ERROR", "noise on the line", uartNoise},
		{"FRAME_ERROR", "a byte without its stop bit", uartFrame},
		{"PARITY_ERROR", "a byte with a wrong parity bit", uartParity},
		{"OVERRUN_ERROR", "bytes were lost because the receive buffer was full", uartOverrun},
		{"LINE_IDLE", "the line was idle for a byte; it does not happen here", uartLineIdle},
		{"WRITE_HALF_DONE", "less than half of the transmit buffer is full", uartWriteHalfDone},
	} {
		all = append(all, imp.Constant{
			Name: c.name, On: imp.OnDevice, Value: c.value, Doc: "UART event: " + c.doc + ".", Source: docs + "2561",
		})
	}
	return all
}
