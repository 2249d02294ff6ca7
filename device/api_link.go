package device

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// docs is the address of the vendor's documentation, whose pages have numbers.
const docs = "https://developer.electricimp.com/node/"

// ours is the source of a function that is not the vendor's.
const ours = "tandem"

// maxSleep is the longest deep sleep: 28 days less 2 s.
const maxSleep = 2419198 * time.Second

// linkAPI has the functions for the agent, the server and the link.
var linkAPI = imp.API{
	Functions: []imp.Function{
		{
			Name: "agent.on", On: imp.OnDevice,
			Params: []imp.Param{
				{Name: "name", Type: "string", Doc: "of the message"},
				{Name: "callback", Type: "handler", Doc: "called with the data; null removes it"},
			},
			Doc: "Sets the function for the agent's messages with a name. A message without a handler is dropped, " +
				"and an error is logged.",
			Source: docs + "2309", Fn: agentOn,
			Example: `agent.on("target", function(celsius) {
    server.log("Target: " + celsius);
});`,
		},
		{
			Name: "agent.send", On: imp.OnDevice,
			Params: []imp.Param{
				{Name: "name", Type: "string", Doc: "of the message"},
				{Name: "data", Type: "any", Doc: "what can be serialised; null for a message without data"},
			},
			Result: "integer", Throws: []string{"Cannot serialize a …", "the message is over 256 KB"},
			Doc: "Sends a message to the agent. Returns 0, or one of the SEND_ERROR constants. " +
				"After 0 the message is sent, in order, until the agent's handler has completed, " +
				"across any loss of the link; only a power cut loses it.",
			Source:  docs + "2509",
			Example: `if (agent.send("reading", { celsius = 21.5 }) != 0) server.connect();`,
			Fn:      agentSend,
		},
		{
			Name: "server.log", On: imp.OnDevice,
			Params: []imp.Param{{Name: "message", Type: "any", Doc: "converted to a string"}},
			Result: "integer",
			Doc: "Writes a line to the device's log. Returns 0 or one of the SEND_ERROR constants. After 0 the line is sent, " +
				"in order with the messages, until it is in the log, across any loss of the link and a deep sleep; only a " +
				"power cut loses it, or more than 1,000 lines that wait for a link, which the log then says.",
			Source: docs + "2398", Fn: func(c *squirrel.Call) (squirrel.Value, error) { return logLine(c, tandem.LogDevice) },
			Example: `server.log(format("%.1f °C", 21.46));   // → 21.5 °C`,
		},
		{
			Name: "server.error", On: imp.OnDevice,
			Params:  []imp.Param{{Name: "message", Type: "any", Doc: "converted to a string"}},
			Result:  "integer",
			Doc:     "Writes an error line to the device's log.",
			Source:  docs + "2347",
			Fn:      func(c *squirrel.Call) (squirrel.Value, error) { return logLine(c, tandem.LogDeviceError) },
			Example: `server.error("The sensor does not answer");`,
		},
		{
			Name: "server.connect", On: imp.OnDevice,
			Params: []imp.Param{
				{
					Name: "callback", Type: "handler", Optional: true,
					Doc: "called with SERVER_CONNECTED or the reason of the failure",
				},
				{
					Name: "timeout", Type: "number", Optional: true,
					Doc: "seconds until the callback is told that it has failed; 60 when left out",
				},
			},
			Doc: "Connects to the server. With SUSPEND_ON_ERROR and no callback the code stops until there is a link. " +
				"Attempts go on after the callback was told of a failure, until server.disconnect.",
			Source: docs + "2362", Fn: serverConnect,
			Example: `server.connect(function(reason) {
    if (reason == SERVER_CONNECTED) agent.send("hello", null);
}, 30);`,
		},
		{
			Name: "server.disconnect", On: imp.OnDevice,
			Doc: "Ends the link, and any attempt to make one. Messages that are not acknowledged are sent over the " +
				"next link.",
			Source: docs + "2486", Fn: serverDisconnect,
			Example: `imp.onidle(@() server.disconnect());`,
		},
		{
			Name: "server.isconnected", On: imp.OnDevice, Result: "bool",
			Doc:    "Whether there is a link to the server, as far as the device knows.",
			Source: docs + "2411", Fn: serverIsConnected,
			Example: `if (!server.isconnected()) server.connect();`,
		},
		{
			Name: "server.flush", On: imp.OnDevice,
			Params: []imp.Param{{Name: "timeout", Type: "number", Doc: "seconds"}},
			Result: "bool",
			Doc:    "Stops the code until everything sent is acknowledged. Returns false when that did not happen in time.",
			Source: ours, Fn: serverFlush,
			Example: `agent.send("last words", "good night");
if (!server.flush(10)) server.log("not all has arrived");`,
		},
		{
			Name: "server.setsendtimeoutpolicy", On: imp.OnDevice,
			Params: []imp.Param{
				{Name: "policy", Type: "integer", Doc: "SUSPEND_ON_ERROR, RETURN_ON_ERROR or RETURN_ON_ERROR_NO_DISCONNECT"},
				{Name: "wait", Type: "integer", Doc: "WAIT_TIL_SENT or WAIT_FOR_ACK"},
				{Name: "timeout", Type: "number", Doc: "seconds"},
			},
			Throws: []string{"invalid policy", "invalid wait", "invalid timeout"},
			Doc: "Sets what a send does that cannot be done: stop the code until it can, or return an error; " +
				"and whether a send is done when it is in the send buffer or when it is acknowledged. " +
				"The default is SUSPEND_ON_ERROR, WAIT_TIL_SENT, 30.",
			Source: docs + "2492", Fn: serverSetPolicy,
			Example: `server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);`,
		},
		{
			Name: "server.onunexpecteddisconnect", On: imp.OnDevice,
			Params: []imp.Param{{Name: "callback", Type: "handler", Doc: "called with the reason"}},
			Doc: "Sets the function that is called when the link has been lost for a minute, " +
				"unless the policy is SUSPEND_ON_ERROR.",
			Source: docs + "2510", Fn: imp.SetsHandler(onUnexpected),
			Example: `server.setsendtimeoutpolicy(RETURN_ON_ERROR, WAIT_TIL_SENT, 10);
server.onunexpecteddisconnect(@(reason) server.connect());`,
		},
		{
			Name: "server.onshutdown", On: imp.OnDevice,
			Params: []imp.Param{{Name: "callback", Type: "handler", Doc: "called with one of the SHUTDOWN constants"}},
			Doc: "Sets the function that is called when there is new code. The running code then chooses when to " +
				"restart, by server.restart. Without a callback the restart is immediate, as is one that an operator asks for.",
			Source: docs + "2454", Fn: imp.SetsHandler(onShutdown),
			Example: `server.onshutdown(function(reason) {
    imp.wakeup(5, @() server.restart());   // once the valve is closed
});`,
		},
		{
			Name: "server.restart", On: imp.OnDevice,
			Doc:    "Starts the code from its first line, new code if there is any. Never returns.",
			Source: docs + "2378", Fn: serverRestart,
			Example: `imp.wakeup(86400, @() server.restart());`,
		},
		{
			Name: "server.sleepfor", On: imp.OnDevice,
			Params: []imp.Param{{Name: "seconds", Type: "number", Doc: "up to 2,419,198"}},
			Throws: []string{"invalid sleep time"},
			Doc: "Waits, 30 s at most, until everything sent is acknowledged, then sleeps deeply: " +
				"the code starts again from its first line, with nothing but the global table nv. Never returns.",
			Source: docs + "2339", Fn: func(c *squirrel.Call) (squirrel.Value, error) { return sleepFor(c, true) },
			Example: `imp.onidle(@() server.sleepfor(3600));`,
		},
		{
			Name: "server.sleepuntil", On: imp.OnDevice, Params: untilParams,
			Throws: []string{"invalid sleep time"},
			Doc:    "Sleeps deeply until a time of day, UTC, as server.sleepfor does. Never returns.",
			Source: docs + "2364", Fn: func(c *squirrel.Call) (squirrel.Value, error) { return sleepUntil(c, true) },
			Example: `imp.onidle(@() server.sleepuntil(7, 30, 0, MONDAY));`,
		},
	},
	Constants: linkConstants(),
}

// untilParams are the parameters of server.sleepuntil and imp.deepsleepuntil.
var untilParams = []imp.Param{
	{Name: "hour", Type: "integer", Doc: "0 to 23"},
	{Name: "minute", Type: "integer", Doc: "0 to 59"},
	{Name: "second", Type: "integer", Optional: true, Doc: "0 to 59; 0 when left out"},
	{Name: "dayOfWeek", Type: "integer", Optional: true, Doc: "SUNDAY to SATURDAY; the next time of day when left out"},
}

func linkConstants() (all []imp.Constant) {
	for _, c := range []struct {
		name, page, doc string
		value           int
	}{
		{"SUSPEND_ON_ERROR", "2492", "Send timeout policy: stop the code until there is a link.", suspendOnError},
		{"RETURN_ON_ERROR", "2492", "Send timeout policy: return an error and drop the link.", returnOnError},
		{
			"RETURN_ON_ERROR_NO_DISCONNECT", "2492",
			"Send timeout policy: return an error and keep the link.", returnNoDisconnect,
		},
		{"WAIT_TIL_SENT", "2492", "A send is done when it is in the send buffer.", waitTilSent},
		{"WAIT_FOR_ACK", "2492", "A send is done when it is acknowledged.", waitForAck},
		{"NOT_CONNECTED", "2362", "Reason: no link has been asked for.", NotConnected},
		{"NO_WIFI", "2362", "Reason: no network.", NoLink},
		{"NO_LINK", "2362", "Reason: no network.", NoLink},
		{"NO_IP_ADDRESS", "2362", "Reason: no address on the network.", NoAddress},
		{"NOT_RESOLVED", "2362", "Reason: the server's name is not known.", NotResolved},
		{"NO_SERVER", "2362", "Reason: the server does not answer.", NoServer},
		{"SERVER_CONNECTED", "2362", "There is a link.", ServerConnected},
		{"SHUTDOWN_NEWSQUIRREL", "2454", "There is new code.", ShutdownNewSquirrel},
		{"SHUTDOWN_NEWFIRMWARE", "2454", "There is new software to run the code.", 2},
		{"SHUTDOWN_OTHER", "2454", "There is another reason.", ShutdownOther},
	} {
		all = append(all, imp.Constant{Name: c.name, On: imp.OnDevice, Value: c.value, Doc: c.doc, Source: docs + c.page})
	}
	for i, day := range []string{"SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"} {
		all = append(all, imp.Constant{
			Name: day, On: imp.OnDevice, Value: i, Doc: "A day of the week.", Source: docs + "2364",
		})
	}
	return all
}
