package core

import (
	"slices"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/identity"
	"github.com/tandem-iot/tandem/mqtt"
)

// identify takes in the identity that the files have. A directory is one device's.
func (c *Core) identify(files []File) error {
	var contents [2][]byte
	for _, f := range files {
		if n := slices.Index(identity.Files[:], f.Name); n >= 0 {
			contents[n] = f.Data
			if f.Data == nil {
				contents[n] = []byte{}
			}
		}
	}
	kept, damaged, err := identity.Open(contents)
	switch {
	case err != nil && c.cfg.Key == "":
		return err
	case err != nil: // the operator has given the key
		c.known.lost = true
		return nil
	case kept.Device != "" && kept.Device != c.cfg.ID:
		return tandem.Errorf(tandem.Conflict, "the directory is that of device %s, not %s: give each device its own",
			kept.Device, c.cfg.ID)
	}
	c.known.Identity, c.known.mend = kept, len(damaged) > 0
	return nil
}

// known is what the device knows of itself.
type known struct {
	identity.Identity
	mend bool // one of the files is damaged
	lost bool // both are
	turn int  // which of keys is shown to the server next
}

// keys returns the keys that the server may know, the most likely one first.
func (c *Core) keys() []string {
	list := c.known.Keys
	if k := c.cfg.Key; k != "" && !slices.Contains(list, k) {
		list = append(list[:len(list):len(list)], k)
	}
	return list
}

// key returns the key to show to the server.
func (c *Core) key() string {
	list := c.keys()
	if len(list) == 0 {
		return "" // it has a certificate
	}
	return list[c.known.turn%len(list)]
}

// keepIdentity writes both files, one after the other.
func (c *Core) keepIdentity() {
	c.known.Device = c.cfg.ID
	c.known.Generation++
	sealed := c.known.Seal()
	for _, name := range identity.Files {
		c.writeFile(name, sealed)
	}
	c.known.mend, c.known.lost = false, false
}

// newKey takes a key from the server. It is acknowledged when it is on disk, and shown with the
// next connection. The one before is shown again if the server does not know the new one.
func (c *Core) newKey(key string) error {
	if len(key) < 16 || len(key) > 128 {
		return tandem.Errorf(tandem.Invalid, "a key has 16 to 128 characters, not %d", len(key))
	}
	if len(c.known.Keys) == 0 {
		c.known.Keys = c.keys() // those that are kept by others only
	}
	if c.known.Add(key) {
		c.known.turn = 0
		c.keepIdentity()
		c.log(Info, "the server has given the device a new key, for its next connection")
	}
	return nil
}

// keyAccepted notes that the server knows the key that it was shown.
func (c *Core) keyAccepted() {
	if c.known.Used(c.key()) || c.known.mend || c.known.lost && len(c.known.Keys) > 0 {
		c.known.turn = 0
		c.keepIdentity()
	}
}

// keyRefused handles that the server refuses the device. While it has another key, that is tried
// next, without the long pause.
func (c *Core) keyRefused(code mqtt.Reason, why string) {
	n := len(c.keys())
	c.log(Error, "the server refuses the device; check its id and key", "reason", because(code, why))
	if code != mqtt.NotAuthorized && code != mqtt.BadCredentials || n < 2 {
		c.refused()
		return
	}
	if c.known.turn = (c.known.turn + 1) % n; c.known.turn == 0 {
		c.refused() // all were tried
	}
}

// because returns a reason with what the server says about it.
func because(code mqtt.Reason, why string) string {
	if why == "" {
		return code.String()
	}
	return code.String() + ": " + why
}

// reasonOf returns what the server says about a reason.
func reasonOf(p *mqtt.Properties) string {
	if p == nil {
		return ""
	}
	return p.ReasonString
}
