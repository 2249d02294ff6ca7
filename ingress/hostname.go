package ingress

import (
	"encoding/base32"
	"encoding/base64"
	"strings"

	"github.com/tandem-iot/tandem"
)

// Agent ids are 72 bits in the alphabet of base64url, which tells upper from
// lower case. Host names do not, so there the same bits are in base32.
var label = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Label returns the agent's name in the domain of agents, 15 letters and
// digits, "" when the id is not valid.
func Label(id tandem.AgentID) string {
	bits, err := base64.RawURLEncoding.DecodeString(string(id))
	if err != nil || !id.Valid() {
		return ""
	}
	return label.EncodeToString(bits)
}

// named returns the agent of a label in the domain of agents.
func named(text string) (tandem.AgentID, bool) {
	if id := tandem.AgentID(text); id.Valid() {
		return id, true
	}
	bits, err := label.DecodeString(strings.ToLower(text))
	if err != nil {
		return "", false
	}
	id := tandem.AgentID(base64.RawURLEncoding.EncodeToString(bits))
	return id, id.Valid()
}
