package gateway

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/mqtt"
)

// roundTrip sends a message each way, the second one large.
func roundTrip(t *testing.T, h *testHost, d *device) {
	t.Helper()
	if ack := want[*mqtt.Connack](d); ack.Code != mqtt.Success {
		t.Fatalf("CONNACK %v", ack.Code)
	}
	link := h.next(t, "connect").link
	d.subscribe("device/#")
	d.delivered(d.publish("agent/x", "up", 1, nil), mqtt.Success)
	if m := h.next(t, "agent/x").message; string(m.Data) != "up" {
		t.Fatalf("%+v", m)
	}
	large := strings.Repeat("x", 200<<10)
	link.Send("device/y", tandem.Message{Data: []byte(large)})
	d.message("device/y", large)
	d.delivered(d.publish("agent/x", large, 1, nil), mqtt.Success)
	if m := h.next(t, "agent/x").message; string(m.Data) != large {
		t.Fatalf("%d bytes", len(m.Data))
	}
}

func TestWebSocket(t *testing.T) {
	versions(t, func(t *testing.T, v mqtt.Version) {
		h := newHost()
		g := &Gateway{Host: h}
		stop := serve(t, g)
		s := httptest.NewServer(g)
		defer s.Close()
		ws, resp, err := websocket.Dial(t.Context(), s.URL, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != "mqtt" {
			t.Errorf("subprotocol %q", got)
		}
		d := over(t, websocket.NetConn(t.Context(), ws, websocket.MessageBinary), connecting(v))
		roundTrip(t, h, d)
		stopped := make(chan bool)
		go func() { stop(); close(stopped) }()
		if v == mqtt.V5 {
			d.closed(mqtt.ShuttingDown)
		}
		for d.next() != nil {
		}
		d.nc.Close()
		<-stopped
		h.next(t, "lost")
	})
}

func TestWebSocketWithoutMQTT(t *testing.T) {
	g := &Gateway{Host: newHost()}
	serve(t, g)
	s := httptest.NewServer(g)
	defer s.Close()
	ws, _, err := websocket.Dial(t.Context(), s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = ws.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Error(err)
	}
	resp, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 426 {
		t.Error(resp.Status)
	}
}

// authority makes certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	a := &authority{pool: x509.NewCertPool()}
	var der []byte
	a.key, der = a.sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(t *testing.T, c *x509.Certificate) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(1)
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	signer, parent := key, c
	if a.cert != nil {
		signer, parent = a.key, a.cert
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, der := a.sign(t, &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	conf := &tls.Config{
		Certificates: []tls.Certificate{a.issue(t, "server")}, ClientCAs: a.pool,
		ClientAuth: tls.VerifyClientCertIfGiven,
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	if err != nil {
		t.Fatal(err)
	}
	h := newHost()
	serve(t, &Gateway{Host: h}, l)
	dial := func(certs ...tls.Certificate) net.Conn {
		t.Helper()
		nc, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: a.pool, Certificates: certs})
		if err != nil {
			t.Fatal(err)
		}
		return nc
	}
	d := over(t, dial(), connecting(mqtt.V5))
	roundTrip(t, h, d)
	d.nc.Close()
	h.next(t, "lost")

	keyless := connecting(mqtt.V5)
	keyless.HasPassword, keyless.HasUsername = false, false
	d = over(t, dial(a.issue(t, strings.ToUpper(deviceID))), keyless)
	roundTrip(t, h, d)
	d.nc.Close()
	h.next(t, "lost")

	refusal := map[string]mqtt.Reason{
		"none": mqtt.BadCredentials, "of another": mqtt.NotAuthorized, "of no device": mqtt.NotAuthorized,
	}
	for name, certs := range map[string][]tls.Certificate{
		"none":         nil,
		"of another":   {a.issue(t, otherID)},
		"of no device": {a.issue(t, "toaster")},
	} {
		if ack := want[*mqtt.Connack](over(t, dial(certs...), keyless)); ack.Code != refusal[name] {
			t.Errorf("certificate %s: %v", name, ack.Code)
		}
	}

	// A client that does not speak TLS, and one that says nothing.
	for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", ""} {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, text); err != nil {
			t.Fatal(err)
		}
		if text == "" {
			nc.Close()
		} else if _, err := io.ReadAll(nc); err != nil && !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
		nc.Close()
	}
}

func TestMalformed(t *testing.T) {
	connect, err := mqtt.Append(nil, connecting(mqtt.V5), mqtt.V5)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"HTTP":               "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"zeros":              strings.Repeat("\x00", 100),
		"ones":               strings.Repeat("\xff", 100),
		"PUBLISH first":      "\x30\x03\x00\x01a",
		"huge CONNECT":       "\x10\xff\xff\x7f\x00\x04MQTT",
		"large CONNECT":      string([]byte{0x10, 0x81, 0x80, 0x01, 0, 4}) + "MQTT",
		"CONNECT twice":      string(connect) + string(connect),
		"cut off":            string(connect[:20]),
		"garbage afterwards": string(connect) + "\xf7\xf7\xf7",
		"bad length":         string(connect) + "\x30\xff\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			addr, stop := start(t, &Gateway{Host: newHost()})
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if _, err := io.WriteString(nc, raw); err != nil {
				t.Fatal(err)
			}
			if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(nc); err != nil && !strings.Contains(err.Error(), "reset") {
				t.Error(err)
			}
			nc.Close()
			stop()
		})
	}
}

// pipe is a connection in fake time.
func pipe(t *testing.T, g *Gateway) (client net.Conn, ended chan bool) {
	if g.Authenticate == nil {
		g.Authenticate = authenticate
	}
	g.setUp()
	client, server := net.Pipe()
	c := g.enter(server, nil, netip.Addr{})
	ended = make(chan bool)
	go func() { c.run(); close(ended) }()
	return client, ended
}

func TestSilentStranger(t *testing.T) {
	for _, dribble := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			g := &Gateway{Host: newHost()}
			client, ended := pipe(t, g)
			defer client.Close()
			raw, err := mqtt.Append(nil, connecting(mqtt.V5), mqtt.V5)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			go io.Copy(io.Discard, client) // ends with the connection
			if dribble {
				tick := time.NewTicker(14 * time.Second)
				defer tick.Stop()
				for _, b := range raw {
					<-tick.C
					if _, err := client.Write([]byte{b}); err != nil {
						break
					}
				}
			}
			<-ended
			if took := time.Since(start); took < 10*time.Minute || took > 10*time.Minute+14*time.Second {
				t.Errorf("a stranger was suffered for %v", took)
			}
			if n := g.Over()[tandem.OverLoginTime]; n != 1 {
				t.Errorf("the limit is counted %d times", n)
			}
		})
	}
}

func TestKeepAlive(t *testing.T) {
	for _, tc := range []struct {
		v         mqtt.Version
		keepAlive uint16
		want      time.Duration
	}{
		{mqtt.V311, 10, 15 * time.Second},
		{mqtt.V311, 300, 450 * time.Second},
		{mqtt.V5, 10, 15 * time.Second},
		{mqtt.V5, 300, 60 * time.Second}, // the server's 40 s
		{mqtt.V5, 0, 60 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newHost()
			client, ended := pipe(t, &Gateway{Host: h})
			defer client.Close()
			c := connecting(tc.v)
			c.KeepAlive = tc.keepAlive
			raw, err := mqtt.Append(nil, c, tc.v)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if _, err := client.Write(raw); err != nil {
				t.Fatal(err)
			}
			all, err := io.ReadAll(client)
			if err != nil {
				t.Fatal(err)
			}
			<-ended
			if took := time.Since(start); took != tc.want {
				t.Errorf("%+v: given up after %v", tc, took)
			}
			if tc.v == mqtt.V5 && !bytes.Contains(all, []byte{0xe0}) {
				t.Errorf("no DISCONNECT in % x", all)
			}
			h.next(t, "connect")
			h.next(t, "lost")
		})
	}
}

// TestMosquitto drives the gateway with a client that is not ours.
func TestMosquitto(t *testing.T) {
	for _, name := range []string{"mosquitto_pub", "mosquitto_sub"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is missing: apt-get install mosquitto-clients", name)
		}
	}
	for _, version := range []string{"311", "5"} {
		t.Run(version, func(t *testing.T) {
			h := newHost()
			h.connect = func(_ tandem.DeviceID, l tandem.Link) error {
				l.Send("device/greeting", tandem.Message{Data: []byte(`{ "hello": "device" }`)})
				return nil
			}
			addr, _ := start(t, &Gateway{Host: h})
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			run := func(tool, key string, args ...string) (string, error) {
				cmd := exec.CommandContext(t.Context(), tool, append([]string{
					"-h", host, "-p", port, "-V", version, "-i", deviceID, "-u", deviceID, "-P", key,
				}, args...)...)
				out, err := cmd.CombinedOutput()
				return string(out), err
			}
			for qos := range 3 {
				message := fmt.Sprintf(`{"c":21.%d}`, qos)
				if out, err := run("mosquitto_pub", key, "-t", "agent/reading", "-m", message, "-q", fmt.Sprint(qos)); err != nil {
					t.Fatalf("mosquitto_pub: %v\n%s", err, out)
				}
				h.next(t, "connect")
				if m := h.next(t, "agent/reading").message; string(m.Data) != message || m.Name != "reading" {
					t.Errorf("%+v", m)
				}
				h.next(t, "goodbye")
			}
			out, err := run("mosquitto_sub", key, "-t", "device/#", "-q", "1", "-C", "1", "-v", "-W", "10")
			if err != nil || out != "device/greeting { \"hello\": \"device\" }\n" {
				t.Errorf("mosquitto_sub: %v %q", err, out)
			}
			h.next(t, "connect")
			h.next(t, "goodbye")
			if out, err := run("mosquitto_pub", "wrong", "-t", "agent/x", "-m", "1"); err == nil ||
				!strings.Contains(strings.ToLower(out), "not authori") {
				t.Errorf("wrong key: %v %q", err, out)
			}
			if out, _ := run("mosquitto_sub", key, "-t", "#", "-W", "10"); !strings.Contains(out, "denied") {
				t.Errorf("subscription to #: %q", out)
			}
		})
	}
}

// Figures may be asked for before the gateway serves, and while it begins to.
func TestDevicesEarly(t *testing.T) {
	g := &Gateway{Host: newHost(), Authenticate: authenticate}
	counted := make(chan int)
	go func() { counted <- g.Devices() }()
	start(t, g)
	if n := <-counted; n != 0 {
		t.Errorf("%d devices", n)
	}
}
