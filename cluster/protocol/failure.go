package protocol

import (
	"errors"

	"github.com/tandem-iot/tandem"
)

// Fate says whether a failed call has been done.
type Fate uint8

const (
	// Refused: the call was handled, and the failure is its answer.
	Refused Fate = iota
	// Elsewhere: nothing was done. The agent is at another node, or about to leave.
	Elsewhere
	// Moved: the call has moved with the agent to another node, which will answer.
	Moved
	// Lost: the call may or may not have been done.
	Lost
)

// Failure is an error in messages between nodes, the only form that an error has on
// the wire.
type Failure struct {
	_    struct{} `cbor:",toarray"`
	Fate Fate
	Kind tandem.Kind
	Text string
}

func (f *Failure) Error() string { return f.Text }

// FailureOf returns an error as a Failure, nil for none. Its Fate is Refused unless
// the error has another.
func FailureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	return &Failure{Fate: Refused, Kind: tandem.KindOf(err), Text: err.Error()}
}

// Fatef returns a failure with a fate.
func Fatef(fate Fate, text string) *Failure {
	return &Failure{Fate: fate, Kind: tandem.Unavailable, Text: text}
}

// Err returns the failure as an error with its kind; nil for none.
func (f *Failure) Err() error {
	if f == nil {
		return nil
	}
	kind := f.Kind
	if kind > tandem.Unavailable {
		kind = tandem.Internal // a kind of a newer version
	}
	return &tandem.Error{Kind: kind, Msg: f.Text}
}

// EndsLink reports whether a host that refuses a link for this failure wants it closed, and
// the reason for the device. After any other failure the link is opened again.
func EndsLink(f *Failure) (why string, ends bool) {
	switch {
	case f == nil || f.Fate != Refused:
		return "", false
	case f.Kind == tandem.NotFound:
		return "the device has been deleted", true
	}
	return f.Text, f.Kind == tandem.Conflict // the device has a newer link
}

// FateOf returns the fate of a failure; Refused for none.
func FateOf(f *Failure) Fate {
	if f == nil {
		return Refused
	}
	return f.Fate
}
