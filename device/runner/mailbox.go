package runner

import (
	"sync"

	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/device/core"
)

// mailbox takes what other goroutines have for the core. It has no bound: what
// fills it are people and simulated pins.
type mailbox struct {
	mu   sync.Mutex
	bell chan struct{}
	mail []core.Event
}

// ring returns the channel that says there is mail.
func (b *mailbox) ring() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bell == nil {
		b.bell = make(chan struct{}, 1)
	}
	return b.bell
}

func (b *mailbox) post(ev core.Event) {
	bell := b.ring()
	b.mu.Lock()
	b.mail = append(b.mail, ev)
	b.mu.Unlock()
	select {
	case bell <- struct{}{}:
	default: // it has rung, and the mail was not taken yet
	}
}

func (b *mailbox) take() []core.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	mail := b.mail
	b.mail = nil
	return mail
}

// PowerCycle cuts the power and switches it on again: what is on its way is
// lost, and so is the nv table.
func (r *Runner) PowerCycle() { r.mail.post(&core.PowerCycle{}) }

// Restart restarts the code at once.
func (r *Runner) Restart() { r.mail.post(&core.Restart{}) }

// Offline takes the network away, or gives it back.
func (r *Runner) Offline(off bool) { r.mail.post(&core.Offline{Off: off}) }

// Changed says what happened on the board: an input's level, or bytes at a
// UART.
func (r *Runner) Changed(c device.Changed) { r.mail.post(&core.Changed{Change: c}) }

// aside is a function to be called between two events.
type aside struct {
	core.Tick
	do func()
}

// Aside has f be called between two events of the device, on its goroutine. f may look at the
// device's machine, and have its timers be due. It is not called once Run has ended.
func (r *Runner) Aside(f func()) { r.mail.post(&aside{do: f}) }

// powerOff cuts the power for good.
type powerOff struct{ core.Tick }

// PowerOff cuts the power: Run ends without a word to the server, and what was in memory is lost. A
// Runner with the same directory is the device with its power back.
func (r *Runner) PowerOff() { r.mail.post(&powerOff{}) }
