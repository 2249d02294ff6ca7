package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
)

// service stands in for the services that libraries talk to. Below /echo/ it
// answers with what it was asked, in JSON; below /tree/ it keeps JSON values, as
// Firebase does. Everything else goes to the node, as by a proxy that speaks
// TLS with the world: agents see that they were asked over HTTPS.
type service struct {
	url    string
	server *http.Server

	mu   sync.Mutex
	tree map[string]json.RawMessage // by path
}

func newService(node string) (*service, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &service{url: "http://" + listener.Addr().String(), tree: map[string]json.RawMessage{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/echo/", echo)
	mux.HandleFunc("/tree/", s.serveTree)
	mux.Handle("/", &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", node
			r.Out.Header.Set("X-Forwarded-Proto", "https")
		},
		FlushInterval: -1, // the log is a stream
	})
	s.server = &http.Server{Handler: mux}
	go s.server.Serve(listener) // until close
	return s, nil
}

func (s *service) close() error { return s.server.Close() }

// echo says what it was asked. Members that services have in their answers, and
// libraries look for, are there too. A path that ends in a status has it.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	headers := map[string]string{}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	answer := map[string]any{
		"method": r.Method, "path": r.URL.Path, "query": r.URL.RawQuery, "headers": headers, "body": string(body),
		"url": "http://example.test/plot", "error": "", "access_token": "token", "instance_url": "http://example.test",
	}
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/403") {
		w.WriteHeader(http.StatusForbidden)
	}
	json.NewEncoder(w).Encode(answer) // it fails when nobody is there any more
}

func (s *service) serveTree(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := r.URL.Path
	w.Header().Set("Content-Type", "application/json")
	switch r.Method {
	case http.MethodPut, http.MethodPatch:
		s.tree[path] = body
		w.Write(body)
	case http.MethodPost:
		s.tree[strings.TrimSuffix(path, ".json")+"/pushed.json"] = body
		io.WriteString(w, `{"name":"pushed"}`)
	case http.MethodDelete:
		delete(s.tree, path)
		io.WriteString(w, "null")
	default:
		if value, ok := s.tree[path]; ok {
			w.Write(value)
			return
		}
		io.WriteString(w, "null")
	}
}
