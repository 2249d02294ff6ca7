package reference

import (
	"strings"

	"github.com/tandem-iot/tandem/imp"
)

// base is the object of global functions.
const base = "base"

// languageTypes are the types whose methods are part of the language, and its
// classes.
var languageTypes = map[string]bool{
	"integer": true, "float": true, "bool": true, "string": true, "array": true, "table": true, "function": true,
	"class": true, "instance": true, "generator": true, "weakref": true, "blob": true, "regexp": true, "regexp2": true,
}

var languageObjects = map[string]bool{base: true, "math": true}

// objectDocs are the texts of objects. Those of classes are in the registry.
var objectDocs = map[string]string{
	base:        "Global functions, and constants of the language.",
	"agent":     "The agent, as the device sees it: messages to it and from it.",
	"array":     "Methods of arrays: [1, 2, 3].",
	"bool":      "Methods of true and false.",
	"class":     "Methods of classes.",
	"crypto":    "Hashes, signatures, and a comparison in constant time.",
	"device":    "The device, as the agent sees it: messages to it and from it, and whether it is connected.",
	"float":     "Methods of floating-point numbers, which have 32 bits.",
	"function":  "Methods of functions, written as function(x) { … } or @(x) ….",
	"generator": "Methods of generators, which a function with yield returns.",
	"hardware": "The device's board: clocks, the reason of its start, and its pins and buses under the module's " +
		"names, such as hardware.pin1 and hardware.i2c89.",
	"hardware.fixedfrequencydac": "The board's converter: it makes a signal of buffers of samples, at a fixed rate.",
	"hardware.sampler":           "The board's sampler: it fills buffers with samples of analog pins, at a fixed rate.",
	"hardware.spiflash": "The board's NOR flash, in sectors of 4096 bytes. Its content survives power cuts; it is in a " +
		"file of the device's directory. Writing turns bits from 1 to 0 only; erasing a sector sets all of its bits.",
	"http":      "HTTP requests of the agent, requests to its address, and the encodings of the web.",
	"http.hash": "Hashes, under the names of the original API; crypto has the same.",
	"imp":       "The machine that runs the code: timers, sleep, memory and versions.",
	"imp.net":   "The device's network.",
	"instance":  "Methods of instances of classes.",
	"integer":   "Methods of integers, which have 32 bits.",
	"math":      "Mathematics. Angles are in radians.",
	"mqtt":      "A client for MQTT brokers. The device's own link does not need it.",
	"server": "The server between the two sides: the log; for an agent also its saved table; for a device also the " +
		"link and deep sleep.",
	"string": "Methods of strings. A string is a sequence of bytes, by convention in UTF-8.",
	"table":  "Methods of tables: { key = value }.",
	"tandem": "Functions that Electric Imp does not have. Code that is also to run there tests for them first: " +
		`if ("tandem" in getroottable()).`,
	"weakref": "Methods of weak references, which do not keep their objects alive.",
}

// values are set by the host and are in no table of the registry.
var values = []Entry{{
	Name: "imp.configparams", Object: "imp", Kind: Value, On: imp.OnAgent, Result: "table",
	Doc:    "A table about the agent: deviceid is the id of its device.",
	Source: "https://developer.electricimp.com/node/2639", Example: "server.log(imp.configparams.deviceid);",
}}

// A constantGroup has constants that are used in the same way.
type constantGroup struct {
	object  string
	names   string // separated by spaces; a name that ends in * is a prefix
	example string // § stands for the constant
}

var constantGroups = []constantGroup{
	{
		"server", "SEND_ERROR_*",
		"local result = server.log(\"hello\");\n" +
			"if (result == §) result = server.log(\"hello again\");",
	},
	{
		"server", "SHUTDOWN_*",
		"server.onshutdown(function(reason) {\n" +
			"    server.log(reason == § ? \"as expected\" : \"for another reason\");\n" +
			"    server.restart();\n" +
			"});",
	},
	{
		"server", "SUSPEND_ON_ERROR RETURN_ON_ERROR RETURN_ON_ERROR_NO_DISCONNECT",
		"server.setsendtimeoutpolicy(§, WAIT_TIL_SENT, 30);",
	},
	{"server", "WAIT_TIL_SENT WAIT_FOR_ACK", "server.setsendtimeoutpolicy(RETURN_ON_ERROR, §, 30);"},
	{
		"server", "NOT_CONNECTED NO_WIFI NO_LINK NO_IP_ADDRESS NOT_RESOLVED NO_SERVER SERVER_CONNECTED",
		"server.connect(@(reason) server.log(reason == §), 30);",
	},
	{
		"server", "SUNDAY MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY",
		"imp.onidle(@() server.sleepuntil(7, 30, 0, §));",
	},
	{"imp", "ENVIRONMENT_*", "if (imp.environment() == §) server.log(\"This is where the code runs.\");"},
	{"hardware", "WAKEREASON_*", "if (hardware.wakereason() == §) server.log(\"That is why the code has started.\");"},
	{"hardware", "I2C_* SPI_* UART_*", "hardware.configure(§);"},
	{"pin", "DIGITAL_IN DIGITAL_IN_*", "hardware.pin1.configure(§);\nserver.log(hardware.pin1.read());"},
	{"pin", "DIGITAL_OUT DIGITAL_OUT_*", "hardware.pin1.configure(§, 0);\nhardware.pin1.write(1);"},
	{"pin", "ANALOG_IN", "hardware.pin1.configure(§);\nserver.log(hardware.pin1.read() / 65535.0);"},
	{"pin", "ANALOG_OUT", "hardware.pin1.configure(§);\nhardware.pin1.write(0.25);"},
	{"pin", "PWM_OUT", "hardware.pin1.configure(§, 0.02, 0.5);"},
	{"i2c", "CLOCK_SPEED_*", "hardware.i2c89.configure(§);"},
	{"spi", "SIMPLEX_* CLOCK_* MSB_FIRST LSB_FIRST NO_SCLK", "hardware.spi257.configure(§, 1000);"},
	{"uart", "PARITY_*", "hardware.uart57.configure(9600, 8, §, 1, NO_CTSRTS);"},
	{"uart", "NO_CTSRTS NO_TX NO_RX TIMING_ENABLED", "hardware.uart57.configure(9600, 8, PARITY_NONE, 1, §);"},
	{"httprequest", "VALIDATE_*", "local request = http.get(\"https://example.com/\");\nrequest.setvalidation(§);"},
	{
		"httprequest", "NO_TIMEOUT",
		"http.get(\"https://example.com/\").sendasync(@(r) server.log(r.statuscode), null, §);",
	},
	{"math", "PI math.PI", "local radians = 90 * § / 180;"},
	{"math", "RAND_MAX math.RAND_MAX", "local fraction = math.rand() / §.tofloat();"},
}

// placeConstant returns the object on whose page a constant is, and an example.
func placeConstant(name string) (object, example string) {
	for _, g := range constantGroups {
		for _, n := range strings.Fields(g.names) {
			if begin, any := strings.CutSuffix(n, "*"); n == name || any && strings.HasPrefix(name, begin) {
				return g.object, strings.ReplaceAll(g.example, "§", name)
			}
		}
	}
	return objectOf(name), "server.log(" + name + ");"
}
