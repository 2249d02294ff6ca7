package enrol

import (
	"net/url"
	"strings"

	"github.com/tandem-iot/tandem"
)

// Ticket is what a device gets to enrol: a claim code, or an identity that was made in a
// factory. Its text is what QR codes contain:
//
//	tandem:7K3M-Q0D4-X9TW@https://node.example.com
//	tandem:3dce1a4f9c27ab06:58f4ee2cf69ff8b2a8e2dd5d0dfde4a9@https://node.example.com
type Ticket struct {
	Code   Code            // "": Device and Key are set
	Device tandem.DeviceID // of an identity
	Key    string
	Server string // URL of the node's HTTP listener; "": the device is told otherwise
}

const scheme = "tandem:"

// String returns the text of the ticket.
func (t Ticket) String() string {
	text := scheme + t.Code.String()
	if t.Code == "" {
		text = scheme + string(t.Device) + ":" + t.Key
	}
	if t.Server != "" {
		text += "@" + t.Server
	}
	return text
}

// hash recognises a ticket, however its server is named.
func (t Ticket) hash() string {
	t.Server = ""
	return hashOf(t.String())
}

// ParseTicket reads the text of a ticket, or a claim code alone.
func ParseTicket(text string) (t Ticket, err error) {
	rest, is := strings.CutPrefix(strings.TrimSpace(text), scheme)
	if !is {
		t.Code, err = ParseCode(text)
		return t, err
	}
	who, server, _ := strings.Cut(rest, "@")
	if server != "" {
		if t.Server, err = cleanServer(server); err != nil {
			return Ticket{}, err
		}
	}
	id, key, isIdentity := strings.Cut(who, ":")
	if !isIdentity {
		if t.Code, err = ParseCode(who); err != nil {
			return Ticket{}, err
		}
		return t, nil
	}
	if t.Device = tandem.DeviceID(id); !t.Device.Valid() || !ValidKey(key) {
		return Ticket{}, tandem.Errorf(tandem.Invalid,
			"%q has no id and key of a device: it is like tandem:ID:KEY@SERVER", text)
	}
	t.Key = key
	return t, nil
}

// ValidKey reports whether a key can be a device's.
func ValidKey(key string) bool {
	if len(key) < MinKey || len(key) > MaxKey {
		return false
	}
	for _, r := range key {
		if r <= ' ' || r > '~' || r == '@' {
			return false
		}
	}
	return true
}

// Lengths of a key.
const (
	MinKey = 16
	MaxKey = 128
)

// CheckServer returns what is wrong with the URL of a node's HTTP listener.
func CheckServer(text string) error {
	_, err := cleanServer(text)
	return err
}

func cleanServer(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", tandem.Errorf(tandem.Invalid, "%q is not the URL of a node: write https://node.example.com", text)
	}
	return strings.TrimRight(u.Scheme+"://"+u.Host+u.Path, "/"), nil
}

// link returns where a device connects to the node of a server's URL: to MQTT over WebSocket,
// which is at the same listener.
func link(server string) string {
	return strings.Replace(server, "http", "ws", 1) + "/mqtt"
}
