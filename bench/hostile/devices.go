package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
)

// slowed matches the line of a device's log that says that it sends too much, and is made to wait,
// or disconnected.
const slowed = `(?i)throttled|has to wait|too many|too large|disconnected because|more than|slowed`

// busyCode is an agent that does something with each message.
const busyCode = `
n <- 0; device.on("x", function(d) { for (local i = 0; i < 1000; i++) n += i; });
device.onconnect(function() { n++; }); device.ondisconnect(function() { n--; });`

// devices are attacks by MQTT: by strangers, and by devices that have a key.
var devices = []attack{
	{name: "2,000 connections that say nothing", on: "MQTT", noted: refused, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.crowd(ctx, t, t.MQTT, 2000, "\x10")
	}},
	{name: "CONNECT packets of 256 MB", on: "MQTT", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		const begin = "\x10\xff\xff\xff\x7f\x00\x04MQTT\x04\xc2\x00\x3c\xff\xff"
		return s.crowd(ctx, t, t.MQTT, 500, begin+strings.Repeat("x", 60_000))
	}},
	{name: "keys of a device are guessed", on: "MQTT", noted: `(?i)log.?in`, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.each(ctx, 8, func(i int) error {
			nc, err := t.dial(ctx, t.MQTT, i)
			if err != nil {
				return err
			}
			who := t.login()
			who.Password = fmt.Sprintf("%032x", s.bad.Load())
			m, err := client.NewMQTT(nc, who)
			if err == nil {
				m.Close()
			}
			return err
		})
	}},
	{name: "packets that are none", on: "MQTT", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.logins(ctx, t, 8, func(m *client.MQTT, n int64) error {
			forms := [][]byte{
				{0x30, 0xff, 0xff, 0xff, 0xff, 0x7f}, {0x3f, 2, 0, 0}, {0x32, 3, 0, 9, 'x'}, {0x82, 3, 0, 0, 0},
				{0xf0, 0}, {0x10, 0},
				{0x30, 5, 0, 3, 0xff, 0xfe, 0}, {0x40, 0}, {0x62, 2, 0xff, 0xff},
				{0x82, 8, 0, 1, 0, 3, '#', '/', '#', 9}, {0xe1, 1},
			}
			_, err := m.Write(forms[n%int64(len(forms))])
			if _, _, err := m.NextWithin(time.Second); err != nil {
				return err
			}
			return err
		})
	}},
	{name: "messages with QoS 0 as fast as they go", on: "MQTT", said: slowed + "|" + hog, code: busyCode, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.flood(ctx, t, "agent/x", func(int64) []byte { return []byte("1") })
	}},
	{name: "messages for which there is no handler", on: "MQTT", said: slowed + "|" + hog, load: func(
		ctx context.Context, t *target, s *share) error {
		name := strings.Repeat("n", 60_000)
		return s.flood(ctx, t, "agent/"+name, func(int64) []byte { return nil })
	}},
	{name: "messages of 250 KB, nested or wide", on: "MQTT",
		said: slowed + "|" + hog + "|nested|JSON", code: busyCode, load: func(
			ctx context.Context, t *target, s *share) error {
			forms := [][]byte{
				[]byte(strings.Repeat("[", 250_000)), []byte("[" + strings.Repeat("{},", 83_000) + "{}]"),
				[]byte(`"` + strings.Repeat(`\u0000`, 41_000) + `"`), []byte("[" + strings.Repeat("1e9,", 62_000) + "1]"),
				[]byte(strings.Repeat("\xff", 250_000)), []byte(`{"a":` + strings.Repeat(`{"a":`, 49_000)),
			}
			return s.flood(ctx, t, "agent/x", func(n int64) []byte { return forms[n%int64(len(forms))] })
		}},
	{name: "log lines of a device", on: "MQTT", said: slowed, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.flood(ctx, t, "log", func(n int64) []byte { return fmt.Appendf(nil, "line %d", n) })
	}},
	{name: "hellos of ever new programs", on: "MQTT", said: slowed, code: busyCode, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.flood(ctx, t, "sys/hello", func(n int64) []byte {
			const hello = `{"boot":%d,"incarnation":%d,"wake":1,"reason":"restart","runtime":"x","code":"%064x"}`
			return fmt.Appendf(nil, hello, n, n, n)
		})
	}},
	{name: "status lines of a device", on: "MQTT", said: slowed, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.flood(ctx, t, "sys/status", func(n int64) []byte {
			return fmt.Appendf(nil, `{"type":"status","msg":"status %d"}`, n)
		})
	}},
	{name: "a device that connects again and again", on: "MQTT",
		said: slowed, code: busyCode, load: func(
			ctx context.Context, t *target, s *share) error {
			return s.logins(ctx, t, 4, func(m *client.MQTT, n int64) error {
				if n%2 == 0 {
					return errors.New("hang up")
				}
				return m.Subscribe("device/#")
			})
		}},
	{name: "subscriptions without end", on: "MQTT", said: slowed + "|subscri", load: func(
		ctx context.Context, t *target, s *share) error {
		return s.logins(ctx, t, 1, func(m *client.MQTT, n int64) error {
			return m.Subscribe(fmt.Sprintf("device/%d/%s", n, strings.Repeat("+/", 1000)))
		})
	}},
	{name: "numbered messages with numbers that jump", on: "MQTT", said: slowed + "|" + hog, code: busyCode, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.numbered(ctx, t)
	}},

	{name: "WebSockets that say nothing", on: "MQTT over WebSocket", noted: refused, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.crowd(ctx, t, t.HTTP, 1000, upgrade)
	}},
	{name: "frames of 2^63 bytes, fragments and pings", on: "MQTT over WebSocket", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		forms := []string{
			"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", "\x02\x81\x00\x00\x00\x00x", "\x89\x80\x00\x00\x00\x00",
			"\x82\x05hello", "\xff\xff", "\x80\x81\x00\x00\x00\x00x", "\x88\xfe\xff\xff\x00\x00\x00\x00",
			"\x81\x81\x00\x00\x00\x00x",
		}
		return s.requests(ctx, t, t.HTTP, 16, func(n int64) string {
			return upgrade + strings.Repeat(forms[n%int64(len(forms))], 100)
		})
	}},
	{name: "messages by WebSocket as fast as they go", on: "MQTT over WebSocket",
		said: slowed + "|" + hog, code: busyCode, load: func(
			ctx context.Context, t *target, s *share) error {
			return s.overWebSocket(ctx, t)
		}},
}

// secured are attacks on TLS.
var secured = []attack{
	{name: "handshakes that stop after the first flight", on: "MQTT over TLS", noted: refused, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.crowd(ctx, t, t.MQTTS, 1500, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	}},
	{name: "handshakes as fast as they go", on: "MQTT over TLS", harmless: true, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.each(ctx, 8, func(i int) error {
			nc, err := t.dial(ctx, t.MQTTS, i)
			if err != nil {
				return err
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(10 * time.Second)) // ignore the error: the handshake fails then
			return tls.Client(nc, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx)
		})
	}},
	{name: "messages over TLS as fast as they go", on: "MQTT over TLS",
		said: slowed + "|" + hog, code: busyCode, load: func(
			ctx context.Context, t *target, s *share) error {
			return s.flood(ctx, t, "agent/x", func(int64) []byte { return []byte("1") })
		}},
	{name: "HTTPS clients that stop in the handshake", on: "HTTP and API", noted: refused, load: func(
		ctx context.Context, t *target, s *share) error {
		return s.crowd(ctx, t, t.HTTP, 1000, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
	}},
}

// link logs the culprit's device in.
func (t *target) link(ctx context.Context, number int) (*client.MQTT, error) {
	addr := t.MQTT
	if t.Secure {
		addr = t.MQTTS
	}
	nc, err := t.dial(ctx, addr, number)
	if err == nil && t.Secure {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	if err != nil {
		return nil, err
	}
	return client.NewMQTT(nc, t.login())
}

// logins has n connections of the culprit's device, which take over from each other, do
// something again and again. One that fails connects again.
func (s *share) logins(ctx context.Context, t *target, n int, do func(m *client.MQTT, n int64) error) error {
	links := make([]*client.MQTT, n)
	return s.each(ctx, n, func(i int) (err error) {
		if links[i] == nil {
			if links[i], err = t.link(ctx, i); err != nil {
				links[i] = nil
				return err
			}
		}
		if err = do(links[i], s.done.Load()+s.bad.Load()); err != nil {
			links[i].Close()
			links[i] = nil
		}
		return err
	})
}

// flood publishes with QoS 0 as fast as it goes, and reads nothing. What is refused comes
// as an end of the connection.
func (s *share) flood(ctx context.Context, t *target, topic string, payload func(n int64) []byte) error {
	return s.logins(ctx, t, 1, func(m *client.MQTT, n int64) error {
		m.SetWriteDeadline(time.Now().Add(time.Second)) // ignore the error: the write fails then
		var all []byte
		for range 50 {
			p := payload(n)
			all = append(all, 0x30)
			all = binary.AppendUvarint(all, uint64(2+len(topic)+len(p)))
			all = append(client.AppendText(all, topic), p...)
			n++
			if len(all) > 64<<10 {
				break
			}
		}
		_, err := m.Write(all)
		return err
	})
}

// numbered publishes with MQTT 5, with a boot and a number that jump.
func (s *share) numbered(ctx context.Context, t *target) error {
	var nc net.Conn
	return s.each(ctx, 1, func(int) (err error) {
		if nc == nil {
			if nc, err = t.dial(ctx, t.MQTT, 0); err != nil {
				nc = nil
				return err
			}
			who := t.login()
			body := []byte{0, 4, 'M', 'Q', 'T', 'T', 5, 0xc2, 0, 60, 0}
			body = client.AppendText(client.AppendText(client.AppendText(body, who.ID), who.User), who.Password)
			if _, err = nc.Write(append(binary.AppendUvarint([]byte{0x10}, uint64(len(body))), body...)); err != nil {
				nc = nil
				return err
			}
		}
		n := s.done.Load()
		var props []byte
		for _, p := range [][2]string{{"boot", fmt.Sprint(n << 40)}, {"seq", fmt.Sprint(^uint64(n))}, {"post", "x"}} {
			props = append(props, 38)
			props = client.AppendText(client.AppendText(props, p[0]), p[1])
		}
		body := binary.BigEndian.AppendUint16(client.AppendText(nil, "agent/x"), uint16(1+n%30_000))
		body = append(append(binary.AppendUvarint(body, uint64(len(props))), props...), '1')
		nc.SetWriteDeadline(time.Now().Add(time.Second)) // ignore the error: the write fails then
		if _, err = nc.Write(append(binary.AppendUvarint([]byte{0x32}, uint64(len(body))), body...)); err != nil {
			nc.Close()
			nc = nil
		}
		return err
	})
}

// upgrade asks for a WebSocket.
const upgrade = "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

// frame is a binary frame of a WebSocket, masked with zeros.
func frame(payload []byte) []byte {
	f := binary.BigEndian.AppendUint16([]byte{0x82, 0xfe}, uint16(len(payload)))
	if len(payload) < 126 {
		f = []byte{0x82, 0x80 | byte(len(payload))}
	}
	return append(append(f, 0, 0, 0, 0), payload...)
}

// overWebSocket floods the agent with messages, one a frame.
func (s *share) overWebSocket(ctx context.Context, t *target) error {
	var nc net.Conn
	publish := frame(append([]byte{0x30, 10}, append(client.AppendText(nil, "agent/x"), '1')...))
	many := []byte(strings.Repeat(string(publish), 200))
	return s.each(ctx, 1, func(int) (err error) {
		if nc == nil {
			if nc, err = t.dial(ctx, t.HTTP, 0); err != nil {
				nc = nil
				return err
			}
			who := t.login()
			body := client.AppendText([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0, 60}, who.ID)
			body = client.AppendText(client.AppendText(body, who.User), who.Password)
			_, err = io.WriteString(nc, upgrade+string(frame(append([]byte{0x10, byte(len(body))}, body...))))
		}
		nc.SetWriteDeadline(time.Now().Add(time.Second)) // ignore the error: the write fails then
		if err == nil {
			_, err = nc.Write(many)
		}
		if err != nil {
			nc.Close()
			nc = nil
		}
		return err
	})
}

// deaf connects the culprit's device, subscribes, and reads nothing.
func deaf(ctx context.Context, t *target, s *share) error {
	m, err := t.link(ctx, 0)
	if err != nil {
		return err
	}
	defer m.Close()
	if tcp, ok := m.Conn.(*net.TCPConn); ok {
		tcp.SetReadBuffer(4096) // ignore the error: the node's buffers fill later then
	}
	err = m.Subscribe("device/#")
	s.count(err)
	<-ctx.Done()
	return err
}
