package life

import (
	"errors"

	"github.com/fxamacker/cbor/v2"

	"github.com/tandem-iot/tandem"
)

// Errors that say where to turn to.
var (
	// ErrElsewhere: the agent is not on this host, or is about to leave it.
	// Nothing has been done; ask the node that has it.
	ErrElsewhere = errors.New("the agent is on another node")
	// ErrMoved: the agent has left with the request, and will answer it from
	// wherever it is.
	ErrMoved = errors.New("the agent has moved, and the request with it")
	// ErrLost: the host lost the agent to another node before it answered;
	// whether the request had an effect is not known.
	ErrLost = errors.New("the agent was lost to another node")
)

// ErrReplaced is what a link is told that introduces itself again when the device has a
// newer one. It is to be closed.
var ErrReplaced = tandem.Errorf(tandem.Conflict, "a newer connection of the device has taken over")

// ErrStopping is what is told to those who wait for an agent whose node stops.
var ErrStopping = tandem.Errorf(tandem.Unavailable, "this server is being stopped: try again in a moment")

var (
	errDamaged = tandem.Errorf(tandem.Unavailable,
		"the agent is not started, because what it has saved is damaged; see its log")
	errNotReached = tandem.Errorf(tandem.Unavailable,
		"the agent could not take the request within %v", tandem.PlacementWait)
	errNoAnswer = tandem.Errorf(tandem.Unavailable, "the agent did not answer within %v", tandem.AnswerWait)
	errDeleted  = tandem.Errorf(tandem.NotFound, "the device of this agent has been deleted")
	errNoCode   = tandem.Errorf(tandem.NotFound, "this agent has no code: its device group has no deployment")
)

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// kindOf and errorOf carry the kind of an error that may be nil: 0 is for nil.
func kindOf(err error) uint8 {
	if err == nil {
		return 0
	}
	return uint8(tandem.KindOf(err)) + 1
}

func errorOf(text string, kind uint8) error {
	if kind == 0 {
		return nil
	}
	return &tandem.Error{Kind: tandem.Kind(kind - 1), Msg: text}
}

// encoding writes what travels.
var encoding = func() cbor.EncMode {
	mode, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode()
	if err != nil {
		panic(err) // the options are constant
	}
	return mode
}()

// decoding reads what travels. Strings in it are the programs' own: any bytes.
var decoding = func() cbor.DecMode {
	mode, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, MaxArrayElements: 1 << 20, MaxMapPairs: 1 << 16}.DecMode()
	if err != nil {
		panic(err) // the options are constant
	}
	return mode
}()
