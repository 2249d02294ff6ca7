package main

import (
	"compress/gzip"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// hole accepts connections and says nothing.
func hole(ctx context.Context, t *target, s *share) error {
	return s.serve(ctx, t, func(nc net.Conn) { <-ctx.Done() })
}

// serve accepts connections until ctx ends.
func (s *share) serve(ctx context.Context, t *target, do func(net.Conn)) error {
	l, err := net.Listen("tcp", t.Serve)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	var wg sync.WaitGroup
	defer wg.Wait()
	for s.wait(ctx) {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		s.count(nil)
		wg.Go(func() {
			defer nc.Close()
			defer context.AfterFunc(ctx, func() { nc.Close() })()
			do(nc)
		})
	}
	return nil
}

// generous answers with much, at once: 1 MB, or what unpacks to 100 MB.
func generous(ctx context.Context, t *target, s *share) error {
	body := strings.Repeat("x", 1<<20-1)
	var packed strings.Builder
	z := gzip.NewWriter(&packed)
	for range 100 {
		io.WriteString(z, body) // ignore the error: a Builder has none
	}
	z.Close() // ignore the error, as above
	mux := http.NewServeMux()
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		if s.wait(ctx) {
			_, err := io.WriteString(w, body)
			s.count(err)
		}
	})
	mux.HandleFunc("/gzip", func(w http.ResponseWriter, r *http.Request) {
		if s.wait(ctx) {
			w.Header().Set("Content-Encoding", "gzip")
			_, err := io.WriteString(w, packed.String())
			s.count(err)
		}
	})
	server := &http.Server{Addr: t.Serve, Handler: mux}
	context.AfterFunc(ctx, func() { server.Close() })
	return server.ListenAndServe()
}

// broker is an MQTT broker that lets every client in. It floods all but the client "deaf",
// from which it does not read.
func broker(ctx context.Context, t *target, s *share) error {
	payload := make([]byte, 200_000)
	return s.serve(ctx, t, func(nc net.Conn) {
		buf := make([]byte, 4096)
		n, err := nc.Read(buf)
		if err != nil {
			return
		}
		if _, err := nc.Write([]byte{0x20, 2, 0, 0}); err != nil {
			return
		}
		if strings.Contains(string(buf[:n]), "deaf") {
			<-ctx.Done()
			return
		}
		packet := binary.AppendUvarint([]byte{0x30}, uint64(len(payload)+4))
		packet = append(append(packet, 0, 2, 'a', 'b'), payload...)
		for s.wait(ctx) {
			nc.SetWriteDeadline(time.Now().Add(5 * time.Second)) // ignore the error: the write fails then
			_, err := nc.Write(packet)
			if s.count(err); err != nil {
				return
			}
		}
	})
}
