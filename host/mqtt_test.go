package host

import (
	"testing"
	"time"

	"github.com/tandem-iot/tandem/internal/brokertest"
)

// speaker is an agent that talks to a broker about everything it hears.
func speaker(b *brokertest.Broker) string {
	return `
client <- mqtt.createclient();
connect <- @() client.connect("tcp://` + b.Addr + `", "me", { username = "alice", willtopic = "will", willmessage = "gone" });
client.onconnect(function(code) {
  server.log("connected " + code);
  client.subscribe("in/#", mqtt.EXACTLY_ONCE, @(error, qos) server.log("subscribed " + error + " " + qos));
});
client.onconnectionlost(function() { server.log("lost"); connect(); });
client.onmessage(function(m) {
  server.log("message " + m.topic + " " + m.message);
  client.createmessage("out", m.message, mqtt.AT_LEAST_ONCE).sendasync(@(error) server.log("sent " + error));
});
http.onrequest(function(q, response) {
  switch (q.path) {
  case "/sync": server.log("sync " + client.createmessage("out", "sync", 2).sendsync()); break;
  case "/leave": client.disconnect(@() server.log("left")); break;
  case "/crash": throw "crash";
  }
  response.send(200, "");
});
connect();
`
}

func TestMQTT(t *testing.T) {
	b := brokertest.Start(t)
	w := newWorld(t, speaker(b), 1, func(h *Host) { outward(t)(h); alone(h) })
	w.get("/")
	b.Expect("connect me alice")
	w.lines.expect("connected 0")
	w.lines.expect("subscribed 0 2")
	for qos := range byte(3) {
		b.Publish("in/x", "hello", qos)
		w.lines.expect("message in/x hello")
		b.Expect("publish me out hello 1 false")
		w.lines.expect("sent 0")
	}
	w.get("/sync")
	b.Expect("publish me out sync 2")
	w.lines.expect("sync 0")

	b.Kick()
	b.Expect("gone me")
	w.lines.expect("mqtt: the connection is lost: the broker has closed the connection")
	w.lines.expect("lost")
	w.lines.expect("subscribed 0 2")

	// A move leaves the connection behind, in good order; the program makes a new one.
	w.move()
	b.Expect("disconnect me")
	w.lines.expect("mqtt: the connection is lost: the agent has moved")
	w.lines.expect("subscribed 0 2")
	b.Publish("in/y", "again", 0)
	w.lines.expect("message in/y again")

	// So does one in the middle of sendsync.
	b.Deaf(true)
	asked := make(chan error)
	go func() {
		_, err := w.request(t.Context(), "/sync")
		asked <- err
	}()
	b.Expect("publish me out sync 2")
	w.move()
	<-asked
	w.lines.expect("sync -1")
	w.lines.expect("lost")
	w.lines.expect("subscribed 0 2")
	b.Deaf(false)

	// The connection ends with the incarnation.
	if _, err := w.request(t.Context(), "/crash"); err != nil {
		t.Fatal(err)
	}
	b.Expect("disconnect me")
	w.lines.expect("Agent restarted: exception.")
	w.lines.expect("subscribed 0 2")

	w.get("/leave")
	b.Expect("disconnect me")
	w.lines.expect("left")
}

// TestMQTTWakes: a message wakes an agent that hibernates, which keeps its
// connection meanwhile.
func TestMQTTWakes(t *testing.T) {
	b := brokertest.Start(t)
	w := newWorld(t, speaker(b), 1, func(h *Host) { outward(t)(h); h.HibernateAfter = 20 * time.Millisecond })
	w.get("/")
	for range 3 {
		w.lines.expect("subscribed 0 2|sent 0")
		w.hibernates()
		b.Publish("in/x", "wake up", 1)
		w.lines.expect("message in/x wake up")
	}
	w.lines.expect("sent 0")
}

// hibernates waits until the agent is bytes.
func (w *world) hibernates() {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, frozen, _ := w.host.Counts(); frozen == 1 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("the agent does not hibernate")
		}
	}
}

// TestMQTTOverStop: an agent goes on when its node is started again, and hears
// that its connection is gone.
func TestMQTTOverStop(t *testing.T) {
	b := brokertest.Start(t)
	change := outward(t)
	w := newWorld(t, speaker(b), 1, change)
	w.get("/")
	w.lines.expect("subscribed 0 2")
	w.stop()
	b.Expect("disconnect me")
	w.open(change)
	w.lines.expect("Agent moved: shutdown.")
	w.lines.expect("lost")
	w.lines.expect("subscribed 0 2")
	if n := w.lines.count("Agent restarted"); n > 0 {
		t.Error("the agent has restarted")
	}
}
