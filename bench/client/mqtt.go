package client

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// MQTT is a minimal MQTT 3.1.1 client, the same for every measured server.
type MQTT struct {
	net.Conn
	r      *bufio.Reader
	id     uint16
	buf    []byte
	packet []byte
}

// Login has a client's id and password.
type Login struct{ ID, User, Password string }

// DialMQTT connects and logs in.
func DialMQTT(ctx context.Context, addr string, who Login) (*MQTT, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return NewMQTT(c, who)
}

// NewMQTT logs in on a connection, which it closes when it fails.
func NewMQTT(c net.Conn, who Login) (*MQTT, error) {
	m := &MQTT{Conn: c, r: bufio.NewReaderSize(c, 512)}
	flags := byte(2) // clean session
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0, 300 >> 8, 300 & 0xff}
	body = AppendText(body, who.ID)
	if who.User != "" {
		flags |= 0xc0
		body = AppendText(AppendText(body, who.User), who.Password)
	}
	body[7] = flags
	err := m.Exchange(0x10, body, 0x20, func(b []byte) error {
		if len(b) != 2 || b[1] != 0 {
			return fmt.Errorf("CONNACK % x", b)
		}
		return nil
	})
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("connect %s: %w", who.ID, err)
	}
	return m, nil
}

// Subscribe subscribes to a filter with QoS 1.
func (m *MQTT) Subscribe(filter string) error {
	body := append(AppendText(binary.BigEndian.AppendUint16(nil, 1), filter), 1)
	return m.Exchange(0x82, body, 0x90, func(b []byte) error {
		if len(b) != 3 || b[2] > 2 {
			return fmt.Errorf("SUBACK % x", b)
		}
		return nil
	})
}

// Exchange sends one packet and reads until its answer.
func (m *MQTT) Exchange(kind byte, body []byte, want byte, check func([]byte) error) error {
	if err := m.Send(kind, body); err != nil {
		return err
	}
	for {
		got, b, err := m.Next()
		if err != nil {
			return err
		}
		if got == want {
			return check(b)
		}
	}
}

// Send sends a packet.
func (m *MQTT) Send(kind byte, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	m.buf = append(m.buf[:0], kind)
	m.buf = binary.AppendUvarint(m.buf, uint64(n)) // MQTT encodes lengths in this way
	for _, p := range parts {
		m.buf = append(m.buf, p...)
	}
	_, err := m.Conn.Write(m.buf)
	return err
}

// Next reads a packet; the body is valid until the next call.
func (m *MQTT) Next() (byte, []byte, error) { return m.NextWithin(30 * time.Second) }

// NextWithin is Next with a time limit; 0 means none.
func (m *MQTT) NextWithin(limit time.Duration) (byte, []byte, error) {
	var deadline time.Time
	if limit > 0 {
		deadline = time.Now().Add(limit)
	}
	if err := m.Conn.SetReadDeadline(deadline); err != nil {
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

// Publish sends a message with QoS 1 and does not wait for the acknowledgement.
func (m *MQTT) Publish(topic string, payload []byte) error {
	m.id++
	if m.id == 0 {
		m.id = 1
	}
	head := binary.BigEndian.AppendUint16(AppendText(nil, topic), m.id)
	return m.Send(0x32, head, payload)
}

// ID returns the packet id of the last message that was published.
func (m *MQTT) ID() uint16 { return m.id }

// Receive returns the payload of the next message, and acknowledges it if it has QoS 1.
func (m *MQTT) Receive() ([]byte, error) {
	for {
		kind, b, err := m.Next()
		if err != nil {
			return nil, err
		}
		if kind>>4 != 3 {
			continue
		}
		at := 2 + int(binary.BigEndian.Uint16(b))
		if kind&6 != 0 {
			if err := m.Send(0x40, b[at:at+2]); err != nil {
				return nil, err
			}
			at += 2
		}
		return b[at:], nil
	}
}

// AppendText appends a string as MQTT encodes it.
func AppendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}
