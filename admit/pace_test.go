package admit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// serve runs a handler behind Pace on a connection in memory.
func serve(t *testing.T, h http.HandlerFunc) (client net.Conn) {
	m := newInMemory()
	s := &http.Server{ReadTimeout: Grace, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Pace(w, r)
		h(w, r)
	})}
	go s.Serve(m)
	client = m.dial("192.0.2.1:1")
	t.Cleanup(func() { client.Close(); s.Close(); synctest.Wait() })
	return client
}

// TestPaceSilent: a client that sends nothing is cut off after Grace, whether its body is
// read or not, and one that goes on sending is not.
func TestPaceSilent(t *testing.T) {
	for _, read := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var failure error
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if read {
					_, failure = io.ReadAll(r.Body)
				}
			})
			began := time.Now()
			fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
			io.Copy(io.Discard, c)
			if took := time.Since(began); took < Grace || took > Grace+10*time.Second {
				t.Errorf("read: %v; cut off after %v", read, took)
			}
			if timeout := net.Error(nil); read && (!errors.As(failure, &timeout) || !timeout.Timeout()) {
				t.Errorf("reading fails with %v", failure)
			}
		})
	}
}

func TestPaceSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			<-time.After(2 * Grace) // the deadline must not end a request that is complete
			fmt.Fprint(w, len(body), err, r.Context().Err())
		})
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
		for range 1000 {
			<-time.After(100 * time.Second / Rate)
			if _, err := c.Write(make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "100000 <nil> <nil>" {
			t.Errorf("%s, %v", body, err)
		}
	})
}

// TestPaceWithout: a request without a body has no deadline.
func TestPaceWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			<-time.After(2 * Grace)
			fmt.Fprint(w, r.Context().Err())
		})
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "<nil>" {
			t.Errorf("%s, %v", body, err)
		}
	})
}

// TestInterrupt: reading ends at once, and the deadline of the next request is its own.
func TestInterrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			b := r.Body.(*Body)
			if r.URL.Path == "/early" {
				io.Copy(io.Discard, b)
				b.Interrupt()
				return
			}
			time.AfterFunc(time.Second, b.Interrupt)
			if _, err := b.Read(make([]byte, 1)); err == nil {
				t.Error("read")
			}
			if _, err := b.Read(make([]byte, 1)); err == nil {
				t.Error("read again")
			}
		})
		began := time.Now()
		const head = " HTTP/1.1\r\nContent-Length: 1\r\nHost: h\r\n\r\n"
		for _, raw := range []string{"/early" + head + "x", "/late" + head} {
			io.WriteString(c, "POST "+raw)
			if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
				t.Errorf("%v, %v", resp, err)
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestReadBody(t *testing.T) {
	const limit = 100_000
	for _, size := range []int{0, 1, FirstRead - 1, FirstRead, FirstRead + 1, limit - 1, limit, limit + 1} {
		text := strings.Repeat("x", size)
		for _, announced := range []int64{int64(size), -1} {
			var took int64
			grow := func(n int64) bool { took += n; return true }
			got, err := ReadBody(iotest.HalfReader(strings.NewReader(text)), announced, limit, grow)
			if size > limit {
				if !errors.Is(err, ErrLarge) {
					t.Errorf("%d bytes, announced as %d: %v", size, announced, err)
				}
			} else if err != nil || string(got) != text || took > int64(max(0, 2*size-FirstRead)) {
				t.Errorf("%d bytes, announced as %d: %d, %v, with room for %d more", size, announced, len(got), err, took)
			}
		}
	}
	if _, err := ReadBody(strings.NewReader("x"), 2, 2, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that is cut off: %v", err)
	}
	room := func(int64) bool { return false }
	if _, err := ReadBody(strings.NewReader(strings.Repeat("x", FirstRead+1)), -1, limit, room); !errors.Is(err, ErrFull) {
		t.Errorf("no room: %v", err)
	}
	// A client that announces much and sends little takes little.
	took := int64(0)
	_, err := ReadBody(strings.NewReader("x"), limit, limit, func(n int64) bool { took += n; return true })
	if err == nil || took != 0 {
		t.Errorf("%d bytes were taken; %v", took, err)
	}
}

// TestWrite: a client that reads nothing is cut off, and one that reads slowly gets all.
func TestWrite(t *testing.T) {
	for _, slow := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			var took time.Duration
			done := make(chan error, 1)
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				err := NewAnswer(w, nil).Write(make([]byte, 1<<20))
				took = time.Since(began)
				done <- err
			})
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			if slow {
				buf := make([]byte, 1<<10)
				for n := 0; n < 1<<20; {
					m, err := c.Read(buf)
					if err != nil {
						t.Fatal(err)
					}
					n += m
					<-time.After(time.Duration(m) * time.Second / (2 * Rate))
				}
				go io.Copy(io.Discard, c) // the rest, as long as the header is
			}
			if err := <-done; (err == nil) != slow || !slow && (took < Grace || took > Grace+time.Minute) {
				t.Errorf("slow: %v; after %v: %v", slow, took, err)
			}
		})
	}
}

// TestInterruptAnswer: writing to a client that reads nothing ends at once.
func TestInterruptAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		done := make(chan error, 1)
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			parts := 0
			a := NewAnswer(w, func() { parts++ })
			time.AfterFunc(time.Second, a.Interrupt)
			began := time.Now()
			err := a.Write(make([]byte, 1<<20))
			if took := time.Since(began); took != time.Second || parts > 1 {
				t.Errorf("took %v for %d parts", took, parts)
			}
			a.Interrupt()
			done <- err
		})
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		if err := <-done; err == nil {
			t.Error("all was written")
		}
	})
}
