package tandem

import (
	"errors"
	"fmt"
)

// Kind classifies an error for programs; the message is for people.
type Kind uint8

const (
	Internal     Kind = iota // a defect of Tandem or of the machine it runs on
	NotFound                 // the named object does not exist
	Invalid                  // the request is malformed or contradicts itself
	Conflict                 // the request contradicts the current state
	Unauthorized             // the caller is not authenticated
	Forbidden                // the caller is authenticated and has no right to this
	Limit                    // over a limit; the message names it
	Unavailable              // temporary; trying again later can help
)

var kindNames = [...]string{
	Internal:     "internal",
	NotFound:     "not found",
	Invalid:      "invalid",
	Conflict:     "conflict",
	Unauthorized: "unauthorized",
	Forbidden:    "forbidden",
	Limit:        "limit",
	Unavailable:  "unavailable",
}

func (k Kind) String() string { return kindNames[k] }

// Error is an error with a kind.
type Error struct {
	Kind Kind
	Msg  string // what was wrong and what to do about it
	Err  error  // cause, may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Msg
	}
	return e.Msg + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an *Error with a formatted message. To keep a cause for
// errors.Is, build the Error directly.
func Errorf(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of err, Internal when it has none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
