package central

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/ingress"
)

// serve serves the API as a node does.
func (w *world) serve() net.Addr {
	s := httptest.NewUnstartedServer(nil)
	s.Config = ingress.NewServer(&ingress.Guard{Handler: w.Handler()})
	s.Start()
	w.t.Cleanup(s.Close)
	return s.Listener.Addr()
}

// send connects from a local address and sends something.
func (w *world) send(to net.Addr, ip, raw string) net.Conn {
	w.t.Helper()
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0))}
	c, err := d.Dial("tcp", to.String())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, raw); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) answer(c net.Conn) (status int, body string, header http.Header) {
	w.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if resp.Close { // it has been taken out of the header
		resp.Header.Set("Connection", "close")
	}
	return resp.StatusCode, string(data), resp.Header
}

// TestStrangersBodies goes to every route without a login and announces a large body, of
// which nothing comes: the answer does not wait for it, and the connection ends.
func TestStrangersBodies(t *testing.T) {
	w := newWorld(t)
	addr := w.serve()
	for _, r := range routes {
		path := "/v5/" + strings.NewReplacer(":id", anID, ":device", noDevice).Replace(r.path)
		for _, size := range []int{maxOpenBody + 1, maxBody, 1<<31 - 1} {
			for _, authorization := range []string{"", "Authorization: Bearer wrong\r\n"} {
				w.Logins = new(admit.Logins)
				raw := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: h\r\n%sContent-Length: %d\r\n\r\n", r.method, path, authorization, size)
				status, body, header := w.answer(w.send(addr, "127.0.0.1", raw))
				want := 401
				switch r.path {
				case "auth", "auth/token", "enrol":
					want = 413
				case "invitations/accept": // which a token comes with, or none
					if authorization == "" {
						want = 413
					}
				case "openapi.json":
					want = 200
				case "logstream/:id":
					if r.open {
						want = 404
					}
				}
				if status != want || header.Get("Connection") != "close" {
					t.Errorf("%s %s of %d bytes: %d, want %d; %s", r.method, path, size, status, want, body)
				}
			}
		}
	}
	endless := "POST /v5/auth/token HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" +
		fmt.Sprintf("%x\r\n%s\r\n", maxOpenBody+1, strings.Repeat(" ", maxOpenBody+1))
	if status, body, _ := w.answer(w.send(addr, "127.0.0.1", endless)); status != 413 {
		t.Errorf("a login key without an end: %d %s", status, body)
	}
	if n := w.Over()[tandem.OverAPIBody]; n == 0 {
		t.Error("nothing is counted")
	}
}

// TestBodiesOfAccount: requests of an account that make no progress give way to one that
// does, and hold only so much.
func TestBodiesOfAccount(t *testing.T) {
	w := newWorld(t)
	addr := w.serve()
	half := "POST /v5/products HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + w.token +
		fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n%s", maxBody, strings.Repeat(" ", maxBody/2+1))
	// Each takes maxBody in the end.
	const fit = bodiesOfOwner / maxBody
	var all []net.Conn
	for range 2 * fit {
		all = append(all, w.send(addr, "127.0.0.1", half))
	}
	for _, c := range all[:1] {
		if status, body, header := w.answer(c); status != 503 || header.Get("Retry-After") == "" {
			t.Errorf("%d %s", status, body)
		}
	}
	if held := w.bodies().Held(); held > bodiesOfOwner {
		t.Errorf("%d bytes are held", held)
	}
	large := strings.Repeat(" ", 1<<20) + `{"data":{"type":"product","attributes":{"name":"x"}}}`
	if status, body := w.do("POST", "/products", w.token, large); status != 201 {
		t.Errorf("%d %.200s", status, body)
	}
}

// TestLeastRoom: a node with little memory takes requests of any size that is allowed.
func TestLeastRoom(t *testing.T) {
	w := newWorld(t)
	w.Room = 1
	body := `{"data":{"type":"product","attributes":{"name":"x"}}}`
	body += strings.Repeat(" ", maxBody-len(body))
	for _, want := range []int{201, 409} {
		if status, answer := w.do("POST", "/products", w.token, body); status != want {
			t.Errorf("%d %.200s", status, answer)
		}
	}
}

// TestGuessing: an address that guesses keys has to wait, those who are logged in there
// go on, and others do not notice.
func TestGuessing(t *testing.T) {
	w := newWorld(t)
	addr := w.serve()
	exchange := func(ip, key string) (int, string, http.Header) {
		body := fmt.Sprintf(`{"key": %q}`, key)
		return w.answer(w.send(addr, ip, fmt.Sprintf(
			"POST /v5/auth/token HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(body), body)))
	}
	me := "GET /v5/accounts/me HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + w.token + "\r\n\r\n"
	if status, body, _ := w.answer(w.send(addr, "127.0.0.1", me)); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	slow := 0
	for i := range 200 {
		status, body, header := exchange("127.0.0.1", fmt.Sprintf("%016d", i))
		if status == 429 && header.Get("Retry-After") != "" {
			slow++
		} else if status != 404 {
			t.Fatalf("%d %s", status, body)
		}
	}
	if slow == 0 || w.Logins.Slowed() != int64(slow) {
		t.Errorf("%d of 200 guesses were slowed, %d counted", slow, w.Logins.Slowed())
	}
	if status, body, _ := w.answer(w.send(addr, "127.0.0.1", me)); status != 200 {
		t.Errorf("the one who is logged in: %d %s", status, body)
	}
	if status, body, _ := exchange("127.0.0.2", w.key); status != 200 {
		t.Errorf("another address: %d %s", status, body)
	}
	if c := w.Logins.Failures(time.Now()); c.N != 200-slow || c.Sources != 1 {
		t.Errorf("the log would have %+v", c)
	}
}
