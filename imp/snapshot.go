package imp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// A snapshot is a byte with snapshotVersion, then two parts that each follow their
// length: the Core's state in CBOR, and the machine's own state; then the VM's
// snapshot.
const snapshotVersion = 1

// coreState is the state of a Core beside its VM.
type coreState struct {
	Timers      []timer  `cbor:"1,keyasint,omitempty"`
	LastID      uint32   `cbor:"2,keyasint,omitempty"`
	Wait        Wait     `cbor:"3,keyasint,omitempty"`
	Wake        int64    `cbor:"4,keyasint,omitempty"`
	Crash       []string `cbor:"5,keyasint,omitempty"`
	Incarnation uint64   `cbor:"6,keyasint,omitempty"`
	Full        bool     `cbor:"7,keyasint,omitempty"`

	Places []tandem.Where `cbor:"8,keyasint,omitempty"` // of Crash
	During *During        `cbor:"9,keyasint,omitempty"` // while the program is busy

	Stepped time.Duration `cbor:"10,keyasint,omitempty"`
}

// stateMode decodes state. Its strings are the program's, so they may hold any bytes,
// although CBOR calls them text.
var stateMode = sync.OnceValues(cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode)

// DecodeState decodes a machine's own state, which the machine has encoded with
// cbor.Marshal.
func DecodeState(data []byte, state any) error {
	mode, err := stateMode()
	if err != nil {
		return err
	}
	return mode.Unmarshal(data, state)
}

// Snapshot returns the whole state of the Core, and the machine's own state, which
// Restore returns. It does not change the Core.
func (c *Core) Snapshot(machine []byte) ([]byte, error) {
	s := coreState{
		c.timers, c.lastID, c.wait, c.wake, c.crash.Lines, c.cfg.Incarnation, c.full, c.crash.Places, nil,
		c.stepped,
	}
	if c.Busy() {
		s.During = &c.During
	}
	state, err := cbor.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	out := []byte{snapshotVersion}
	for _, part := range [][]byte{state, machine} {
		out = binary.AppendUvarint(out, uint64(len(part)))
		out = append(out, part...)
	}
	vm, err := c.VM.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return append(out, vm...), nil
}

// Restore restores the Core from a snapshot, with the same program. The incarnation is
// the snapshot's. It returns the machine's own state.
func (c *Core) Restore(cfg Config, data []byte, now time.Time) (machine []byte, err error) {
	if len(data) == 0 || data[0] != snapshotVersion {
		return nil, errors.New("restore: this is not a snapshot of this version")
	}
	data = data[1:]
	var parts [2][]byte
	for i := range parts {
		n, size := binary.Uvarint(data)
		if size <= 0 || n > uint64(len(data)-size) {
			return nil, errors.New("restore: the snapshot is cut short")
		}
		parts[i], data = data[size:size+int(n)], data[size+int(n):]
	}
	var s coreState
	if err := DecodeState(parts[0], &s); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	program := func(hash [32]byte) *compile.Program {
		if hash == cfg.Program.Hash() {
			return cfg.Program
		}
		return nil
	}
	c.VM, err = squirrel.Restore(cfg.Library, data, program, cfg.Memory)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	c.timers = s.Timers
	c.lastID = s.LastID
	c.full = s.Full
	c.wait = s.Wait
	c.wake = s.Wake
	c.stepped = s.Stepped
	c.crash = report{s.Crash, s.Places}
	for len(c.crash.Places) < len(c.crash.Lines) { // the snapshot is of a version without places
		c.crash.Places = append(c.crash.Places, tandem.Where{})
	}
	if s.During != nil {
		c.During = *s.During
	}
	cfg.Incarnation = s.Incarnation
	c.attach(cfg, now)
	return parts[1], nil
}
