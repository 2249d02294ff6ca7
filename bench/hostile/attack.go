package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// siteKind is what an attack needs.
type siteKind int

const (
	alone     siteKind = iota // one node
	secure                    // one node with TLS
	clustered                 // two nodes with a database
)

// kind is who attacks.
type kind string

const (
	program kind = "program"
	device  kind = "device"
	user    kind = "client"
	peer    kind = "peer"
)

// attack is a row of the table.
type attack struct {
	name string
	kind kind
	on   string // a listener, family of natives, or message between nodes
	site siteKind
	// code is the culprit's program; "" is one that answers and does nothing else. {{SERVE}} is
	// replaced by the address at which load listens, {{OWN}} by those of the API and for devices, as an array,
	// and attack() is called again and again.
	code   string
	agents int // how many agents run code, of one tenant; 0: one
	// load attacks from a process of its own, until ctx ends; nil: only the program attacks.
	load func(ctx context.Context, t *target, s *share) error
	// said matches a line of the culprit's log, and noted one of the node's, that says what it
	// did. One of them is enough. {{ID}} is the culprit's device.
	said, noted string
	// harmless: the attack gets nowhere, or stays within the limits, so that no line has to name
	// it.
	harmless bool
}

// listeners, families and messages are what must be attacked at least twice.
var listeners = []string{
	"HTTP and API", "agents' listener", "MQTT", "MQTT over TLS", "MQTT over WebSocket", "cluster port",
}

var families = []string{
	"language", "strings", "arrays", "tables", "blobs", "math", "regexp", "codecs", "crypto", "http in", "http out",
	"mqtt client", "server.save", "device.send", "timers", "logs", "posts",
}

// harmlessCode is what a culprit runs before and after its attack.
const harmlessCode = `http.onrequest(function(q, r) { r.send(200, "harmless"); });`

// source returns the culprit's program.
func (a attack) source(t *target) string {
	if a.code == "" {
		return harmlessCode
	}
	own := fmt.Sprintf("[%q, %q]", t.HTTP, t.MQTT)
	const loop = "\nfunction again() { imp.wakeup(0, again); try { attack() } catch (e) { last <- e } }\n" +
		"if (\"attack\" in getroottable()) again();\n"
	return strings.NewReplacer("{{SERVE}}", t.Serve, "{{OWN}}", own, "{{RSA}}", rsaKey()).Replace(a.code) + loop
}

// rsaKey returns a new private key, as programs give it to crypto.sign.
var rsaKey = sync.OnceValue(func() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err.Error() // the program says that it is no key
	}
	return base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(key))
})

// attacks returns the table, and checks it.
func attacks() ([]attack, error) {
	var all []attack
	for _, part := range []struct {
		kind kind
		site siteKind
		list []attack
	}{
		{program, alone, programs}, {user, alone, clients}, {device, alone, devices}, {device, secure, secured},
		{peer, clustered, peers}, {peer, clustered, insiders()},
	} {
		for _, a := range part.list {
			a.kind, a.site = part.kind, part.site
			all = append(all, a)
		}
	}
	seen := map[string]bool{}
	var bad []error
	for _, a := range all {
		if seen[a.name] {
			bad = append(bad, fmt.Errorf("two attacks are called %q", a.name))
		}
		seen[a.name] = true
		for _, pattern := range []string{a.said, a.noted} {
			if _, err := regexp.Compile(pattern); err != nil {
				bad = append(bad, fmt.Errorf("%s: %w", a.name, err))
			}
		}
		if a.harmless != (a.said == "" && a.noted == "") {
			bad = append(bad, fmt.Errorf("%s: say what its line is, or that it is harmless", a.name))
		}
		if a.code == "" && a.load == nil {
			bad = append(bad, fmt.Errorf("%s does nothing", a.name))
		}
	}
	return all, errors.Join(bad...)
}
