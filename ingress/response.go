package ingress

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tandem-iot/tandem"
)

// respond sends an agent's answer and returns the status.
func (h *Handler) respond(w http.ResponseWriter, r *http.Request, id tandem.AgentID, a *tandem.Response) int {
	if a.Status < 200 || a.Status > 999 {
		return refuse(w, http.StatusBadGateway, fmt.Sprintf("the agent answered with status %d, "+
			"which is not an HTTP status", a.Status))
	}
	if len(a.Body) > tandem.ResponseBodySize {
		return refuse(w, http.StatusBadGateway, fmt.Sprintf("the agent's answer is larger than %d bytes",
			tandem.ResponseBodySize))
	}
	header, shared := w.Header(), h.Domain == ""
	for _, line := range a.Headers {
		if !valid(line) {
			clear(header)
			return refuse(w, http.StatusBadGateway, fmt.Sprintf("the agent's answer has an invalid header %q", line.Name))
		}
		name, value := http.CanonicalHeaderKey(line.Name), line.Value
		if !passes(name, shared) {
			continue
		}
		if name == "Set-Cookie" {
			value = confineCookie(value, id, shared)
		}
		header[name] = append(header[name], value)
	}
	if shared {
		scopeWorker(header, r.Header, id)
	}
	if h.SandboxPages {
		header["Content-Security-Policy"] = append(header["Content-Security-Policy"], sandbox)
	}
	bodiless := a.Status == http.StatusNoContent || a.Status == http.StatusNotModified
	if !bodiless {
		header["Content-Length"] = []string{strconv.Itoa(len(a.Body))}
	}
	w.WriteHeader(a.Status)
	if !bodiless && r.Method != http.MethodHead {
		h.send(w, r, a.Body)
	}
	return a.Status
}

// valid reports whether a header is valid and has one line.
func valid(h tandem.Header) bool {
	for _, c := range []byte(h.Name) {
		if c <= ' ' || c >= 0x7F || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	for _, c := range []byte(h.Value) {
		if c < ' ' && c != '\t' || c == 0x7F {
			return false
		}
	}
	return h.Name != ""
}
