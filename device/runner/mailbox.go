package runner

import (
	"sync"

	"github.com/tandem-iot/tandem/device"
)

// mailbox takes what other goroutines want of the loop. It has no bound: what
// fills it are people and simulated pins.
type mailbox struct {
	mu   sync.Mutex
	bell chan struct{}
	mail []func(*loop)
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

func (b *mailbox) post(f func(*loop)) {
	bell := b.ring()
	b.mu.Lock()
	b.mail = append(b.mail, f)
	b.mu.Unlock()
	select {
	case bell <- struct{}{}:
	default: // it has rung and nobody has come yet
	}
}

func (b *mailbox) take() []func(*loop) {
	b.mu.Lock()
	defer b.mu.Unlock()
	mail := b.mail
	b.mail = nil
	return mail
}

// PowerCycle cuts the power and switches it on again: what is on its way is
// lost, and so is the nv table.
func (r *Runner) PowerCycle() { r.mail.post((*loop).powerCycle) }

// Restart restarts the code at once.
func (r *Runner) Restart() { r.mail.post((*loop).operatorRestart) }

// Offline takes the network away, or gives it back.
func (r *Runner) Offline(off bool) { r.mail.post(func(l *loop) { l.setOffline(off) }) }

// Changed says what happened on the board: an input's level, or bytes at a
// UART.
func (r *Runner) Changed(c device.Changed) { r.mail.post(func(l *loop) { l.changed(&c) }) }
