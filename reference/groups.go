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

// objectDocs say what an object is. Classes say it themselves.
var objectDocs = map[string]string{
	base:                "Functions that are called by their name alone, and what the language says of itself.",
	"agent":             "The device's view of its agent: messages to it and from it.",
	"array":             "Methods of arrays: [1, 2, 3].",
	"bool":              "Methods of true and false.",
	"class":             "Methods of classes.",
	"crypto":            "Hashes, signatures and a comparison that gives nothing away.",
	"device":            "The agent's view of its device: messages to it and from it, and whether it is there.",
	"float":             "Methods of numbers with a fraction, which have 32 bits.",
	"function":          "Methods of functions: function(x) { … } and @(x) … alike.",
	"generator":         "Methods of what a function with yield in it gives.",
	"hardware":          "The device's board: clocks, the reason of its start, and its pins and buses by the names the module has them under, such as hardware.pin1 and hardware.i2c89.",
	"hardware.spiflash": "The memory of the board that outlives everything: NOR flash in sectors of 4096 bytes, in a file of the device's directory. Writing turns bits from 1 to 0 only; erasing a sector makes all of them 1.",
	"http":              "Web requests: those the agent makes, those that come to its address, and the encodings of the web.",
	"http.hash":         "Hashes, under the names that agents have always had for them; crypto has the same.",
	"imp":               "The machine that runs the code: timers, sleep, memory, versions.",
	"imp.net":           "The device's network.",
	"instance":          "Methods of instances of classes.",
	"integer":           "Methods of whole numbers, which have 32 bits.",
	"math":              "Mathematics. Angles are in radians.",
	"mqtt":              "A client for MQTT servers elsewhere. The device's own link needs none of this.",
	"server":            "The server between the two sides: the log, and for an agent what it keeps; for a device the link and deep sleep.",
	"string":            "Methods of strings. A string is a sequence of bytes; its letters are UTF-8 by convention.",
	"table":             "Methods of tables: { key = value }.",
	"tandem":            `What Electric Imp does not have. Code that is to run there too asks first: if ("tandem" in getroottable()).`,
	"weakref":           "Methods of weak references, which do not keep alive what they refer to.",
}

// values are set by the host, so they are in no table of the registry.
var values = []Entry{{
	Name: "imp.configparams", Object: "imp", Kind: Value, On: imp.OnAgent, Result: "table",
	Doc:    "What the agent is: deviceid, the id of its device.",
	Source: "https://developer.electricimp.com/node/2639", Example: "server.log(imp.configparams.deviceid);",
}}

// A constantGroup is about constants that are used in the same way.
type constantGroup struct {
	object  string
	names   string // separated by spaces; one that ends in * is a beginning
	example string // § is the constant
}

var constantGroups = []constantGroup{
	{"server", "SEND_ERROR_*", "local result = server.log(\"hello\");\nif (result == §) result = server.log(\"hello again\");"},
	{"server", "SHUTDOWN_*", "server.onshutdown(function(reason) {\n    server.log(reason == § ? \"as expected\" : \"for another reason\");\n    server.restart();\n});"},
	{"server", "SUSPEND_ON_ERROR RETURN_ON_ERROR RETURN_ON_ERROR_NO_DISCONNECT", "server.setsendtimeoutpolicy(§, WAIT_TIL_SENT, 30);"},
	{"server", "WAIT_TIL_SENT WAIT_FOR_ACK", "server.setsendtimeoutpolicy(RETURN_ON_ERROR, §, 30);"},
	{"server", "NOT_CONNECTED NO_WIFI NO_LINK NO_IP_ADDRESS NOT_RESOLVED NO_SERVER SERVER_CONNECTED", "server.connect(@(reason) server.log(reason == §), 30);"},
	{"server", "SUNDAY MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY", "imp.onidle(@() server.sleepuntil(7, 30, 0, §));"},
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
	{"httprequest", "NO_TIMEOUT", "http.get(\"https://example.com/\").sendasync(@(r) server.log(r.statuscode), null, §);"},
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
