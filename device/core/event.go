package core

import (
	"github.com/tandem-iot/tandem/device"
)

// Event is something that happens to the runtime.
type Event interface{ event() }

type (
	// PowerOn is the first event of a Core.
	PowerOn struct{}

	// PowerCycle cuts the power and switches it on again, on a simulated device:
	// what is in memory is lost, what was asked of the disk is still done. A real
	// loss of power ends the Core instead, and New makes the next one.
	PowerCycle struct{}

	// Restart restarts the code at once, for the operator.
	Restart struct{}

	// Offline takes the network away, or gives it back.
	Offline struct{ Off bool }

	// Changed says what has happened on the board.
	Changed struct{ Change device.Changed }

	// Leave ends the runtime in good order. Left is the answer.
	Leave struct{}

	// Tick says that Deadline has come. It is harmless when it has not.
	Tick struct{}

	// Dialed is the outcome of Dial with that number. Address is the device's
	// own IP address on the connection, "" where that is not known. Reason is
	// what the code is told when Err is not nil: one of device.NoLink,
	// device.NotResolved and device.NoServer.
	Dialed struct {
		Number  uint64
		Address string
		Reason  int
		Err     error
	}

	// Received has bytes that came over a connection. The core does not keep
	// Data after Step.
	Received struct {
		Number uint64
		Data   []byte
	}

	// Written says that the bytes of the last Write are with the network.
	Written struct{ Number uint64 }

	// Closed says that a connection has ended, from the other side or by a
	// failure to read or write. CloseConn is not answered.
	Closed struct {
		Number uint64
		Err    error
	}

	// FileDone is the outcome of an effect on the disk with that number: WriteFile, WriteAt,
	// Reserve, RemoveFile or SetAside. The core asks for one at a time.
	FileDone struct {
		Number uint64
		Err    error
	}

	// FileRead is the outcome of ReadFile with that number. Data may be short at the end of
	// the file. The core does not keep it after Step.
	FileRead struct {
		Number uint64
		Data   []byte
		Err    error
	}

	// CodeRead is the outcome of ReadCode with that number.
	CodeRead struct {
		Number uint64
		Text   string
		Err    error
	}
)

func (*PowerOn) event()    {}
func (*PowerCycle) event() {}
func (*Restart) event()    {}
func (*Offline) event()    {}
func (*Changed) event()    {}
func (*Leave) event()      {}
func (*Tick) event()       {}
func (*Dialed) event()     {}
func (*Received) event()   {}
func (*Written) event()    {}
func (*Closed) event()     {}
func (*FileDone) event()   {}
func (*FileRead) event()   {}
func (*CodeRead) event()   {}
