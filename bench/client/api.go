package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// API is a client of the API of nodes that share a database.
type API struct {
	HTTP  *http.Client // nil: http.DefaultClient
	token string
}

// Login exchanges a login key for a token, which is used at all nodes.
func (a *API) Login(ctx context.Context, web, key string) error {
	var t struct {
		Token string `json:"access_token"`
	}
	if err := a.Call(ctx, web, "POST", "/auth/token", `{"key":"`+key+`"}`, &t); err != nil {
		return err
	}
	a.token = t.Token
	return nil
}

// LoggedIn reports whether there is a token.
func (a *API) LoggedIn() bool { return a.token != "" }

// Bearer is the header line with the token.
func (a *API) Bearer() string { return "Authorization: Bearer " + a.token + "\r\n" }

// Call makes a call to the API of the node at an address, or at an URL with https. out may
// be nil.
func (a *API) Call(ctx context.Context, web, method, path, body string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, base(web)+"/v5"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/vnd.api+json")
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	h := a.HTTP
	if h == nil {
		h = http.DefaultClient
	}
	resp, err := h.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("X-RateLimit-Limit") != "" {
		select {
		case <-time.After(time.Second): // the next second has requests again
			return a.Call(ctx, web, method, path, body, out)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s %s", method, path, resp.Status, data)
	}
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(data, out)
}

func base(web string) string {
	if strings.Contains(web, "://") {
		return web
	}
	return "http://" + web
}

// Made is a created resource.
type Made struct {
	ID         string
	Attributes struct {
		Agent string `json:"agent_id"`
		Key   string `json:"key"`
		URL   string `json:"agent_url"`
	}
}

// Create creates a resource in others, which are given by their kinds and ids.
func (a *API) Create(
	ctx context.Context, web, kind string, attributes map[string]string, in map[string]string,
) (m Made, err error) {
	relationships := map[string]any{}
	for kind, id := range in {
		relationships[kind] = map[string]string{"type": kind, "id": id}
	}
	typ := kind
	if kind == "devicegroup" {
		typ = "development_devicegroup"
	}
	body, err := json.Marshal(map[string]any{
		"data": map[string]any{"type": typ, "attributes": attributes, "relationships": relationships},
	})
	if err != nil {
		return m, err
	}
	out := struct{ Data *Made }{&m}
	err = a.Call(ctx, web, "POST", "/"+kind+"s", string(body), &out)
	return m, err
}
