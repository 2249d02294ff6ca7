package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/mqtt/batch"
)

// countingAgent remembers what it was given.
const countingAgent = `
got <- [];
device.on("n", function(x) { got.push(x); });
http.onrequest(function(q, r) { r.send(200, http.jsonencode(got)); });`

// numbering is a client of MQTT 5 that numbers its messages and has no other manners.
type numbering struct {
	t  *testing.T
	nc net.Conn
	in []byte
	d  mqtt.Decoder
}

func dialClient(t *testing.T, addr, id, key string) *numbering {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &numbering{t: t, nc: nc, d: mqtt.Decoder{Version: mqtt.V5, MaxSize: 1 << 20}}
	c.say(&mqtt.Connect{
		Version: mqtt.V5, CleanStart: true, ClientID: id,
		HasUsername: true, Username: id, HasPassword: true, Password: []byte(key),
	})
	if ack, ok := c.hear().(*mqtt.Connack); !ok || ack.Code.Failed() {
		t.Fatalf("CONNACK: %+v", ack)
	}
	return c
}

func (c *numbering) say(p mqtt.Packet) {
	c.t.Helper()
	b, err := mqtt.Append(nil, p, mqtt.V5)
	if err == nil {
		_, err = c.nc.Write(b)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *numbering) hear() mqtt.Packet {
	c.t.Helper()
	for {
		p, n, err := c.d.Decode(c.in)
		if err == nil {
			c.in = c.in[n:]
			return p
		}
		if err != mqtt.ErrIncomplete {
			c.t.Fatal(err)
		}
		buf := make([]byte, 4096)
		n, err = c.nc.Read(buf)
		if err != nil {
			c.t.Fatal(err)
		}
		c.in = append(bytes.Clone(c.in), buf[:n]...)
	}
}

// publish publishes a message with a number, alone or as a batch of one, and returns what came of it.
func (c *numbering) publish(qos byte, topic string, mark tandem.Mark, payload string, inBatch bool) mqtt.Ack {
	c.t.Helper()
	p := &mqtt.Publish{Topic: topic, Payload: []byte(payload), Props: &mqtt.Properties{User: []mqtt.UserProperty{
		{Key: "boot", Value: strconv.FormatUint(mark.Boot, 10)}, {Key: "seq", Value: strconv.FormatUint(mark.Seq, 10)},
	}}}
	if inBatch {
		packets, err := batch.Append(nil, p)
		if err != nil {
			c.t.Fatal(err)
		}
		p = &mqtt.Publish{Topic: batch.Topic, Payload: batch.Pack(packets)}
	}
	p.QoS, p.PacketID = qos, 1
	c.say(p)
	ack, ok := c.hear().(*mqtt.Ack)
	if !ok {
		c.t.Fatal("no acknowledgement")
	}
	outcome := *ack // its memory is used again
	if ack.Kind == mqtt.TypePubrec && !ack.Code.Failed() {
		c.say(&mqtt.Ack{Kind: mqtt.TypePubrel, PacketID: 1})
		c.hear()
	}
	return outcome
}

// TestLostCount: whatever numbers a client without hello gives its messages, each that is acknowledged with
// success was handled, and of each other it is told that it was not, and above which number it may go on.
func TestLostCount(t *testing.T) {
	n := start(t, &Server{})
	id, key, url := n.pairOf(central.Code{Agent: countingAgent})
	random := rand.New(rand.NewPCG(1, 2))
	var c *numbering
	var want []int
	newest, refused := tandem.Mark{}, 0
	for i := range 300 {
		if i%60 == 0 {
			if c != nil {
				c.nc.Close()
			}
			c = dialClient(t, n.MQTT, string(id), key)
		}
		mark := tandem.Mark{Boot: 1 + random.Uint64N(uint64(2+i/20)), Seq: 1 + random.Uint64N(5)}
		ack := c.publish(byte(1+random.IntN(2)), "agent/n", mark, strconv.Itoa(i), random.IntN(3) == 0)
		if mark.After(newest) {
			newest = mark
			want = append(want, i)
			if ack.Code != mqtt.Success {
				t.Fatalf("%v after %v: %v", mark, newest, ack.Code)
			}
			continue
		}
		refused++
		boot, _ := ack.Props.Get("boot")
		seq, _ := ack.Props.Get("seq")
		told := fmt.Sprintf("{%s %s}", boot, seq)
		if ack.Code != mqtt.ImplementationError || told != fmt.Sprint(newest) {
			t.Fatalf("%v after %v: %v %s", mark, newest, ack.Code, told)
		}
	}
	_, body := n.get(url, nil)
	var got []int
	if err := json.Unmarshal([]byte(body), &got); err != nil || fmt.Sprint(got) != fmt.Sprint(want) || refused < 100 {
		t.Errorf("%v: %d refused, and the agent has got\n%v instead of\n%v", err, refused, got, want)
	}

	for _, tc := range []struct {
		topic string
		mark  tandem.Mark
		code  mqtt.Reason
	}{
		{"log", tandem.Mark{Boot: 1, Seq: 1}, mqtt.Success},
		{"log/error", tandem.Mark{Boot: 1, Seq: 1}, mqtt.ImplementationError},
		{"log", tandem.Mark{Boot: 1, Seq: 2}, mqtt.Success},
		{"log", tandem.Mark{Boot: 0, Seq: 2}, mqtt.Success},
	} {
		if ack := c.publish(1, tc.topic, tc.mark, "line", false); ack.Code != tc.code {
			t.Errorf("a line for %s with %v: %v", tc.topic, tc.mark, ack.Code)
		}
	}
	c.nc.Close()
}

// TestLostCountTold: mosquitto_pub, which uses the same number for each message, says which were not handled.
func TestLostCountTold(t *testing.T) {
	if _, err := exec.LookPath("mosquitto_pub"); err != nil {
		t.Fatalf("%v: install Debian's mosquitto-clients", err)
	}
	n := start(t, &Server{})
	id, key, url := n.pairOf(central.Code{Agent: countingAgent})
	_, port, err := net.SplitHostPort(n.MQTT)
	if err != nil {
		t.Fatal(err)
	}
	for i, warns := range []bool{false, true} {
		for _, qos := range []string{"1", "2"} {
			out, err := exec.Command("mosquitto_pub", "-V", "mqttv5", "-p", port, "-i", string(id), "-u", string(id),
				"-P", key, "-t", "agent/n", "-m", fmt.Sprint(i), "-q", qos,
				"-D", "publish", "user-property", "boot", qos,
				"-D", "publish", "user-property", "seq", "1").CombinedOutput()
			if err != nil || strings.Contains(string(out), "failed") != warns {
				t.Errorf("message %d with QoS %s: %v: %s", i, qos, err, out)
			}
		}
	}
	if _, body := n.get(url, nil); body != "[ 0, 0 ]" {
		t.Errorf("the agent has got %s", body)
	}
}
