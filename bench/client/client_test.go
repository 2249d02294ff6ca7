package client

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Header.Get("X-Status") != "" {
			w.WriteHeader(http.StatusTeapot)
		}
		w.Write(body)
	}))
	defer server.Close()
	h, err := DialHTTP(t.Context(), strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, body := range []string{"one", "another", ""} {
		if answer, err := h.Post("/", []byte(body)); err != nil || string(answer) != body {
			t.Errorf("%q is answered %q, %v", body, answer, err)
		}
	}
	status, answer, err := h.Ask("GET", "/", "X-Status: 418\r\n", []byte("x"))
	if status != http.StatusTeapot || string(answer) != "x" || err != nil {
		t.Errorf("got %d %q %v", status, answer, err)
	}
}

// A server that lets one client in, and sends its messages back.
func TestMQTT(t *testing.T) {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		buf := make([]byte, 1000)
		for _, answer := range []string{"\x20\x02\x00\x00", "\x90\x03\x00\x01\x01"} {
			if _, err := theirs.Read(buf); err != nil {
				t.Error(err)
				return
			}
			io.WriteString(theirs, answer) // its reader reports an error
		}
		n, err := theirs.Read(buf)
		if err != nil {
			t.Error(err)
			return
		}
		theirs.Write(buf[:n]) // as above
		theirs.Read(buf)      // the acknowledgement
	}()
	m, err := NewMQTT(ours, Login{"device", "device", "key"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Subscribe("device/#"); err != nil {
		t.Fatal(err)
	}
	if err := m.Publish("agent/x", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Receive(); err != nil || string(got) != "hello" || m.ID() != 1 {
		t.Errorf("got %q, %v, id %d", got, err, m.ID())
	}
}

func TestAPI(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v5/auth/token":
			io.WriteString(w, `{"access_token":"secret"}`)
		case "/v5/devicegroups":
			var got struct{ Data struct{ Type string } }
			err := json.NewDecoder(r.Body).Decode(&got)
			if err != nil || got.Data.Type != "development_devicegroup" || r.Header.Get("Authorization") != "Bearer secret" {
				t.Errorf("got %+v, %v, %v", got, r.Header, err)
			}
			io.WriteString(w, `{"data":{"id":"1"}}`)
		default:
			http.Error(w, "no", http.StatusNotFound)
		}
	}))
	defer server.Close()
	web := strings.TrimPrefix(server.URL, "http://")
	var a API
	if err := a.Login(t.Context(), web, "key"); err != nil || !a.LoggedIn() {
		t.Fatal(err)
	}
	m, err := a.Create(t.Context(), server.URL, "devicegroup", nil, map[string]string{"product": "2"})
	if err != nil || m.ID != "1" {
		t.Errorf("created %+v, %v", m, err)
	}
	if err := a.Call(t.Context(), web, "GET", "/nothing", "", nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a call that is refused: %v", err)
	}
}

func TestGetJSON(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusTeapot)
		}
		io.WriteString(w, `{"n":7}`)
	}))
	defer server.Close()
	var out struct{ N int }
	if err := GetJSON(t.Context(), server.Client(), server.URL, &out); err != nil || out.N != 7 {
		t.Errorf("got %+v, %v", out, err)
	}
	err := GetJSON(t.Context(), server.Client(), server.URL+"/x", &out)
	if err == nil || !strings.Contains(err.Error(), "418") {
		t.Errorf("got %v", err)
	}
}

func TestSoon(t *testing.T) {
	tries := 0
	err := Soon(t.Context(), func() error {
		if tries++; tries < 3 {
			return io.EOF
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%v after %d tries", err, tries)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := Soon(ended, func() error { return io.EOF }); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

func TestSample(t *testing.T) {
	s := NewSample(2*time.Second, []time.Duration{3e6, 1e6}, []time.Duration{2e6, 4e6})
	if s.PerSecond() != 2 || s.MS(0) != 1 || s.MS(99) != 4 {
		t.Errorf("%v a second, from %v to %v ms", s.PerSecond(), s.MS(0), s.MS(99))
	}
	if got := Median([]Sample{{}, s, NewSample(time.Second, []time.Duration{1})}).PerSecond(); got != 1 {
		t.Errorf("the median run has %v a second", got)
	}
}
