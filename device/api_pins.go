package device

import "github.com/tandem-iot/tandem/imp"

// typeofHardware is what typeof returns for pins and buses, as on imps: the vendor's library
// for APA102 lights uses a bus of this type alone, and
// https://developer.electricimp.com/api/imp/info calls such objects by this name.
const typeofHardware = "meta"

// peripheralAPI has the methods of pins and buses. The payload of an instance is its
// index in the module's peripherals.
var peripheralAPI = imp.API{
	Classes: []imp.Class{
		{Name: "pin", Typeof: typeofHardware, On: imp.OnDevice, Doc: "A pin: hardware.pin1, hardware.pinA."},
		{Name: "i2c", Typeof: typeofHardware, On: imp.OnDevice, Doc: "An I2C bus: hardware.i2c89."},
		{Name: "spi", Typeof: typeofHardware, On: imp.OnDevice, Doc: "A SPI bus: hardware.spi257."},
		{Name: "uart", Typeof: typeofHardware, On: imp.OnDevice, Doc: "A UART: hardware.uart57."},
	},
	Functions: []imp.Function{
		{
			Name: "pin.configure", On: imp.OnDevice,
			Params: []imp.Param{
				{Name: "mode", Type: "integer", Doc: "DIGITAL_IN, ANALOG_IN, PWM_OUT, ..."},
				{
					Name: "option", Type: "c|n|o|x", Optional: true,
					Doc: "a digital input's callback, called without arguments when the level changes; " +
						"an output's first level; PWM_OUT's period in seconds; how long PULSE_COUNTER counts, in seconds; " +
						"the pin whose edges a pulse generator waits for",
				},
				{
					Name: "detail", Type: "number", Optional: true,
					Doc: "PWM_OUT's first duty cycle, 0 to 1; for PULSE_COUNTER, -1 to count falling edges, not rising " +
						"ones; a pulse generator's delay in seconds",
				},
				{Name: "length", Type: "number", Optional: true, Doc: "of a pulse generator's pulse, in seconds"},
			},
			Throws: []string{"this pin does not support that mode", "only a digital input has a callback"},
			Doc:    "Sets the pin's mode.",
			Source: docs + "2538", Fn: pinConfigure,
			Example: `local button = hardware.pin1;
button.configure(DIGITAL_IN_PULLUP, function() {
    server.log(button.read() == 0 ? "pressed" : "released");
});`,
		},
		{
			Name: "pin.read", On: imp.OnDevice, Result: "number",
			Doc: "The pin's level: 0 or 1; 0 to 65535 for ANALOG_IN; the duty cycle for PWM_OUT. For PULSE_COUNTER it " +
				"waits as long as the pin was configured for, and returns the number of pulses.",
			Source: docs + "2318", Fn: pinRead,
			Example: `hardware.pin2.configure(ANALOG_IN);
server.log(hardware.pin2.read() / 65535.0 * hardware.voltage() + " V");`,
		},
		{
			Name: "pin.write", On: imp.OnDevice,
			Params: []imp.Param{{
				Name: "level", Type: "n|b",
				Doc: "0 or 1; 0.0 to 1.0 for PWM_OUT and ANALOG_OUT; seconds of delay for a pulse generator",
			}},
			Doc:    "Sets an output. On a pin that is not configured as one it has no effect, which the log says once.",
			Source: docs + "2556", Fn: pinWrite,
			Example: `local led = hardware.pin1;
led.configure(DIGITAL_OUT, 0);
led.write(1);`,
		},
		{
			Name: "pin.disable", On: imp.OnDevice,
			Doc:    "Gives the pin the state that it has after power-on. It has no effect on a pin that a bus uses.",
			Source: docs + "3139", Fn: pinDisable,
			Example: `hardware.pin1.configure(DIGITAL_OUT, 1);
hardware.pin1.disable();`,
		},
		{
			Name: "pin.getperiod", On: imp.OnDevice, Result: "float",
			Throws: []string{"pin is not configured as PWM_OUT or a pulse generator"},
			Doc:    "The period of PWM_OUT, or the length of a pulse generator's pulse, in seconds.",
			Source: docs + "2582", Fn: pinGetPeriod,
			Example: `hardware.pin1.configure(PWM_OUT, 0.02, 0.5);
server.log(hardware.pin1.getperiod());   // → 0.02`,
		},
		{
			Name: "pin.getdelay", On: imp.OnDevice, Result: "float",
			Throws: []string{"pin is not configured as a pulse generator"},
			Doc: "How long a pulse generator waits after an edge, in seconds: whole microseconds, 65.535 ms with the " +
				"pulse at most.",
			Source: docs + "2521", Fn: pinGetDelay,
			Example: `local zero = hardware.pin8, triac = hardware.pin5;
zero.configure(DIGITAL_IN);
triac.configure(PTPG_OUT_ACTIVE_HIGH, zero, 0.0055, 0.001);
triac.write(0.00275);
server.log(triac.getdelay());   // → 0.00275`,
		},
		{
			Name: "i2c.configure", On: imp.OnDevice,
			Params: []imp.Param{{Name: "speed", Type: "integer", Doc: "one of the CLOCK_SPEED constants"}},
			Doc:    "Configures the bus.",
			Source: docs + "2318", Fn: busConfigure,
			Example: `hardware.i2c89.configure(CLOCK_SPEED_400_KHZ);`,
		},
		{
			Name: "i2c.read", On: imp.OnDevice,
			Params: []imp.Param{
				{Name: "address", Type: "integer", Doc: "of the peripheral, 8-bit form"},
				{Name: "register", Type: "data", Doc: "bytes to write first, often a register's number"},
				{Name: "count", Type: "integer", Doc: "bytes to read"},
			},
			Result: "string",
			Doc: "Writes, then reads. Returns null when the peripheral does not answer, or the bus is not " +
				"configured; see readerror.",
			Source: docs + "2548",
			Example: `local i2c = hardware.i2c89;
i2c.configure(CLOCK_SPEED_400_KHZ);
local raw = i2c.read(0x90, "\x00", 2);
if (raw != null) server.log(raw[0] + " °C");`,
			Fn: i2cRead,
		},
		{
			Name: "i2c.write", On: imp.OnDevice,
			Params: []imp.Param{
				{Name: "address", Type: "integer", Doc: "of the peripheral, 8-bit form"},
				{Name: "data", Type: "data", Doc: "the bytes to write"},
			},
			Result: "integer",
			Doc:    "Writes. Returns 0, -2 when the peripheral does not answer, or -13 when the bus is not configured.",
			Source: docs + "2548", Fn: i2cWrite,
			Example: `local i2c = hardware.i2c89;
i2c.configure(CLOCK_SPEED_100_KHZ);
if (i2c.write(0x90, "\x01\x60") != 0) server.log("The sensor does not answer");`,
		},
		{
			Name: "i2c.readerror", On: imp.OnDevice, Result: "integer",
			Doc: "The error number of the last read: 0, -2 when the peripheral did not answer to the register to " +
				"read, -10 when it did not answer to the read itself, or -13 when the bus is not configured.",
			Source: docs + "2548", Fn: i2cReadError,
			Example: `local i2c = hardware.i2c89;
i2c.configure(CLOCK_SPEED_100_KHZ);
if (i2c.read(0xA0, "\x00", 1) == null) server.log("No answer: " + i2c.readerror());   // → No answer: -2`,
		},
		{
			Name: "spi.configure", On: imp.OnDevice,
			Params: []imp.Param{
				{Name: "flags", Type: "integer", Doc: "CLOCK_IDLE_HIGH, LSB_FIRST, ... combined by |"},
				{Name: "speed", Type: "number", Doc: "kHz"},
			},
			Result: "number", Throws: []string{"no bus of this module has a chip-select line"},
			Doc: "Configures the bus and returns the speed. With USE_CS_L, which the imp005 has, the bus's own " +
				"chip-select line goes high.",
			Source: docs + "2555", Fn: spiConfigure,
			Example: `hardware.spi257.configure(MSB_FIRST | CLOCK_IDLE_LOW, 1000);`,
		},
		{
			Name: "spi.chipselect", On: imp.OnDevice,
			Params: []imp.Param{{Name: "select", Type: "i|b", Doc: "1 drives the line low, 0 high"}},
			Throws: []string{"configure the bus with USE_CS_L first", "the bus is not configured"},
			Doc:    "Drives the chip-select line that a SPI bus of the imp005 has.",
			Source: docs + "2537", Fn: onBus("spi", spiChipSelect),
			Example: `local spi = hardware.spi0;
spi.configure(USE_CS_L | MSB_FIRST, 1000);
spi.chipselect(1);
spi.write("\x9f");
spi.chipselect(0);`,
		},
		{
			Name: "spi.write", On: imp.OnDevice,
			Params: []imp.Param{{Name: "data", Type: "data", Doc: "the bytes to write"}},
			Result: "integer", Throws: []string{"the bus is not configured"},
			Doc:    "Writes and returns 0.",
			Source: docs + "2318", Fn: onBus("spi", spiWrite),
			Example: `hardware.spi257.configure(MSB_FIRST, 1000);
hardware.spi257.write("\x9f");`,
		},
		{
			Name: "spi.writeread", On: imp.OnDevice,
			Params: []imp.Param{{Name: "data", Type: "data", Doc: "the bytes to write"}},
			Result: "string or blob", Throws: []string{"the bus is not configured"},
			Doc:    "Writes, and returns the bytes read meanwhile, in the type of data.",
			Source: docs + "2318", Fn: onBus("spi", spiWriteRead),
			Example: `hardware.spi257.configure(MSB_FIRST, 1000);
local answer = hardware.spi257.writeread("\x9f\x00\x00\x00");`,
		},
		{
			Name: "spi.read", On: imp.OnDevice,
			Params: []imp.Param{{Name: "count", Type: "integer", Doc: "1: the vendor's never read more"}},
			Result: "string", Throws: []string{"the bus is not configured", "spi.read reads one byte"},
			Doc: "The last byte that came in, during spi.write too, as a string of one byte. Older than " +
				"spi.writeread, which does in one call what old code does with spi.write and this.",
			Source: docs + "2541", Fn: onBus("spi", spiRead),
			Example: `local spi = hardware.spi257;
spi.configure(MSB_FIRST, 1000);
spi.write("\x05");
server.log(spi.read(1)[0]);   // → 255`,
		},
		{
			Name: "spi.readstring", On: imp.OnDevice,
			Params: []imp.Param{{Name: "count", Type: "integer", Doc: "bytes"}},
			Result: "string", Throws: []string{"the bus is not configured"},
			Doc: "Reads.", Source: docs + "2318", Fn: onBus("spi", spiReadString),
			Example: `hardware.spi257.configure(MSB_FIRST, 1000);
local data = hardware.spi257.readstring(4);`,
		},
		{
			Name: "spi.readblob", On: imp.OnDevice,
			Params: []imp.Param{{Name: "count", Type: "integer", Doc: "bytes"}},
			Result: "blob", Throws: []string{"the bus is not configured"},
			Doc: "Reads.", Source: docs + "2318", Fn: onBus("spi", spiReadBlob),
			Example: `hardware.spi257.configure(MSB_FIRST, 1000);
local data = hardware.spi257.readblob(4);`,
		},
		{
			Name: "uart.configure", On: imp.OnDevice,
			Params: []imp.Param{
				{Name: "baud", Type: "integer", Doc: "bits per second"},
				{Name: "bits", Type: "integer", Doc: "7 or 8"},
				{Name: "parity", Type: "integer", Doc: "PARITY_NONE, PARITY_EVEN or PARITY_ODD"},
				{Name: "stop", Type: "integer", Doc: "1 or 2"},
				{Name: "flags", Type: "integer", Optional: true, Doc: "NO_CTSRTS, NO_TX, NO_RX, combined by |"},
				{
					Name: "callback", Type: "handler", Optional: true,
					Doc: "called without arguments when bytes have arrived, or the line has had a fault",
				},
			},
			Result: "integer",
			Doc:    "Configures the UART and returns the speed.",
			Source: docs + "2318", Fn: uartConfigure,
			Example: `local uart = hardware.uart57;
uart.configure(9600, 8, PARITY_NONE, 1, NO_CTSRTS, function() {
    server.log(uart.readstring());
});`,
		},
		{
			Name: "uart.write", On: imp.OnDevice,
			Params: []imp.Param{{Name: "data", Type: "i|s|x", Doc: "one byte, or several"}},
			Throws: []string{"the bus is not configured"},
			Doc:    "Writes.", Source: docs + "2318", Fn: onBus("uart", uartWrite),
			Example: `hardware.uart57.configure(9600, 8, PARITY_NONE, 1, NO_CTSRTS);
hardware.uart57.write("hello\n");`,
		},
		{
			Name: "uart.read", On: imp.OnDevice, Result: "integer",
			Doc:    "Returns the oldest byte that has arrived; -1 when there is none.",
			Source: docs + "2318", Fn: onBus("uart", uartRead),
			Example: `hardware.uart57.configure(9600, 8, PARITY_NONE, 1, NO_CTSRTS);
local byte = hardware.uart57.read();
if (byte < 0) server.log("nothing yet");   // → nothing yet`,
		},
		{
			Name: "uart.readstring", On: imp.OnDevice,
			Params: []imp.Param{{Name: "count", Type: "integer", Optional: true, Doc: "bytes at most; all when left out"}},
			Result: "string",
			Doc:    "Returns the bytes that have arrived.", Source: docs + "2318", Fn: onBus("uart", uartReadString),
			Example: `hardware.uart57.configure(9600, 8, PARITY_NONE, 1, NO_CTSRTS);
local text = hardware.uart57.readstring();`,
		},
		{
			Name: "uart.readblob", On: imp.OnDevice,
			Params: []imp.Param{{Name: "count", Type: "integer", Optional: true, Doc: "bytes at most; all when left out"}},
			Result: "blob",
			Doc:    "Returns the bytes that have arrived.", Source: docs + "2318", Fn: onBus("uart", uartReadBlob),
			Example: `hardware.uart57.configure(9600, 8, PARITY_NONE, 1, NO_CTSRTS);
local data = hardware.uart57.readblob(16);`,
		},
		{
			Name: "uart.flush", On: imp.OnDevice,
			Doc:    "Returns at once: everything is written already.",
			Source: docs + "2318", Fn: nothing,
			Example: `hardware.uart57.configure(9600, 8, PARITY_NONE, 1, NO_CTSRTS);
hardware.uart57.write("hello\n");
hardware.uart57.flush();`,
		},
		{
			Name: "uart.setrxfifosize", On: imp.OnDevice,
			Params: []imp.Param{{Name: "size", Type: "integer", Doc: "bytes, 1 to 65536"}},
			Throws: []string{"the size of a UART's buffer must be 1 to 65536 bytes"},
			Doc: "Sets the size of the receive buffer, 4096 before. Bytes that arrive when it is full are lost, " +
				"which OVERRUN_ERROR in uart.flags tells.",
			Source: docs + "2314", Fn: setRoom(func(b *busState) *int { return &b.Room }),
			Example: `hardware.uart57.setrxfifosize(1024);`,
		},
		{
			Name: "uart.settxfifosize", On: imp.OnDevice,
			Params: []imp.Param{{Name: "size", Type: "integer", Doc: "bytes, 1 to 65536"}},
			Throws: []string{"the size of a UART's buffer must be 1 to 65536 bytes"},
			Doc: "Sets the size of the transmit buffer, 80 before. Everything is transmitted at once; only " +
				"WRITE_HALF_DONE in uart.flags depends on the size.",
			Source: docs + "2314", Fn: setRoom(func(b *busState) *int { return &b.SendRoom }),
			Example: `hardware.uart57.settxfifosize(1024);`,
		},
		{
			Name: "uart.flags", On: imp.OnDevice, Result: "integer",
			Throws: []string{"the bus is not configured"},
			Doc:    "What has happened since the last call: READ_READY, WRITE_DONE, OVERRUN_ERROR, ... combined by |.",
			Source: docs + "2561", Fn: onBus("uart", uartFlags),
			Example: `local uart = hardware.uart57;
uart.configure(9600, 8, PARITY_EVEN, 1, NO_CTSRTS, function() {
    if (uart.flags() & PARITY_ERROR) server.error("The line is noisy");
});`,
		},
		{
			Name: "uart.settxactive", On: imp.OnDevice,
			Params: []imp.Param{
				{Name: "pin", Type: "x|o", Doc: "a pin, which becomes an output; null for none"},
				{Name: "polarity", Type: "integer", Optional: true, Doc: "1: high while the UART transmits; 0: low"},
				{Name: "before", Type: "number", Optional: true, Doc: "unused"},
				{Name: "after", Type: "number", Optional: true, Doc: "unused"},
			},
			Throws: []string{"parameter 1 must be a pin"},
			Doc:    "Has a pin show that the UART transmits, as a transceiver for RS-485 needs.",
			Source: docs + "2577", Fn: uartSetTxActive,
			Example: `local uart = hardware.uart57;
uart.configure(9600, 8, PARITY_NONE, 1, NO_CTSRTS);
uart.settxactive(hardware.pin9, 1);
uart.write("hello\n");`,
		},
		{
			Name: "i2c.disable", On: imp.OnDevice, Doc: "Releases the bus's pins.", Source: docs + "2318",
			Fn: busDisable, Example: `hardware.i2c89.disable();`,
		},
		{
			Name: "spi.disable", On: imp.OnDevice, Doc: "Releases the bus's pins.", Source: docs + "2318",
			Fn: busDisable, Example: `hardware.spi257.disable();`,
		},
		{
			Name: "uart.disable", On: imp.OnDevice, Doc: "Releases the bus's pins.",
			Source: docs + "2318", Fn: busDisable, Example: `hardware.uart57.disable();`,
		},
	},
}
