package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem/gateway/session"
	"github.com/tandem-iot/tandem/mqtt"
)

// rawSocket opens a WebSocket whose frames the test makes itself.
func rawSocket(t *testing.T, s *httptest.Server) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	fmt.Fprintf(nc, "GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp, err)
	}
	return nc
}

// frame is a frame of a client with less than 126 bytes, masked with zeros.
func frame(first byte, data ...byte) []byte {
	return append([]byte{first, 0x80 | byte(len(data)), 0, 0, 0, 0}, data...)
}

// Frames of WebSocket.
const (
	unfinished   = 0x02 // binary, and more of the message follows
	continuation = 0x00
	wsPing       = 0x89
)

// TestWebSocketStranger: frames with nothing in them do not keep a stranger's connection.
func TestWebSocketStranger(t *testing.T) {
	for name, f := range map[string][]byte{
		"empty fragments": frame(continuation), "pings": frame(wsPing), "pongs": frame(0x8A),
		"fragments of one byte": frame(continuation, 0x10),
	} {
		t.Run(name, func(t *testing.T) {
			g := &Gateway{Host: newHost()}
			serve(t, g)
			s := httptest.NewServer(g)
			defer s.Close()
			nc := rawSocket(t, s)
			if _, err := nc.Write(frame(unfinished)); err != nil {
				t.Fatal(err)
			}
			flood := bytes.Repeat(f, 1000)
			for total := 0; ; total += len(flood) {
				if err := nc.SetWriteDeadline(time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
				if _, err := nc.Write(flood); err != nil {
					break
				}
				if total > 50<<20 {
					t.Fatal("50 MB are taken from a stranger")
				}
			}
			waitFor(t, func() bool { g.mu.Lock(); defer g.mu.Unlock(); return g.count == 0 })
		})
	}
}

// TestWebSocketFragments: a device may send its bytes one in a frame, at its rate, and frames with
// nothing in them are read at its rate of bytes.
func TestWebSocketFragments(t *testing.T) {
	h := newHost()
	g := &Gateway{Host: h}
	serve(t, g)
	s := httptest.NewServer(g)
	defer s.Close()
	nc := rawSocket(t, s)
	go io.Copy(io.Discard, nc) // ends with the connection
	out := frame(unfinished)
	for _, b := range packets(t, mqtt.V5, connecting(mqtt.V5), &mqtt.Publish{Topic: "agent/x", Payload: []byte("whole")}) {
		out = append(out, frame(continuation, b)...)
	}
	if _, err := nc.Write(out); err != nil {
		t.Fatal(err)
	}
	h.next(t, "connect")
	if m := h.next(t, "agent/x").message; string(m.Data) != "whole" {
		t.Errorf("%q", m.Data)
	}
	flood := bytes.Repeat(frame(continuation), 10_000)
	for total := 0; ; total += len(flood) {
		if err := nc.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Write(flood); err != nil {
			break // it is stopped
		}
		if total > 100<<20 {
			t.Fatal("100 MB of empty frames were taken")
		}
	}
}

// TestWebSocketDeadlines: what a session has to do at a time does not end a WebSocket, whose reads
// cannot be interrupted: a device that does not subscribe, and one that is slowed down, keep theirs.
// A silent one loses it.
func TestWebSocketDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		g := &Gateway{Host: h}
		client, server := net.Pipe()
		nc := dialSocket(t, g, client, server)
		go io.Copy(io.Discard, nc) // ends with the connection
		send := func(list ...mqtt.Packet) {
			t.Helper()
			if _, err := nc.Write(packets(t, mqtt.V5, list...)); err != nil {
				t.Fatal(err)
			}
		}
		send(connecting(mqtt.V5)) // keep-alive is 30 s
		h.next(t, "connect")
		<-time.After(session.EarlyTime + 5*time.Second)
		send(&mqtt.Publish{Topic: "agent/x"})
		h.next(t, "agent/x")
		const count = 60
		for range count {
			send(&mqtt.Publish{Topic: "sys/status"})
		}
		<-time.After(time.Minute) // of which 20 s are slowed down, and 40 s silent
		for n := 0; n < count; {
			if ev := <-h.events; ev.what == "sys/status" {
				n++
			} else if ev.what != "log/error" {
				t.Fatalf("the host is told %q", ev.what)
			}
		}
		<-time.After(10 * time.Second)
		h.next(t, "lost")
		client.Close()
	})
}
