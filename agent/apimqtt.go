package agent

import "github.com/tandem-iot/tandem/imp"

const (
	mqttClientClass  = "mqttclient"
	mqttMessageClass = "mqttmessage"
)

// mqttConstants and mqttFunctions make agents clients of MQTT brokers.
var mqttConstants = []imp.Constant{
	{Name: "mqtt.AT_MOST_ONCE", On: imp.OnAgent, Value: 0, Doc: "QoS 0: the message may be lost.", Source: docs + "mqtt"},
	{
		Name: "mqtt.AT_LEAST_ONCE", On: imp.OnAgent, Value: 1,
		Doc: "QoS 1: the message may come twice.", Source: docs + "mqtt",
	},
	{Name: "mqtt.EXACTLY_ONCE", On: imp.OnAgent, Value: 2, Doc: "QoS 2: the message comes once.", Source: docs + "mqtt"},
}

var mqttFunctions = []imp.Function{
	{
		Name: "mqtt.createclient", On: imp.OnAgent, Result: mqttClientClass,
		Doc:    "Makes a client of MQTT 3.1.1, without a connection.",
		Source: docs + "mqtt/createclient", Fn: mqttCreateClient,
		Example: `client <- mqtt.createclient();
client.onconnect(function(code) {
    if (code == 0) client.subscribe("lamp/set", mqtt.AT_LEAST_ONCE);
});
client.onmessage(@(m) device.send("set", m.message));
client.connect("ssl://broker.example.com", "lamp-1");`,
	}, {
		Name: "mqttclient.connect", On: imp.OnAgent,
		Params: []imp.Param{
			{
				Name: "url", Type: "string",
				Doc: "tcp://host or ssl://host, with a port if it is not 1883 or 8883; mqtt:// and mqtts:// are the same",
			},
			{Name: "clientID", Type: "string", Doc: "1 to 255 bytes"},
			{
				Name: "options", Type: "table", Optional: true,
				Doc: "username, password; keepalive: seconds, 0 or 30 to 65535, 60 when left out; willtopic, willmessage, " +
					"willqos, willretain",
			},
		},
		Throws: []string{"there is a connection already", "the client ID is too short or too long", "an option is invalid"},
		Doc: "Connects, with a clean session; the callback of onconnect gets the result. The certificate of ssl:// " +
			"is verified. It uses one credit of httprequest.sendasync; when there is none it waits for one.",
		Source: docs + "mqtt/mqttclient/connect", Fn: mqttConnect,
		Example: `client <- mqtt.createclient();
client.onconnect(@(code) server.log("connected: " + code));
client.connect("ssl://broker.example.com:8883", "lamp-1", { username = "lamp", password = "secret" });`,
	}, {
		Name: "mqttclient.disconnect", On: imp.OnAgent,
		Params: []imp.Param{{
			Name: "callback", Type: "function", Optional: true,
			Doc: "called without arguments when it is done",
		}},
		Doc:    "Ends the connection. Messages that were sent before still go out, but their callbacks get -1.",
		Source: docs + "mqtt/mqttclient/disconnect", Fn: mqttDisconnect,
		Example: `client <- mqtt.createclient();
client.connect("tcp://broker.example.com", "lamp-1");
imp.wakeup(60, @() client.disconnect(@() server.log("disconnected")));`,
	}, {
		Name: "mqttclient.isconnected", On: imp.OnAgent, Result: "bool",
		Doc:    "Whether the client has a connection that the broker has accepted.",
		Source: docs + "mqtt/mqttclient/isconnected", Fn: mqttIsConnected,
		Example: `client <- mqtt.createclient();
server.log(client.isconnected());  // false`,
	}, {
		Name: "mqttclient.onconnect", On: imp.OnAgent,
		Params: []imp.Param{{
			Name: "callback", Type: "handler",
			Doc: "called with 0; or with -1 when there is no connection (the log says why), 1 when the broker does not " +
				"speak MQTT 3.1.1, 2 when it refuses the client ID, 3 when it is unavailable, 4 when user name or password " +
				"is wrong, 5 when the client is not authorized",
		}},
		Doc:    "Sets the function that gets the result of connect.",
		Source: docs + "mqtt/mqttclient/onconnect", Fn: clientHandler(clientConnect),
		Example: `client <- mqtt.createclient();
client.onconnect(function(code) {
    if (code != 0) imp.wakeup(60, @() client.connect("tcp://broker.example.com", "lamp-1"));
});
client.connect("tcp://broker.example.com", "lamp-1");`,
	}, {
		Name: "mqttclient.onconnectionlost", On: imp.OnAgent,
		Params: []imp.Param{{Name: "callback", Type: "handler", Doc: "called without arguments"}},
		Doc: "Sets the function that is called when a connection breaks, also because the agent has moved. " +
			"It is not called for disconnect.",
		Source: docs + "mqtt/mqttclient/onconnectionlost", Fn: clientHandler(clientLost),
		Example: `client <- mqtt.createclient();
connect <- @() client.connect("tcp://broker.example.com", "lamp-1");
client.onconnectionlost(@() imp.wakeup(5, connect));
connect();`,
	}, {
		Name: "mqttclient.onmessage", On: imp.OnAgent,
		Params: []imp.Param{{Name: "callback", Type: "handler", Doc: "called with a table: topic and message, both strings"}},
		Doc: "Sets the function for messages. A message with QoS 1 or 2 is acknowledged when the function has " +
			"returned. A message over 256 KB breaks the connection.",
		Source: docs + "mqtt/mqttclient/onmessage", Fn: clientHandler(clientMessage),
		Example: `client <- mqtt.createclient();
client.onmessage(@(m) server.log(m.topic + ": " + m.message));
client.onconnect(@(code) client.subscribe("lamp/#"));
client.connect("tcp://broker.example.com", "lamp-1");`,
	}, {
		Name: "mqttclient.subscribe", On: imp.OnAgent,
		Params: []imp.Param{
			{Name: "topic", Type: "string", Doc: "may have the wildcards + and #"},
			{Name: "qos", Type: "integer", Optional: true, Doc: "the highest QoS wanted; mqtt.AT_MOST_ONCE when left out"},
			{
				Name: "callback", Type: "function", Optional: true,
				Doc: "called with an error and the QoS that the broker grants. The error is 0 when there is none, " +
					"-1 without a connection, -2 when more than 64 requests or 512 KB have no answer yet, " +
					"-3 when the broker has not answered for a minute, 128 when it refuses",
			},
		},
		Throws: []string{"the topic is invalid", "the QoS is invalid"},
		Doc:    "Subscribes to messages.",
		Source: docs + "mqtt/mqttclient/subscribe", Fn: mqttSubscribe,
		Example: `client <- mqtt.createclient();
client.onconnect(function(code) {
    client.subscribe("lamp/+/set", mqtt.EXACTLY_ONCE, function(error, qos) {
        server.log("subscribed: " + error + ", QoS " + qos);
    });
});
client.connect("tcp://broker.example.com", "lamp-1");`,
	}, {
		Name: "mqttclient.unsubscribe", On: imp.OnAgent,
		Params: []imp.Param{
			{Name: "topic", Type: "string", Doc: "as it was subscribed to"},
			{Name: "callback", Type: "function", Optional: true, Doc: "called with an error, as by subscribe"},
		},
		Throws: []string{"the topic is invalid"},
		Doc:    "Ends a subscription.",
		Source: docs + "mqtt/mqttclient/unsubscribe", Fn: mqttUnsubscribe,
		Example: `client <- mqtt.createclient();
client.onmessage(@(m) client.unsubscribe(m.topic, @(error) server.log("unsubscribed: " + error)));
client.onconnect(@(code) client.subscribe("lamp/set"));
client.connect("tcp://broker.example.com", "lamp-1");`,
	}, {
		Name: "mqttclient.createmessage", On: imp.OnAgent, Result: mqttMessageClass,
		Params: []imp.Param{
			{Name: "topic", Type: "string", Doc: "without wildcards"},
			{Name: "message", Type: "data", Doc: "at most 256 KB, the topic included"},
			{
				Name: "options", Type: "t|i", Optional: true,
				Doc: "the QoS, or a table: qos, mqtt.AT_MOST_ONCE when left out, and retain, whether the broker keeps the " +
					"message for later subscribers",
			},
		},
		Throws: []string{"the topic is invalid", "the message is too large", "the QoS is invalid"},
		Doc:    "Makes a message, which is then to be sent.",
		Source: docs + "mqtt/mqttclient/createmessage", Fn: mqttCreateMessage,
		Example: `client <- mqtt.createclient();
client.onconnect(function(code) {
    client.createmessage("lamp/state", "on", { qos = mqtt.AT_LEAST_ONCE, retain = true }).sendasync();
});
client.connect("tcp://broker.example.com", "lamp-1");`,
	}, {
		Name: "mqttmessage.sendasync", On: imp.OnAgent,
		Params: []imp.Param{{
			Name: "callback", Type: "function", Optional: true,
			Doc: "called with an error, as by mqttclient.subscribe, when a message with QoS 0 is written to the " +
				"connection or one with QoS 1 or 2 is acknowledged",
		}},
		Throws: []string{"the message is being sent already"},
		Doc:    "Sends the message. It may be sent again later.",
		Source: docs + "mqtt/mqttmessage/sendasync", Fn: mqttSendAsync,
		Example: `client <- mqtt.createclient();
client.onconnect(function(code) {
    client.createmessage("lamp/state", "on").sendasync(@(error) server.log("sent: " + error));
});
client.connect("tcp://broker.example.com", "lamp-1");`,
	}, {
		Name: "mqttmessage.sendsync", On: imp.OnAgent, Result: "integer",
		Throws: []string{"the message is being sent already"},
		Doc: "Sends the message and waits until sendasync would call its callback, at most a minute; " +
			"the result is the error. Nothing else of the program runs meanwhile.",
		Source: docs + "mqtt/mqttmessage/sendsync", Fn: mqttSendSync,
		Example: `client <- mqtt.createclient();
client.onconnect(function(code) {
    local error = client.createmessage("lamp/state", "on", mqtt.AT_LEAST_ONCE).sendsync();
    if (error != 0) server.error("not sent: " + error);
});
client.connect("tcp://broker.example.com", "lamp-1");`,
	}, {
		Name: "mqttmessage.cancel", On: imp.OnAgent,
		Doc:    "Drops the callback. The message may arrive all the same.",
		Source: docs + "mqtt/mqttmessage/cancel", Fn: mqttCancel,
		Example: `client <- mqtt.createclient();
client.onconnect(function(code) {
    local message = client.createmessage("lamp/state", "on", mqtt.AT_LEAST_ONCE);
    message.sendasync(@(error) server.log("sent: " + error));
    imp.wakeup(10, @() message.cancel());
});
client.connect("tcp://broker.example.com", "lamp-1");`,
	},
}
