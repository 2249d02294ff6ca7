package ingress

import (
	"net/http"
	"strings"

	"github.com/tandem-iot/tandem"
)

// reach says what a response header acts on beyond its own response.
type reach int

const (
	onConnection reach = iota + 1 // the framing, and the next hop
	onProxy                       // proxies in front of the node, which obey it
	onSite                        // the domain above the host: other agents in both forms
	onOrigin                      // the scheme, host and port: other agents in path form
)

// withheld are the headers that are taken out of agents' answers, because they act on
// more than the agent's own pages: those that act on an origin in path form, where
// agents share it, and the others always. Set-Cookie is narrowed instead: see
// confineCookie.
var withheld = map[string]struct {
	acts reach
	why  string
}{
	"Connection":                {onConnection, "names headers of the hop"},
	"Content-Length":            {onConnection, "is set from the body"},
	"Http2-Settings":            {onConnection, "is for an upgrade to HTTP/2"},
	"Keep-Alive":                {onConnection, "is about the connection"},
	"Proxy-Authenticate":        {onConnection, "asks for a login at a proxy"},
	"Proxy-Authentication-Info": {onConnection, "is part of a login at a proxy"},
	"Proxy-Connection":          {onConnection, "is about the connection"},
	"Te":                        {onConnection, "is about the connection"},
	"Trailer":                   {onConnection, "promises headers after the body"},
	"Transfer-Encoding":         {onConnection, "is set by the server"},
	"Upgrade":                   {onConnection, "changes the protocol of the connection"},

	"X-Accel-Buffering":        {onProxy, "changes how nginx forwards"},
	"X-Accel-Charset":          {onProxy, "changes how nginx forwards"},
	"X-Accel-Expires":          {onProxy, "has nginx keep the answer"},
	"X-Accel-Limit-Rate":       {onProxy, "changes how nginx forwards"},
	"X-Accel-Redirect":         {onProxy, "has nginx answer with an internal address"},
	"X-Lighttpd-Send-File":     {onProxy, "has lighttpd answer with a file"},
	"X-Lighttpd-Send-Tempfile": {onProxy, "has lighttpd answer with a file and delete it"},
	"X-Reproxy-Url":            {onProxy, "has a proxy answer with an internal address"},
	"X-Sendfile":               {onProxy, "has a server in front answer with a file"},
	"X-Sendfile2":              {onProxy, "has lighttpd answer with a file"},

	"Clear-Site-Data": {onSite, "deletes the cookies of the whole registered domain, and the origin's storage"},
	"Set-Cookie2":     {onSite, "sets cookies in an obsolete form that is not confined"},

	"Accept-Ch":                   {onOrigin, "changes what browsers send to the origin from then on"},
	"Accept-Ch-Lifetime":          {onOrigin, "changes what browsers send to the origin from then on"},
	"Alt-Svc":                     {onOrigin, "has browsers reach the origin at another address"},
	"Critical-Ch":                 {onOrigin, "changes what browsers send to the origin from then on"},
	"Expect-Ct":                   {onOrigin, "has browsers refuse the host's certificate, and report it"},
	"Nel":                         {onOrigin, "reports requests to the origin, with their paths, elsewhere"},
	"Origin-Agent-Cluster":        {onOrigin, "is decided for the origin by its first page"},
	"Public-Key-Pins":             {onOrigin, "has browsers refuse the host's next certificate"},
	"Public-Key-Pins-Report-Only": {onOrigin, "has browsers report the host's certificate"},
	"Service-Worker-Allowed":      {onOrigin, "gives a service worker the pages of other agents"},
	"Report-To":                   {onOrigin, "says where reports about the origin go"},
	"Reporting-Endpoints":         {onOrigin, "says where reports go"},
	"Sec-Session-Registration":    {onOrigin, "binds the origin's sessions to a key"},
	"Secure-Session-Registration": {onOrigin, "binds the origin's sessions to a key"},
	"Set-Login":                   {onOrigin, "says whether people are logged in at the origin"},
	"Shared-Storage-Write":        {onOrigin, "writes to storage of the origin"},
	"Strict-Transport-Security":   {onOrigin, "has browsers refuse the host without TLS"},
	"Use-As-Dictionary":           {onOrigin, "is a dictionary for answers at any path of the origin"},
}

// sandbox gives each page an origin of its own that is none of the agent's, with all
// else that a page may usually do.
const sandbox = "sandbox allow-downloads allow-forms allow-modals allow-orientation-lock allow-pointer-lock " +
	"allow-popups allow-presentation allow-scripts allow-top-navigation-by-user-activation"

// scopeWorker keeps a service worker, whose script r asks for, to the agent's paths.
// Without the header browsers would let it have the directory of its script, which is
// the root for /<id>. Browsers mark these requests, and they do so only for scripts that
// pages of the same origin register.
func scopeWorker(header, request http.Header, id tandem.AgentID) {
	if request["Service-Worker"] != nil {
		header["Service-Worker-Allowed"] = []string{"/" + string(id) + "/"}
	}
}

// passes reports whether an agent can send a header, whose name is in canonical form.
func passes(name string, shared bool) bool {
	h, found := withheld[name]
	return !found || h.acts == onOrigin && !shared
}

// confineCookie returns the value of Set-Cookie for a response of an agent, without
// the attribute Domain, so that no other host gets the cookie. When the origin is
// shared, the cookie gets the path that it has if that is the agent's or below it, else
// the agent's. There is always one, because without it browsers take the directory of
// the request's path, which is the root for /<id> and for /<id>%2Fpage.
func confineCookie(value string, id tandem.AgentID, shared bool) string {
	cookie, attributes, _ := strings.Cut(value, ";")
	var b strings.Builder
	b.WriteString(cookie)
	path := ""
	for attributes != "" {
		var attribute string
		attribute, attributes, _ = strings.Cut(attributes, ";")
		name, v, _ := strings.Cut(attribute, "=")
		switch name = strings.Trim(name, " \t"); {
		case strings.EqualFold(name, "domain"):
			continue
		case strings.EqualFold(name, "path") && shared:
			path = strings.Trim(v, " \t") // of several, the last one counts
			continue
		}
		b.WriteByte(';')
		b.WriteString(attribute)
	}
	if shared {
		root := "/" + string(id)
		if path != root && !strings.HasPrefix(path, root+"/") {
			path = root
		}
		b.WriteString("; Path=")
		b.WriteString(path)
	}
	return b.String()
}
