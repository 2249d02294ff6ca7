package agent

import (
	"github.com/tandem-iot/tandem/imp"
)

// docs is the address of the vendor's API reference.
const docs = "https://developer.electricimp.com/api/"

// API is the agent's part of the API. imp.Shared has the functions of both sides.
var API = imp.API{
	Functions: concat(serverFunctions, deviceFunctions, postFunctions, encodingFunctions, requestFunctions,
		httpFunctions, regexp2Functions, streamFunctions, signFunctions, mqttFunctions),
	Constants: append([]imp.Constant{
		{
			Name: "VALIDATE_NONE", On: imp.OnAgent, Value: validateNone,
			Doc: "Do not verify the server's certificate.", Source: docs + "httprequest/setvalidation",
		},
		{
			Name: "VALIDATE_USING_SYSTEM_CA_CERTS", On: imp.OnAgent, Value: validateSystem,
			Doc: "Verify the server's certificate.", Source: docs + "httprequest/setvalidation",
		},
		{
			Name: "NO_TIMEOUT", On: imp.OnAgent, Value: noTimeout,
			Doc: "Wait for the response as long as it takes.", Source: docs + "httprequest/sendasync",
		},
		{
			Name: "crypto.RSASSA_PKCS1_SHA256", On: imp.OnAgent, Value: modePKCS1SHA256,
			Doc: "Sign by RSA and PKCS #1 v1.5, of the SHA-256 hash.", Source: docs + "crypto/sign",
		},
		{
			Name: "SHUTDOWN_NEWSQUIRREL", On: imp.OnAgent, Value: shutdownNewSquirrel,
			Doc: "There is new code.", Source: docs + "server/onshutdown",
		},
		{
			Name: "SHUTDOWN_NEWFIRMWARE", On: imp.OnAgent, Value: shutdownNewFirmware,
			Doc: "There is new software to run the code.", Source: docs + "server/onshutdown",
		},
		{
			Name: "SHUTDOWN_OTHER", On: imp.OnAgent, Value: shutdownOther,
			Doc: "There is another reason.", Source: docs + "server/onshutdown",
		},
	}, mqttConstants...),
	Classes: []imp.Class{
		{Name: requestClass, On: imp.OnAgent, Doc: "An outgoing HTTP request, to be sent once."},
		{
			Name: streamClass, On: imp.OnAgent,
			Doc: "An outgoing HTTP request whose body is sent piece by piece. It can be sent once: " +
				"after its callback or cancel was called, every method throws.",
		},
		{
			Name: mqttClientClass, On: imp.OnAgent,
			Doc: "A client of an MQTT broker. An agent can have one connection at a time. It ends with the incarnation, " +
				"and when the agent moves to another node or its node is stopped; onconnectionlost is called then, " +
				"and the program must connect again. A client with a connection is kept even when no variable refers to it.",
		},
		{Name: mqttMessageClass, On: imp.OnAgent, Doc: "An MQTT message to be sent."},
		{Name: responseClass, On: imp.OnAgent, Doc: "The answer to an HTTP request. It may be kept and sent later."},
		{Name: regexp2Class, On: imp.OnAgent, Doc: "A regular expression."},
	},
}

func concat(parts ...[]imp.Function) (all []imp.Function) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

var serverFunctions = []imp.Function{
	{
		Name: "server.log", On: imp.OnAgent, Result: "integer",
		Params: []imp.Param{{Name: "message", Type: "any", Doc: "shown as print shows it"}},
		Doc:    "Writes a line to the device's log. A string that is not text is shown in hexadecimal. The result is 0.",
		Source: docs + "server/log", Fn: serverLog(false),
		Example: `server.log("Target: " + 21);   // → Target: 21`,
	}, {
		Name: "server.error", On: imp.OnAgent, Result: "integer",
		Params: []imp.Param{{Name: "message", Type: "any", Doc: "shown as print shows it"}},
		Doc:    "Writes a line to the device's log as an error. The result is 0.",
		Source: docs + "server/error", Fn: serverLog(true),
		Example: `server.error("The valve does not close");`,
	}, {
		Name: "server.save", On: imp.OnAgent, Result: "integer",
		Params: []imp.Param{
			{Name: "table", Type: "any", Doc: "replaces what was saved before"},
			{
				Name: "format", Type: "integer", Optional: true,
				Doc: "1 for JSON, the default; 2 for binary, which can hold blobs",
			},
		},
		Throws: []string{"the value is no table", "the format is neither 1 nor 2", "the table has more than 64 KB"},
		Doc: "Saves a table for server.load, also in later incarnations. It returns when the table is on disk: 0, " +
			"or one of the SEND_ERROR constants when it could not be saved. Members that the format cannot hold are left " +
			"out, and an error is logged for them.",
		Source:  docs + "server/save",
		Example: `if (server.save({ target = 21 }) != 0) server.error("not saved");`,
		Fn:      serverSave,
	}, {
		Name: "server.load", On: imp.OnAgent, Result: "table",
		Doc:    "A new copy of the table that was saved last; an empty one when there is none.",
		Source: docs + "server/load", Fn: serverLoad,
		Example: `local saved = server.load();
if (!("target" in saved)) saved.target <- 20;`,
	}, {
		Name: "server.restart", On: imp.OnAgent,
		Doc:    "Ends this incarnation and begins the next. It does not return.",
		Source: docs + "server/restart", Fn: serverRestart,
		Example: `imp.wakeup(86400, @() server.restart());`,
	}, {
		Name: "server.onshutdown", On: imp.OnAgent,
		Params: []imp.Param{{Name: "callback", Type: "handler", Doc: "called with one of the SHUTDOWN constants"}},
		Doc: "Sets the function that is called when the agent is told to stop. It has 10 seconds, or 3 when a person " +
			"restarts it, to save its state and to call server.restart.",
		Source: docs + "server/onshutdown", Fn: imp.SetsHandler(handlerShutdown),
		Example: `server.onshutdown(function(reason) {
    server.save({ stopped = time() });
    server.restart();
});`,
	}, {
		Name: "server.show", On: imp.OnAgent, Result: "integer",
		Params: []imp.Param{{Name: "message", Type: "any", Doc: "shown as print shows it"}},
		Doc:    "For old programs: does as server.log.",
		Source: docs + "server/show", Fn: serverLog(false),
		Example: `server.show("21.5 degrees");  // today: server.log`,
	}, {
		Name: "server.setpermanentvalues", On: imp.OnAgent, Result: "integer",
		Params: []imp.Param{{Name: "table", Type: "table", Doc: "its slots are added to server.permanent"}},
		Doc: "For old programs: sets slots of the table server.permanent, which is empty when the agent starts. " +
			"Values that must survive a restart belong in server.save; a log line says so once. The result is 0.",
		Source: docs + "server/setpermanentvalues", Fn: setPermanentValues,
		Example: `server.setpermanentvalues({ count = 1 });
server.log(server.permanent.count);`,
	},
}

var deviceFunctions = []imp.Function{
	{
		Name: "device.on", On: imp.OnAgent,
		Params: []imp.Param{
			{Name: "name", Type: "string", Doc: "of the message"},
			{Name: "callback", Type: "handler", Doc: "called with the data"},
		},
		Doc:    "Sets the function for the device's messages with a name.",
		Source: docs + "device/on", Fn: deviceOn,
		Example: `device.on("reading", function(reading) {
    server.log(reading.celsius + " °C");
});`,
	}, {
		Name: "device.send", On: imp.OnAgent,
		Params: []imp.Param{
			{Name: "name", Type: "string", Doc: "of the message"},
			{Name: "data", Type: "any", Doc: "what can be serialised"},
		},
		Throws: []string{"Cannot serialize a …", "the message is over 256 KB"},
		Doc:    "Sends the device a message. It is lost when the device is not connected.",
		Source: docs + "device/send", Fn: deviceSend,
		Example: `device.send("target", { celsius = 21 });`,
	}, {
		Name: "device.isconnected", On: imp.OnAgent, Result: "bool",
		Doc:    "Whether the device has a link.",
		Source: docs + "device/isconnected", Fn: deviceIsConnected,
		Example: `if (!device.isconnected()) server.log("The device is away");`,
	}, {
		Name: "device.onconnect", On: imp.OnAgent,
		Params: []imp.Param{{Name: "callback", Type: "handler", Doc: "called without arguments"}},
		Doc: "Sets the function that is called when the device connects. If it has been connected since before the " +
			"agent started, the function is called once for that.",
		Source: docs + "device/onconnect", Fn: imp.SetsHandler(handlerConnect),
		Example: `device.onconnect(@() device.send("target", 21));`,
	}, {
		Name: "device.ondisconnect", On: imp.OnAgent,
		Params: []imp.Param{{Name: "callback", Type: "handler", Doc: "may take one argument, an empty table"}},
		Doc:    "Sets the function that is called when the device is gone.",
		Source: docs + "device/ondisconnect", Fn: imp.SetsHandler(handlerDisconnect),
		Example: `device.ondisconnect(@() server.log("The device is gone"));`,
	}, {
		Name: "device.info", On: imp.OnAgent, Result: "table",
		Doc:    "The device's id, whether it isconnected, and its ipaddress when it was last seen.",
		Source: docs + "device/info", Fn: deviceInfo,
		Example: `local info = device.info();
server.log(info.id + " was last seen at " + info.ipaddress);`,
	},
}

var encodingFunctions = []imp.Function{
	{
		Name: "http.agenturl", On: imp.OnAgent, Result: "string",
		Doc:    "The URL of this agent.",
		Source: docs + "http/agenturl", Fn: agentURL,
		Example: `server.log("Open " + http.agenturl());`,
	}, {
		Name: "http.jsonencode", On: imp.OnAgent, Result: "string",
		Params: []imp.Param{
			{Name: "value", Type: "any"},
			{Name: "settings", Type: "table", Optional: true, Doc: "compact: without spaces"},
		},
		Throws: []string{"Cannot serialize a …"},
		Doc:    "The JSON text of a value. Keys that are numbers become text.",
		Source: docs + "http/jsonencode", Fn: jsonEncode,
		Example: `server.log(http.jsonencode({ on = true }, { compact = true }));   // → {"on":true}`,
	}, {
		Name: "http.jsondecode", On: imp.OnAgent, Result: "any",
		Params: []imp.Param{{Name: "text", Type: "data"}},
		Throws: []string{"invalid JSON at byte N: …"},
		Doc:    "The value of a JSON text. Whole numbers of 32 bits are integers, other numbers floats.",
		Source: docs + "http/jsondecode", Fn: jsonDecode,
		Example: `local reading = http.jsondecode("{\"celsius\": 21.5}");
server.log(reading.celsius);   // → 21.5`,
	}, {
		Name: "http.urlencode", On: imp.OnAgent, Result: "string",
		Params: []imp.Param{{Name: "table", Type: "table", Doc: "of strings, numbers, and arrays of them"}},
		Doc:    "A query or form with the slots of the table.",
		Source: docs + "http/urlencode", Fn: urlEncode,
		Example: `server.log(http.urlencode({ room = "living room" }));   // → room=living%20room`,
	}, {
		Name: "http.urldecode", On: imp.OnAgent, Result: "table",
		Params: []imp.Param{{Name: "text", Type: "string"}},
		Doc:    "The fields of a query or form: strings, and arrays of strings where a name is repeated.",
		Source: docs + "http/urldecode", Fn: urlDecodeNative,
		Example: `server.log(http.urldecode("room=living%20room").room);   // → living room`,
	}, {
		Name: "http.base64encode", On: imp.OnAgent, Result: "string",
		Params: []imp.Param{{Name: "data", Type: "data"}},
		Doc:    "The base64 text of a string or blob.",
		Source: docs + "http/base64encode", Fn: base64Encode,
		Example: `server.log(http.base64encode("hello"));   // → aGVsbG8=`,
	}, {
		Name: "http.base64decode", On: imp.OnAgent, Result: "blob",
		Params: []imp.Param{{Name: "text", Type: "data"}},
		Throws: []string{"this is not base64"},
		Doc:    "What a base64 text stands for.",
		Source: docs + "http/base64decode", Fn: base64Decode,
		Example: `server.log(http.base64decode("aGVsbG8=").tostring());   // → hello`,
	},
}
