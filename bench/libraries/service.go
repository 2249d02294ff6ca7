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

// service replaces the services that libraries use. Below /echo/ it answers with the
// request, in JSON; below /tree/ it keeps JSON values, as Firebase does. Everything else
// it forwards to the agents, like a proxy that terminates TLS: they see HTTPS requests.
type service struct {
	url    string
	server *http.Server

	mu   sync.Mutex
	tree map[string]json.RawMessage // by path
}

func newService(agents string) (*service, error) {
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
			r.Out.URL.Scheme, r.Out.URL.Host = "http", agents
			r.Out.Header.Set("X-Forwarded-Proto", "https")
		},
	})
	s.server = &http.Server{Handler: mux}
	go s.server.Serve(listener) // until close
	return s, nil
}

func (s *service) close() error { return s.server.Close() }

// echo answers with the request. The answer also has the members that libraries look for
// in their services' answers. A path that ends in a status is answered with that status.
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
	json.NewEncoder(w).Encode(answer) // ignore the error: the client may have gone
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
