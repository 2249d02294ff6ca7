package server

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"github.com/tandem-iot/tandem/reference"
)

//go:embed front.html
var frontText string

var frontPage = template.Must(template.New("front").Parse(frontText))

// frontPolicy is the Content-Security-Policy of the page, which has a style and nothing else.
var frontPolicy = func() string {
	_, rest, _ := strings.Cut(frontText, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
}()

// front answers requests at the HTTP listener for which there is nothing else: at / with a
// page that says what this is and leads on, elsewhere with the same and 404. Programs get
// what they understand: those that accept JSON the API's error, others a line of text.
type front struct {
	url    string       // of the HTTP listener
	agents string       // addresses of agents, as people write them
	api    http.Handler // for clients that accept JSON
}

func (f front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status := http.StatusNotFound
	home := r.URL.Path == "/"
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	if home && read {
		status = http.StatusOK
	}
	note := "There is nothing at " + r.URL.Path + "."
	switch {
	case home:
		note = ""
	case r.URL.Path == mqttPath:
		note = "Here devices connect by MQTT over WebSocket, which browsers do in pages' scripts alone."
		status = http.StatusUpgradeRequired
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
	}
	accepts := r.Header.Values("Accept")
	w.Header().Set("Vary", "Accept")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch {
	case read && mentions(accepts, "text/html"):
		var page bytes.Buffer
		err := frontPage.Execute(&page, map[string]string{
			"URL": f.url, "Agents": f.agents, "Note": note,
		})
		if err != nil {
			panic(err) // the page above is wrong
		}
		w.Header().Set("Content-Security-Policy", frontPolicy)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(page.Bytes()) // an error means that the client has disconnected
	case mentions(accepts, "json") && status != http.StatusUpgradeRequired:
		f.api.ServeHTTP(w, r)
	default:
		text := "there is nothing at this address; the manual is at " + f.url + "/docs/\n"
		switch status {
		case http.StatusUpgradeRequired:
			text = note + " The manual is at " + f.url + "/docs/link.html\n"
		case http.StatusOK:
			text = "This is a Tandem node. The manual is at " + f.url + "/docs/, the HTTP API below " + f.url +
				"/v5/, agents are at " + f.agents + "\n"
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
}

// mentions reports whether a client accepts a type of content by name.
func mentions(accepts []string, what string) bool {
	return strings.Contains(strings.ToLower(strings.Join(accepts, ",")), what)
}

// mqttPath is where devices connect by MQTT over WebSocket.
const mqttPath = "/mqtt"

// manual serves the manual, whose pages lead on, and what it does not have by other.
func manual(other http.Handler) http.Handler {
	pages := reference.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/docs/")
		if _, ok := reference.Site()[name]; !ok && name != "" && name != "/docs" {
			other.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}
