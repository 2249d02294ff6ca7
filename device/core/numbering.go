package core

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/mqtt"
)

// The server takes no message twice: it knows a message by its Mark, and takes one whose
// Mark is not above the newest for a repetition. That is right only while each boot has a
// higher number than all that the server has heard. A directory that was lost, restored
// from a backup or copied counts from a number that it has used before.
//
// So each boot has a random id beside its number, and hello says which boots the device
// knows to be its own. When the server has last heard another, it takes nothing of the
// connection and tells its last boot by sys/numbers. The device then puts all its numbers
// above it, and connects again.

// bootName names a boot.
type bootName struct {
	Boot uint64 `json:"boot"`
	ID   string `json:"id"`
}

// history is what the device knows of its own boots. It is part of the counters.
type history struct {
	Installation string     `json:"installation,omitempty"` // of this directory, random
	ID           string     `json:"id,omitempty"`           // of the newest boot, random
	Heard        bootName   `json:"heard"`                  // the last that the server is known to have heard of
	Unheard      []bootName `json:"unheard,omitempty"`      // those after it and before the newest, oldest first
	Base         uint64     `json:"base,omitempty"`         // is added to all boots in what is said to the server

	// Time is when a boot was heard of last, by the server's time, in seconds since 1970.
	Time int64 `json:"time,omitempty"`
}

// maxUnheard bounds history.Unheard. Only a device that has had so many boots since one of
// which it does not know that the server has heard is taken for a copy without being one.
const maxUnheard = 64

// randomID returns a random id of 16 hexadecimal digits.
func (c *Core) randomID() string {
	return fmt.Sprintf("%08x%08x", c.cfg.Chance(1<<32), c.cfg.Chance(1<<32))
}

// boot returns the number by which the server knows the newest boot.
func (n *counters) boot() uint64 { return n.Boot + n.Base }

// name names the newest boot.
func (n *counters) name() bootName { return bootName{n.boot(), n.ID} }

// countBoot begins the next boot.
func (c *Core) countBoot() {
	d := &c.disk.counters
	if d.Installation == "" {
		d.Installation = c.randomID()
	}
	if d.ID != "" && d.name() != d.Heard {
		if len(d.Unheard) == maxUnheard {
			d.Unheard = slices.Delete(d.Unheard, 0, 1)
		}
		d.Unheard = append(d.Unheard, d.name())
	}
	d.Boot++
	d.ID = c.randomID()
}

// renumberRest is the time within which a connection is not made at once after another
// renumbering: each writes to the flash.
const renumberRest = time.Minute

// errRenumbered is the end of a connection of which the server takes nothing.
var errRenumbered = errors.New("the server has had higher numbers; on a new connection all is numbered above them")

// numbersMessage is sys/numbers.
type numbersMessage = bootName

// renumber puts the numbers of all that the server has not acknowledged above the boot that
// it has heard of last. All boots of this directory are numbered from 1 on, so it is enough to
// add that number to them. That is one write: a power cut before it leaves all as it was, and
// the server says the same again.
func (c *Core) renumber(last numbersMessage) {
	d := &c.disk.counters
	if d.Base < last.Boot {
		by := last.Boot - d.Base
		d.Base = last.Boot
		c.out.raise(by)
	}
	d.Heard, d.Unheard = last, nil
	c.count(forCounters)
	const what = "this directory was lost, restored or copied: what it has to say is numbered above " +
		"what the server has had"
	c.log(Warn, what, "boot", decimal(d.boot()))
}

// raise puts the numbers of all items on.
func (o *outbox) raise(by uint64) {
	for _, it := range slices.Concat(o.given, o.queue.list(), o.posts.list(), o.kept.list()) {
		user := it.publish.Props.User
		i := slices.IndexFunc(user, func(u mqtt.UserProperty) bool { return u.Key == propertyBoot })
		if i < 0 {
			continue // hello
		}
		boot, err := strconv.ParseUint(user[i].Value, 10, 64)
		if err != nil {
			panic(err) // our own
		}
		it.publish.Props.User = slices.Clone(user)
		it.publish.Props.User[i].Value = decimal(boot + by)
	}
}

// propertyBoot is the property of a message with the number of its boot.
const propertyBoot = "boot"

// helloHeard notes that the server has heard of this boot.
func (c *Core) helloHeard() {
	if d := &c.disk.counters; d.Heard != d.name() {
		d.Heard, d.Unheard = d.name(), nil
		if !c.clocks.server.IsZero() {
			d.Time = c.clocks.read().Unix()
		}
		c.count(forCounters)
	}
}

// orderNumbers takes sys/numbers. What is on its way over this connection is not taken by
// the server; it goes again over the next.
func (c *Core) orderNumbers(payload []byte) error {
	var last numbersMessage
	if err := json.Unmarshal(payload, &last); err != nil {
		return err
	}
	if last.Boot >= tandem.MaxBoot {
		return tandem.Errorf(tandem.Invalid, "boot %d leaves no room for higher numbers", last.Boot)
	}
	c.renumber(last)
	c.drop(device.NoServer, errRenumbered)
	if n := &c.net; n.renumbered == 0 || c.now.Mono-n.renumbered >= renumberRest {
		c.dialNow()
		n.renumbered = max(c.now.Mono, 1)
	}
	return nil
}

// postsMessage is sys/posts: whose the posts are that follow. Numbers of posts count among
// those of one agent.
type postsMessage struct {
	Numbering string `json:"numbering"`
}

// numberedBy takes the news of whose the agent's posts are. After those of another agent
// numbers begin again.
func (c *Core) numberedBy(numbering string) {
	s := &c.disk.state
	if numbering == "" || numbering == s.Numbering {
		return
	}
	if s.Numbering != "" {
		s.Applied = 0
		s.cause = cause{}
		for _, a := range c.posts.arrived {
			a.foreign = true
		}
		c.posts.arrived = slices.DeleteFunc(c.posts.arrived, func(a *arrived) bool { return !a.fed })
	}
	s.Numbering = numbering
	c.keepState(forState)
}

// causeOf returns the number of the agent's post during which the code has done something,
// 0 when that was one of an agent that is not there any more.
func (c *Core) causeOf(n uint64) uint64 {
	if a := c.mail.handling.post; a != nil && a.foreign {
		return 0
	}
	return n
}
