package life

import (
	"encoding/json"
	"fmt"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/store/record"
)

// numbers is what the numbers of messages mean that come by the device's link. An agent
// takes a message whose number is not above the newest for a repetition, which is handled
// already. So nothing numbered may reach it that is not of the history of what it has had.
type numbers struct {
	Greeted  bool `cbor:"1,keyasint,omitempty"` // hello has come by the link, and is judged
	Refused  bool `cbor:"2,keyasint,omitempty"` // they are of another history: nothing is taken, nor acknowledged
	Nameless bool `cbor:"3,keyasint,omitempty"` // they went back, and the device cannot be told: each message is new
	Behind   bool `cbor:"4,keyasint,omitempty"` // a client without hello has been told that its numbers went back
	Posts    bool `cbor:"5,keyasint,omitempty"` // the device has been told whose the agent's posts are
	// Stale are the newest refusals of a client without hello, of which its gateway may ask once more.
	Stale []tandem.Refusal `cbor:"6,keyasint,omitempty"`
}

// numbered reports whether s is of those that a refused link must send again.
func (s *said) numbered() bool {
	return s.Message != nil || s.Topic == "sys/hello" || s.Mark.Boot != 0
}

// claim is what a hello says of the device's boots.
func (h *helloMessage) claim() record.BootClaim {
	boot := func(b bootMessage) record.Boot { return record.Boot{Number: b.Boot, ID: b.ID} }
	c := record.BootClaim{
		Boot:  record.Boot{Number: h.Boot, ID: h.ID, Installation: h.Installation},
		Heard: boot(h.Heard),
	}
	for _, b := range h.Unheard {
		c.Unheard = append(c.Unheard, boot(b))
	}
	return c
}

// hearHello judges a hello. It is acknowledged when the boot that it tells of is durable, and
// what comes behind it waits for that.
func (l *Life) hearHello(s said, old Peer) {
	var hello helloMessage
	if err := json.Unmarshal(s.Data, &hello); err != nil {
		l.log(tandem.LogDeviceError, "sys/hello is invalid: it must be JSON: "+err.Error())
		l.handled(s.Token)
		return
	}
	claim := hello.claim()
	l.Numbers.Greeted = hello.Boot != 0
	if hello.ID != "" && l.Logged.Boot > hello.Boot {
		l.Logged = tandem.Mark{} // another client has numbered lines
	}
	switch old.Heard.Judge(claim) {
	case record.Forked:
		if !l.wrong.takeForked {
			l.Peer = old
			l.refuse(claim.Boot)
			l.forget(s.Token)
			return
		}
	case record.NextBoot:
		l.before = old
		l.greeted = l.id()
		l.hearLater(s)
		l.emit(&Seen{ID: l.greeted, Sighting: record.Sighting{At: l.now.Wall, Heard: claim.Boot}})
		return
	case record.Nameless:
		l.Numbers.Nameless = true
		const text = "The number of the device's boots went back from %d to %d: its directory was lost or restored. " +
			"Its messages are not checked for repetitions; update its runtime."
		l.tellOnce(fmt.Sprint(hello.Boot), fmt.Sprintf(text, old.Heard.Number, hello.Boot))
	}
	l.greet(&hello, old)
	l.handled(s.Token)
}

// hearNoMore is for a hello of an earlier link that waits, and for what waits behind it. What
// is numbered the device sends again; only that would need the hello.
func (l *Life) hearNoMore() {
	waiting := l.Hearing
	l.Hearing = nil
	l.greeted, l.hearAt = 0, 0
	l.messages -= len(waiting)
	for _, s := range waiting {
		if s.Topic == "sys/hello" || s.Mark.Boot != 0 || s.Message != nil && s.Message.Mark.Boot != 0 {
			l.forget(s.Token)
		} else {
			l.said(s)
		}
	}
}

// seenKept goes on with a hello whose boot is durable.
func (l *Life) seenKept(ev *SeenKept) {
	switch {
	case ev.ID != l.greeted:
	case ev.Err != nil:
		l.hearAgain("the device's boot is not remembered yet", ev.Err)
	default:
		l.goOnHearing(func(s said) {
			var hello helloMessage
			if err := json.Unmarshal(s.Data, &hello); err != nil {
				panic(err) // it has been read before
			}
			old := l.before
			l.before = Peer{}
			old.Heard = hello.claim().Boot
			l.greet(&hello, old)
			l.handled(s.Token)
		})
	}
}

// hearAgain has a hello judged once more after a failure of the store.
func (l *Life) hearAgain(what string, err error) {
	l.emit(&Report{Msg: what + "; what it says waits until the store answers", Err: err})
	l.hearAt = l.in(retryDelay)
}

// judgeAgain reads what the store knows of the device, for a hello that waits.
func (l *Life) judgeAgain() {
	l.hearAt = 0
	if l.greeted != 0 {
		l.greeted = l.id()
		l.emit(&LoadDevice{l.greeted})
	}
}

// refuse takes nothing of a link whose numbers are of another history than what the agent
// has had. The device is told above which boot it has to number, and sends all again.
func (l *Life) refuse(boot record.Boot) {
	l.Numbers.Refused = true
	last := l.Peer.Heard
	text := "The device's directory is new: the one before was lost, or another device has the same id."
	if boot.Installation == last.Installation {
		text = "The device's directory is an older state of itself: it was restored or copied, " +
			"or two devices that have this id take turns."
	}
	text += fmt.Sprintf(" What it has to say is numbered above boot %d and sent again.", last.Number)
	l.tellOnce(boot.ID, text)
	l.sendSystem("sys/numbers", bootMessage{last.Number, last.ID})
	l.emit(&CloseLink{"its numbers of messages were used before: they have to be above those of sys/numbers"})
}

// tellOnce logs what is said once about a boot.
func (l *Life) tellOnce(boot, text string) {
	if l.Told != boot {
		l.Told = boot
		l.log(tandem.LogStatus, text)
	}
}

// meant reports whether the agent may be given a message of its device now. When another
// client has used higher numbers than the device has, the agent would take the message for
// one that it has had.
func (l *Life) meant(it *item) bool {
	ev, ok := it.event.(*agent.DeviceMessage)
	if !ok || ev.Message.Mark.Boot == 0 {
		return true
	}
	mark := l.machine.Mark()
	newest := mark.Boot
	switch {
	case it.seq == 0: // it came by an earlier link, whose numbers were looked at
	case !l.Numbers.Greeted:
		if !ev.Message.Mark.After(mark) {
			l.lostCount(ev.Message.Mark, mark)
			l.stale(it.seq, mark)
		}
	case newest <= l.Peer.Heard.Number:
	case l.Peer.Heard.ID == "" || newest >= tandem.MaxBoot:
		ev.Message.Mark = tandem.Mark{}
	default:
		boot := l.Peer.Heard
		l.Peer.Heard = record.Boot{Number: newest, ID: record.Foreign}
		l.emit(&Seen{Sighting: record.Sighting{At: l.now.Wall, Heard: l.Peer.Heard}})
		l.refuse(boot)
		return false
	}
	return true
}
