package board

import "sync"

// Registers is a peripheral with 256 registers of one byte, as most sensors on I2C
// are: the first byte written selects a register, further bytes are stored from
// there on, and reads continue from the selected one.
type Registers struct {
	mu   sync.Mutex
	next byte
	b    [256]byte
}

// Set stores bytes from register r on.
func (r *Registers) Set(reg byte, b ...byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, x := range b {
		r.b[reg+byte(i)] = x
	}
}

// Get returns a register.
func (r *Registers) Get(reg byte) byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b[reg]
}

// Transfer makes r a Peripheral.
func (r *Registers) Transfer(out []byte, in int) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(out) > 0 {
		r.next = out[0]
		for _, x := range out[1:] {
			r.b[r.next] = x
			r.next++
		}
	}
	got := make([]byte, in)
	for i := range got {
		got[i] = r.b[r.next]
		r.next++
	}
	return got, nil
}
