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
	c.known.made = kept.Generation
	return nil
}

// known is what the device knows of itself.
type known struct {
	identity.Identity // as it is on disk: no key is shown that a loss of power could take away

	next  identity.Identity // what is being written
	first uint64            // number of the write of its first file
	write uint64            // and of its last one, 0 for none
	made  uint64            // generation that was given last

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

// latest returns the identity as it is when all that was asked for is written.
func (k *known) latest() identity.Identity {
	if k.write != 0 {
		return k.next
	}
	return k.Identity
}

// keepIdentity writes an identity to both files, one after the other.
func (c *Core) keepIdentity(i identity.Identity) {
	i.Device = c.cfg.ID
	c.known.made++
	i.Generation = c.known.made
	sealed := i.Seal()
	c.known.first = c.writeFile(forIdentity, identity.Files[0], encode(sealed)).number
	c.known.write = c.writeFile(forIdentity, identity.Files[1], encode(sealed)).number
	c.known.next = i
}

// identityKept notes that the write with a number is durable.
func (c *Core) identityKept(number uint64) {
	if number != c.known.write || number == 0 {
		return
	}
	c.known.Identity, c.known.write = c.known.next, 0
	c.known.mend, c.known.lost = false, false
	c.known.turn = 0
}

// identityLost goes on after the write with a number has failed. The keys of before are good. The
// connection stays: the server gives the device another key with the next one, and then what is
// damaged is written again too.
func (c *Core) identityLost(number uint64, err error) {
	if c.known.write == 0 || number < c.known.first {
		return // it has been said, or a newer identity is being written
	}
	c.known.write = 0
	c.log(Error, "cannot keep the device's identity; it goes on with the one of before", "error", err.Error())
}

// newKey takes a key from the server. It is acknowledged when its writes are over, and shown with
// the next connection if they have succeeded. The one before is shown again if the server does not
// know the new one.
func (c *Core) newKey(key string) error {
	if len(key) < 16 || len(key) > 128 {
		return tandem.Errorf(tandem.Invalid, "a key has 16 to 128 characters, not %d", len(key))
	}
	i := c.known.latest()
	if len(i.Keys) == 0 {
		i.Keys = c.keys() // those that are kept by others only
	}
	if i.Add(key) {
		c.keepIdentity(i)
		c.log(Info, "the server has given the device a new key, for its next connection")
	}
	return nil
}

// keyAccepted notes that the server knows the key that it was shown.
func (c *Core) keyAccepted() {
	i := c.known.latest()
	used := i.Used(c.key())
	switch {
	case c.known.write != 0 && !used:
		return
	case c.known.lost:
		c.log(Warn, "the device's identity is damaged; it is made again from the operator's key")
		i.Keys = []string{c.key()}
	case c.known.mend:
		c.log(Warn, "one of the files of the device's identity is damaged; it is made again from the other")
	case !used:
		return
	}
	c.keepIdentity(i)
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
