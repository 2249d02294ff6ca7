package protocol

import (
	"errors"

	"github.com/tandem-iot/tandem"
)

// Fate says of a failure what has become of what was asked.
type Fate uint8

const (
	// Refused: it was looked at, and this is the answer.
	Refused Fate = iota
	// Elsewhere: nothing was done. The agent is at another node, or about to leave.
	Elsewhere
	// Moved: the agent has taken it to another node, which will answer.
	Moved
	// Lost: whether it was done is not known.
	Lost
)

// Failure is an error as it travels between nodes. It is the only form that an
// error has on the wire.
type Failure struct {
	_    struct{} `cbor:",toarray"`
	Fate Fate
	Kind tandem.Kind
	Text string
}

func (f *Failure) Error() string { return f.Text }

// FailureOf returns an error as it travels, nil for none. Fate is Refused for
// an error that says nothing else.
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
		kind = tandem.Internal // of a newer version
	}
	return &tandem.Error{Kind: kind, Msg: f.Text}
}

// FateOf returns what an outcome says about what was asked; Refused for none.
func FateOf(f *Failure) Fate {
	if f == nil {
		return Refused
	}
	return f.Fate
}
