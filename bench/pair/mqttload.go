package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// mqttConn is a minimal MQTT 3.1.1 client, the same for every measured server.
type mqttConn struct {
	c      net.Conn
	r      *bufio.Reader
	id     uint16
	buf    []byte
	packet []byte
}

// login has a client's id and password.
type login struct{ id, user, password string }

func dialMQTT(ctx context.Context, addr string, who login) (*mqttConn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	m := &mqttConn{c: c, r: bufio.NewReaderSize(c, 512)}
	flags := byte(2) // clean session
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0, 300 >> 8, 300 & 0xff}
	body = appendText(body, who.id)
	if who.user != "" {
		flags |= 0xc0
		body = appendText(appendText(body, who.user), who.password)
	}
	body[7] = flags
	err = m.exchange(0x10, body, 0x20, func(b []byte) error {
		if len(b) != 2 || b[1] != 0 {
			return fmt.Errorf("CONNACK % x", b)
		}
		return nil
	})
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("connect %s: %w", who.id, err)
	}
	return m, nil
}

func (m *mqttConn) subscribe(filter string) error {
	body := append(appendText(binary.BigEndian.AppendUint16(nil, 1), filter), 1)
	return m.exchange(0x82, body, 0x90, func(b []byte) error {
		if len(b) != 3 || b[2] > 2 {
			return fmt.Errorf("SUBACK % x", b)
		}
		return nil
	})
}

// exchange sends one packet and reads until its answer.
func (m *mqttConn) exchange(kind byte, body []byte, want byte, check func([]byte) error) error {
	if err := m.send(kind, body); err != nil {
		return err
	}
	for {
		got, b, err := m.next()
		if err != nil {
			return err
		}
		if got == want {
			return check(b)
		}
	}
}

func (m *mqttConn) send(kind byte, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	m.buf = append(m.buf[:0], kind)
	m.buf = binary.AppendUvarint(m.buf, uint64(n)) // MQTT encodes lengths in this way
	for _, p := range parts {
		m.buf = append(m.buf, p...)
	}
	_, err := m.c.Write(m.buf)
	return err
}

// next reads a packet; the body is valid until the next call.
func (m *mqttConn) next() (byte, []byte, error) { return m.nextWithin(30 * time.Second) }

// nextWithin is next with a time limit; 0 means none.
func (m *mqttConn) nextWithin(limit time.Duration) (byte, []byte, error) {
	var deadline time.Time
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	if err := m.c.SetReadDeadline(deadline); err != nil {
		return 0, nil, err
	}
	kind, err := m.r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(m.r)
	if err != nil {
		return 0, nil, err
	}
	if n > 1<<20 {
		return 0, nil, fmt.Errorf("a packet of %d bytes", n)
	}
	if cap(m.packet) < int(n) {
		m.packet = make([]byte, n)
	}
	m.packet = m.packet[:n]
	_, err = io.ReadFull(m.r, m.packet)
	return kind, m.packet, err
}

// publish sends a message with QoS 1 and does not wait for the acknowledgement.
func (m *mqttConn) publish(topic string, payload []byte) error {
	m.id++
	if m.id == 0 {
		m.id = 1
	}
	head := binary.BigEndian.AppendUint16(appendText(nil, topic), m.id)
	return m.send(0x32, head, payload)
}

// receive returns the payload of the next message, and acknowledges it if it has QoS 1.
func (m *mqttConn) receive() ([]byte, error) {
	for {
		kind, b, err := m.next()
		if err != nil {
			return nil, err
		}
		if kind>>4 != 3 {
			continue
		}
		at := 2 + int(binary.BigEndian.Uint16(b))
		if kind&6 != 0 {
			if err := m.send(0x40, b[at:at+2]); err != nil {
				return nil, err
			}
			at += 2
		}
		return b[at:], nil
	}
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// mqttPair is a client with the topic that it publishes to and the topic of the echo.
type mqttPair struct {
	login         login
	publish, hear string
}

// mqttTarget is a server with an echoing client or agent.
type mqttTarget struct {
	name    string
	addr    string
	servers []*process // that take processor time for it
	pairs   []mqttPair
}

// cpu is the processor time that the servers have used.
func (t mqttTarget) cpu() (sum time.Duration) {
	for _, s := range t.servers {
		sum += s.cpu()
	}
	return sum
}

// connect opens and subscribes every client, 32 at a time.
func (t mqttTarget) connect(ctx context.Context) ([]*mqttConn, error) {
	conns := make([]*mqttConn, len(t.pairs))
	errs := make([]error, 32)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := w; i < len(t.pairs) && ctx.Err() == nil; i += len(errs) {
				if conns[i], errs[w] = dialMQTT(ctx, t.addr, t.pairs[i].login); errs[w] != nil {
					return
				}
				if errs[w] = conns[i].subscribe(t.pairs[i].hear); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := firstError(t.name, errs); err != nil {
		hangUp(conns)
		return nil, err
	}
	return conns, ctx.Err()
}

func hangUp(conns []*mqttConn) {
	for _, c := range conns {
		if c != nil {
			c.c.Close()
		}
	}
}

// load keeps one message on a round trip in at most active pairs at a time, and changes
// the pair after every round trip. most limits the round trips of each; 0: no limit.
func (t mqttTarget) load(
	ctx context.Context, conns []*mqttConn, active, most int, d time.Duration, payload []byte,
) (sample, error) {
	active = min(active, len(conns))
	took := make([][]time.Duration, active)
	errs := make([]error, active)
	var wg sync.WaitGroup
	start := time.Now()
	for w := range active {
		wg.Go(func() {
			for i := w; ctx.Err() == nil && time.Since(start) < d; i += active {
				if most > 0 && len(took[w]) == most {
					return
				}
				// Every worker uses its own connections.
				if i >= len(conns) {
					i = w
				}
				begin := time.Now()
				if errs[w] = conns[i].publish(t.pairs[i].publish, payload); errs[w] != nil {
					return
				}
				answer, err := conns[i].receive()
				if err != nil || string(answer) != string(payload) {
					errs[w] = fmt.Errorf("echo %q: %w", answer, err)
					return
				}
				took[w] = append(took[w], time.Since(begin))
			}
		})
	}
	wg.Wait()
	return newSample(time.Since(start), took...), firstError(t.name, errs)
}
