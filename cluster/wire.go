package cluster

import (
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/host"
)

// What nodes say to each other: a byte with the kind, and one of the structs
// below in CBOR. All but routesMessage go over the mesh's lanes, which lose
// nothing and keep the order.
const (
	kindOpen    = iota + 1 // gateway to owner: a device has a link
	kindMessage            // gateway to owner: the device has published
	kindClose              // gateway to owner: the link is no more
	kindSend               // owner to gateway: a message for the device
	kindEnd                // owner to gateway: close the link
	kindAck                // owner to gateway: a message has been handled
	kindClosed             // owner to gateway: the close has been heard
	kindAstray             // owner to gateway: the pair is not here
	kindGone               // gateway to owner: there is no such link
	kindRequest            // ingress to owner
	kindAnswer             // whoever has the agent, to ingress
	kindLeft               // owner to ingress: the agent has left with the request
	kindTaken              // new owner to ingress: the request has come here
	kindEmpty              // to all: no agents are here, nor will be; what has not been answered has not been done
	kindFetched            // who made an outgoing request, to whoever has the agent
	kindCancel             // whoever has the agent, to who makes the request
	kindOffer              // a move, old owner to new: here they are
	kindReady              // new to old: they could go on here
	kindGo                 // old to new: they are yours
	kindStay               // old to new: forget them
	kindAsk                // a question of the control plane
	kindTold               // its answer
	kindLine               // a log line, to a node that follows the device's log
	kindRoutes             // to all, by broadcast: where shards are now
)

type (
	openMessage struct {
		_       struct{} `cbor:",toarray"`
		Ref     tandem.LinkRef
		Device  tandem.DeviceID
		Agent   tandem.AgentID
		Address string
		Next    uint64 // number of the first message that is to come
	}
	messageMessage struct {
		_       struct{} `cbor:",toarray"`
		Ref     tandem.LinkRef
		Device  tandem.DeviceID
		Seq     uint64
		Topic   string
		Message tandem.Message
	}
	closeMessage struct {
		_      struct{} `cbor:",toarray"`
		Ref    tandem.LinkRef
		Device tandem.DeviceID
		Agent  tandem.AgentID
		Clean  bool
		Lost   bool
	}
	sendMessage struct {
		_       struct{} `cbor:",toarray"`
		ID      uint64   // of the link
		Device  tandem.DeviceID
		Epoch   int64 // of the owner's shard
		Topic   string
		Message tandem.Message
	}
	endMessage struct {
		_     struct{} `cbor:",toarray"`
		ID    uint64
		Epoch int64
		Why   string
	}
	ackMessage struct {
		_   struct{} `cbor:",toarray"`
		ID  uint64
		Seq uint64
	}
	linkMessage struct { // closed, astray, gone
		_      struct{} `cbor:",toarray"`
		Ref    tandem.LinkRef
		Device tandem.DeviceID
	}
	requestMessage struct {
		_       struct{} `cbor:",toarray"`
		ID      uint64
		Agent   tandem.AgentID
		Request *tandem.Request
	}
	answerMessage struct {
		_         struct{} `cbor:",toarray"`
		ID        uint64
		Response  *tandem.Response
		Failure   *failure
		Elsewhere bool // nothing has happened: ask again
		Lost      bool
	}
	emptyMessage struct {
		_ struct{} `cbor:",toarray"`
	}
	pendingMessage struct { // left, taken
		_  struct{} `cbor:",toarray"`
		ID uint64
	}
	fetchedMessage struct {
		_        struct{} `cbor:",toarray"`
		Ref      tandem.FetchRef
		Hops     int
		Response *tandem.Response
		Part     []byte
	}
	cancelMessage struct {
		_   struct{} `cbor:",toarray"`
		Ref tandem.FetchRef
	}
	offerMessage struct {
		_      struct{} `cbor:",toarray"`
		ID     uint64
		Shards []int
		Epochs []int64 // before the move
		Why    tandem.Reason
		Pairs  []*host.Moved
		More   bool // pairs of the same offer follow
	}
	moveMessage struct { // ready, stay
		_  struct{} `cbor:",toarray"`
		ID uint64
	}
	goMessage struct {
		_      struct{} `cbor:",toarray"`
		ID     uint64
		Shards []int
		Epochs []int64 // now
	}
	askMessage struct {
		_      struct{} `cbor:",toarray"`
		ID     uint64
		What   string
		Device tandem.DeviceID
		Group  string

		View    uint64 // of a log
		Devices []tandem.DeviceID
		Lines   int
	}
	lineMessage struct {
		_    struct{} `cbor:",toarray"`
		View uint64
		Line tandem.LogEntry
	}
	toldMessage struct {
		_         struct{} `cbor:",toarray"`
		ID        uint64
		Yes       bool
		Elsewhere bool
		Failure   *failure
		Lines     []tandem.LogEntry
	}
	routesMessage struct {
		_      struct{} `cbor:",toarray"`
		Shards []int
		Owner  string
		Epochs []int64
	}
)

// failure is an error as it travels: its kind and text.
type failure struct {
	_    struct{} `cbor:",toarray"`
	Kind tandem.Kind
	Msg  string
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	return &failure{Kind: tandem.KindOf(err), Msg: err.Error()}
}

func (f *failure) err() error {
	if f == nil {
		return nil
	}
	return &tandem.Error{Kind: f.Kind, Msg: f.Msg}
}

func encode(kind byte, v any) []byte {
	data, err := cbor.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("cluster: a message cannot be encoded: %v", err)) // our own plain structs
	}
	return append([]byte{kind}, data...)
}

var errWire = errors.New("cluster: a message of another version")

// strings in messages are the programs' own: any bytes.
var wireMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid, MaxArrayElements: 1 << 24, MaxMapPairs: 1 << 20}.DecMode()
	if err != nil {
		panic(err) // constant options
	}
	return mode
}()

func decode[T any](data []byte) (*T, error) {
	v := new(T)
	if err := wireMode.Unmarshal(data, v); err != nil {
		return nil, fmt.Errorf("%w: %w", errWire, err)
	}
	return v, nil
}
