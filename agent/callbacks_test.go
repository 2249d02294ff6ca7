package agent

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/callbacktest"
)

// calling returns a row whose callback is called in what happens after the start.
func calling(code string, args int, happens func(w *world)) callbacktest.Row {
	return callbacktest.Row{Code: code, Args: args, Run: func(t *testing.T, src string) []string {
		program, _ := strings.CutSuffix(src, "give();\n")
		w := newWorld(mustCompile(t, program+callKeys+"\ngive();\n"))
		w.do(&Boot{})
		if !w.m.Dead() {
			happens(w)
		}
		return logLines(w.out.String())
	}}
}

// logLines returns the lines of the program's log.
func logLines(out string) (lines []string) {
	for line := range strings.Lines(out) {
		for _, typ := range []string{tandem.LogAgent, tandem.LogAgentError} {
			if text, ok := strings.CutPrefix(line, typ+": "); ok {
				lines = append(lines, strings.TrimSuffix(text, "\n"))
			}
		}
	}
	return lines
}

// TestCallbacks walks all calls of agents that take a callback.
func TestCallbacks(t *testing.T) {
	const second = time.Second
	fetched := func(w *world) {
		for id := range w.m.fetches {
			w.do(&FetchedPart{ID: uint64(id), Data: []byte("x")})
			w.do(&Fetched{ID: uint64(id), Response: &tandem.Response{Status: 200}})
			return
		}
	}
	rows := map[string]callbacktest.Row{
		"imp.wakeup 2":               calling(`imp.wakeup(1, F);`, 0, func(w *world) { w.advance(second) }),
		"imp.onunhandledexception 1": calling(`imp.onunhandledexception(F); throw "oops";`, 1, func(*world) {}),
		"tandem.onpeerstart 1":       calling(`tandem.onpeerstart(F);`, 2, func(w *world) { w.do(&PeerStarted{}) }),
		"server.onshutdown 1":        calling(`server.onshutdown(F);`, 1, func(w *world) { w.do(&Shutdown{}) }),
		"device.on 2": calling(`device.on("x", F);`, 1, func(w *world) {
			w.do(&DeviceMessage{tandem.Message{Name: "x", Data: []byte("1")}})
		}),
		"device.onconnect 1": calling(`device.onconnect(F);`, 0, func(w *world) { w.do(&DeviceConnected{}) }),
		"device.ondisconnect 1": calling(`device.ondisconnect(F);`, 1, func(w *world) {
			w.do(&DeviceConnected{})
			w.do(&DeviceDisconnected{})
		}),
		"tandem.post 3": calling(`tandem.post("x", 1, F);`, 0, func(w *world) {
			w.do(&Posted{Seq: 1})
			w.do(&Handled{Seq: 1})
		}),
		"http.onrequest 1": calling(`http.onrequest(F);`, 2, func(w *world) {
			w.do(&Request{ID: 1, Request: &tandem.Request{Method: "GET"}})
		}),
		"httprequest.sendasync 1": calling(`http.get("http://a").sendasync(F);`, 1, fetched),
		"httprequest.sendasync 2": calling(`http.get("http://a").sendasync(@(r) null, F);`, 1, fetched),
		"http.poststream 3":       calling(`http.poststream("http://a", {}, F).closeasync();`, 1, fetched),
		"http.putstream 3":        calling(`http.putstream("http://a", {}, F).closeasync();`, 1, fetched),
		"http.requeststream 4":    calling(`http.requeststream("GET", "http://a", {}, F).closeasync();`, 1, fetched),
		"httpstream.closeasync 1": calling(`http.putstream("http://a", {}, @(r) null).closeasync(F);`, 1, fetched),
		"crypto.sign 4": calling(`crypto.sign(crypto.RSASSA_PKCS1_SHA256, "x", key("private1"), F);`, 2,
			func(w *world) { w.advance(second) }),
		"crypto.verify 5": calling(`crypto.verify(crypto.RSASSA_PKCS1_SHA256, "x", "y", key("public"), F);`, 2,
			func(w *world) { w.advance(second) }),
	}
	maps.Copy(rows, mqttRows())
	fewer := map[string]int{"device.ondisconnect 1": 0, "mqttclient.subscribe 3": 1, "crypto.verify 5": 1}
	for name, fewer := range fewer {
		row := rows[name]
		row.Fewer = []int{fewer}
		rows[name] = row
	}
	callbacktest.Check(t, "agent_code", callbacktest.All(tandem.AgentSide, imp.Shared, API), rows)
}

// client makes a client with a connection that is being made.
const client = `local c = mqtt.createclient(); c.connect("tcp://b", "id"); `

func connected(w *world) { w.do(&MQTTConnected{ID: uint64(w.m.broker.ID)}) }

// mqttRows are those of MQTT, where there is no connection yet.
func mqttRows() map[string]callbacktest.Row {
	second := func(w *world) { w.advance(time.Second) }
	return map[string]callbacktest.Row{
		"mqttclient.onconnect 1": calling(client+`c.onconnect(F);`, 1, connected),
		"mqttclient.onconnectionlost 1": calling(client+`c.onconnectionlost(F);`, 0, func(w *world) {
			connected(w)
			w.do(&MQTTLost{ID: uint64(w.m.broker.ID)})
		}),
		"mqttclient.onmessage 1": calling(client+`c.onmessage(F);`, 1, func(w *world) {
			connected(w)
			w.do(&MQTTMessage{ID: uint64(w.m.broker.ID), Topic: "a"})
		}),
		"mqttclient.disconnect 1":  calling(client+`c.disconnect(F);`, 0, second),
		"mqttclient.subscribe 3":   calling(client+`c.subscribe("a", 1, F);`, 2, second),
		"mqttclient.unsubscribe 2": calling(client+`c.unsubscribe("a", F);`, 1, second),
		"mqttmessage.sendasync 1":  calling(client+`c.createmessage("a", "b").sendasync(F);`, 1, second),
	}
}

// TestMQTTCallbacks: the callbacks of MQTT when a broker has answered.
func TestMQTTCallbacks(t *testing.T) {
	for _, code := range []string{
		`c.subscribe("a", 1, F);`, `c.unsubscribe("a", F);`, `c.createmessage("a", "b").sendasync(F);`,
	} {
		code = client + "device.onconnect(function() { " + strings.ReplaceAll(code, "F", "@() null") + " });"
		w := newWorld(mustCompile(t, code))
		w.do(&Boot{})
		connected(w)
		w.do(&DeviceConnected{})
		for _, r := range w.m.broker.Requests {
			w.do(&MQTTDone{ID: uint64(w.m.broker.ID), Request: uint64(r.ID)})
			break
		}
		if !strings.Contains(w.out.String(), "wrong number of parameters: mqtt") {
			t.Errorf("%s: %s", code, w.out.String())
		}
	}
}

// TestNativeCallbacks: a native function that fails as a callback has the place at which the
// program has given it, also when that was done by a callback that is native itself.
func TestNativeCallbacks(t *testing.T) {
	for src, want := range map[string]string{
		"\ndevice.on(\"x\", imp.sleep);":                                              "parameter 1 ",
		"\ndevice.onconnect(@() null);\nimp.wakeup.bindenv(imp).call(imp, 0, strip);": "calls strip with 0 arguments",
		"\ndevice.on(\"x\", http.jsondecode);":                                        "invalid JSON",
	} {
		w := newWorld(mustCompile(t, src))
		w.do(&Boot{})
		w.advance(time.Second)
		if !w.m.Dead() {
			w.do(&DeviceMessage{tandem.Message{Name: "x", Data: []byte(`"text"`)}})
		}
		log := logLines(w.out.String())
		if len(log) < 2 || !strings.Contains(log[0], want) || !strings.Contains(log[1], "agent_code:") {
			t.Errorf("%s: %q", src, log)
		}
	}
}
