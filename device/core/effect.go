package core

import "time"

// Effect is something the runtime wants done. Effects are to be done in the
// order in which they come. Their content does not change after Step.
type Effect interface{ effect() }

type (
	// Dial asks for a connection to the server or, when Another is not "", to
	// the one at that host and port. Dialed is the answer, unless CloseConn comes
	// first. The connection keeps the number. Time is the time by which the server's
	// certificate is to be verified. AtLeast says that the clock is wrong, and that it is
	// only known to be no earlier.
	Dial struct {
		Number  uint64
		Another string
		Time    time.Time
		AtLeast bool
	}

	// CloseConn ends a connection, or the attempt to make it, at once. Nothing
	// more is reported of that number.
	CloseConn struct{ Number uint64 }

	// Write sends bytes over a connection. Written is the answer, or Closed; the
	// next Write of the connection comes after it.
	Write struct {
		Number uint64
		Data   []byte
	}

	// WriteFile replaces a file of the device's directory. Name is relative, with
	// slashes. After a loss of power the file has its old or its new content, and
	// the new one once FileDone has said so.
	WriteFile struct {
		Number uint64
		Name   string
		Data   []byte
	}

	// WriteAt writes in place to a file that exists and has room there. With Flush all that
	// was written to the file is durable when FileDone says that it is done. Until then a
	// loss of power leaves any part of it.
	WriteAt struct {
		Number uint64
		Name   string
		Offset int64
		Data   []byte
		Flush  bool
	}

	// Reserve makes a file of zeros, so that writing to it in place needs no more room of the
	// disk. It must fail rather than take the share of the disk that others need.
	Reserve struct {
		Number uint64
		Name   string
		Size   int64
	}

	// RemoveFile removes a file. A loss of power may bring it back, even after
	// FileDone. To remove what is not there is no error.
	RemoveFile struct {
		Number uint64
		Name   string
	}

	// SetAside renames a file that cannot be used, by adding Aside to its name. It replaces
	// what was set aside before.
	SetAside struct {
		Number uint64
		Name   string
	}

	// ReadFile reads a part of a file. FileRead is the answer.
	ReadFile struct {
		Number uint64
		Name   string
		Offset int64
		Size   int
	}

	// ReadCode asks for the operator's own code; see Config.OwnCode.
	ReadCode struct{ Number uint64 }

	// BoardReset puts the hardware into the state after a reset. It is done before
	// the next event is given.
	BoardReset struct{}

	// LogLine is for the operator of the device, not for the owner of the code.
	LogLine struct {
		Level Level
		Msg   string
		Attrs []Attr
	}

	// Left says that the runtime has ended as Leave has asked. It is the last
	// effect.
	Left struct{}
)

// Level says how serious a LogLine is.
type Level uint8

const (
	Info Level = iota
	Warn
	Error
)

func (l Level) String() string { return [...]string{"info", "warn", "error"}[l] }

// Attr is an attribute of a LogLine.
type Attr struct{ Key, Value string }

func (*Dial) effect()       {}
func (*CloseConn) effect()  {}
func (*Write) effect()      {}
func (*WriteFile) effect()  {}
func (*WriteAt) effect()    {}
func (*Reserve) effect()    {}
func (*RemoveFile) effect() {}
func (*SetAside) effect()   {}
func (*ReadFile) effect()   {}
func (*ReadCode) effect()   {}
func (*BoardReset) effect() {}
func (*LogLine) effect()    {}
func (*Left) effect()       {}
