package protocol

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"

	"github.com/tandem-iot/tandem"
)

// kind is the first byte of a message. Numbers of former versions are not used again:
// 12 and 13 said that a request had left or arrived.
type kind byte

const (
	kindOpen    kind = 1
	kindPublish kind = 2
	kindClose   kind = 3
	kindSend    kind = 4
	kindEnd     kind = 5
	kindAck     kind = 6
	kindClosed  kind = 7
	kindAstray  kind = 8
	kindGone    kind = 9
	kindRequest kind = 10
	kindAnswer  kind = 11
	kindEmpty   kind = 14
	kindFetched kind = 15
	kindCancel  kind = 16
	kindOffer   kind = 17
	kindReady   kind = 18
	kindGo      kind = 19
	kindStay    kind = 20
	kindAsk     kind = 21
	kindTold    kind = 22
	kindLine    kind = 23
	kindRoutes  kind = 24
	kindTaken   kind = 25
	kindDecline kind = 26
	kindSettled kind = 27
)

func (*Open) kind() kind    { return kindOpen }
func (*Publish) kind() kind { return kindPublish }
func (*Close) kind() kind   { return kindClose }
func (*Send) kind() kind    { return kindSend }
func (*End) kind() kind     { return kindEnd }
func (*Ack) kind() kind     { return kindAck }
func (*Closed) kind() kind  { return kindClosed }
func (*Astray) kind() kind  { return kindAstray }
func (*Gone) kind() kind    { return kindGone }
func (*Request) kind() kind { return kindRequest }
func (*Answer) kind() kind  { return kindAnswer }
func (*Taken) kind() kind   { return kindTaken }
func (*Empty) kind() kind   { return kindEmpty }
func (*Settled) kind() kind { return kindSettled }
func (*Fetched) kind() kind { return kindFetched }
func (*Cancel) kind() kind  { return kindCancel }
func (*Offer) kind() kind   { return kindOffer }
func (*Ready) kind() kind   { return kindReady }
func (*Decline) kind() kind { return kindDecline }
func (*Go) kind() kind      { return kindGo }
func (*Stay) kind() kind    { return kindStay }
func (*Ask) kind() kind     { return kindAsk }
func (*Told) kind() kind    { return kindTold }
func (*Line) kind() kind    { return kindLine }
func (*Routes) kind() kind  { return kindRoutes }

// newMessage returns an empty message of a kind, or nil when there is no such kind.
func newMessage(k kind) Message {
	switch k {
	case kindOpen:
		return new(Open)
	case kindPublish:
		return new(Publish)
	case kindClose:
		return new(Close)
	case kindSend:
		return new(Send)
	case kindEnd:
		return new(End)
	case kindAck:
		return new(Ack)
	case kindClosed:
		return new(Closed)
	case kindAstray:
		return new(Astray)
	case kindGone:
		return new(Gone)
	case kindRequest:
		return new(Request)
	case kindAnswer:
		return new(Answer)
	case kindTaken:
		return new(Taken)
	case kindEmpty:
		return new(Empty)
	case kindSettled:
		return new(Settled)
	case kindFetched:
		return new(Fetched)
	case kindCancel:
		return new(Cancel)
	case kindOffer:
		return new(Offer)
	case kindReady:
		return new(Ready)
	case kindDecline:
		return new(Decline)
	case kindGo:
		return new(Go)
	case kindStay:
		return new(Stay)
	case kindTold:
		return new(Told)
	case kindLine:
		return new(Line)
	case kindRoutes:
		return new(Routes)
	}
	return nil
}

// question is the kind of a Question on the wire.
type question byte

const (
	questionRestartAgent  question = 1
	questionRestartDevice question = 2
	questionOnline        question = 3
	questionRuns          question = 4
	questionDeployed      question = 5
	questionAssigned      question = 6
	questionDeleted       question = 7
	questionDrain         question = 8
	questionHistory       question = 9
	questionFollow        question = 10
	questionUnfollow      question = 11
)

func (*RestartAgent) asks() question  { return questionRestartAgent }
func (*RestartDevice) asks() question { return questionRestartDevice }
func (*Online) asks() question        { return questionOnline }
func (*Runs) asks() question          { return questionRuns }
func (*Deployed) asks() question      { return questionDeployed }
func (*Assigned) asks() question      { return questionAssigned }
func (*Deleted) asks() question       { return questionDeleted }
func (*Drain) asks() question         { return questionDrain }
func (*History) asks() question       { return questionHistory }
func (*Follow) asks() question        { return questionFollow }
func (*Unfollow) asks() question      { return questionUnfollow }

func newQuestion(k question) Question {
	switch k {
	case questionRestartAgent:
		return new(RestartAgent)
	case questionRestartDevice:
		return new(RestartDevice)
	case questionOnline:
		return new(Online)
	case questionRuns:
		return new(Runs)
	case questionDeployed:
		return new(Deployed)
	case questionAssigned:
		return new(Assigned)
	case questionDeleted:
		return new(Deleted)
	case questionDrain:
		return new(Drain)
	case questionHistory:
		return new(History)
	case questionFollow:
		return new(Follow)
	case questionUnfollow:
		return new(Unfollow)
	}
	return nil
}

// envelope is an Ask on the wire.
type envelope struct {
	_     struct{} `cbor:",toarray"`
	ID    uint64
	Again bool
	Kind  question
	Body  cbor.RawMessage
}

// Encode encodes a message: its kind, and the struct in CBOR.
func Encode(m Message) []byte {
	if a, ok := m.(*Ask); ok {
		e := &envelope{ID: a.ID, Again: a.Again, Kind: a.Question.asks(), Body: marshal(a.Question)}
		return append([]byte{byte(kindAsk)}, marshal(e)...)
	}
	return append([]byte{byte(m.kind())}, marshal(m)...)
}

// Times keep their fractions of a second, which CBOR drops by default.
var encodeMode = func() cbor.EncMode {
	mode, err := cbor.EncOptions{Time: cbor.TimeRFC3339Nano}.EncMode()
	if err != nil {
		panic(err) // constant options
	}
	return mode
}()

func marshal(v any) []byte {
	data, err := encodeMode.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("protocol: cannot encode %T: %v", v, err)) // our own plain structs
	}
	return data
}

// MaxElements limits the elements of an array in a message.
const MaxElements = 1 << 20

var errWire = errors.New("cannot parse a message of another node; it may be of another version")

// Texts in messages come from programs, so they may be any bytes. An element of an array can
// have one byte on the wire and a hundred in memory.
var wireMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		UTF8: cbor.UTF8DecodeInvalid, MaxArrayElements: MaxElements, MaxMapPairs: 1 << 20,
	}.DecMode()
	if err != nil {
		panic(err) // constant options
	}
	return mode
}()

// Decode decodes a message that Encode has encoded. It fails when the bytes are not a
// message of this version.
func Decode(data []byte) (Message, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("%w: it is empty", errWire)
	}
	k := kind(data[0])
	if k == kindAsk {
		return decodeAsk(data[1:])
	}
	m := newMessage(k)
	if m == nil {
		return nil, fmt.Errorf("%w: its kind is %d", errWire, k)
	}
	if err := unmarshal(data[1:], m); err != nil {
		return nil, err
	}
	return m, check(m)
}

func decodeAsk(data []byte) (Message, error) {
	var e envelope
	if err := unmarshal(data, &e); err != nil {
		return nil, err
	}
	q := newQuestion(e.Kind)
	if q == nil {
		return nil, fmt.Errorf("%w: its question is %d", errWire, e.Kind)
	}
	if err := unmarshal(e.Body, q); err != nil {
		return nil, err
	}
	if !askedIDs(q) {
		return nil, fmt.Errorf("%w: a question has an invalid id", errWire)
	}
	return &Ask{ID: e.ID, Again: e.Again, Question: q}, nil
}

func unmarshal(data []byte, v any) error {
	if err := wireMode.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", errWire, err)
	}
	return nil
}

// check refuses messages that parse and are incomplete.
func check(m Message) error {
	ok := true
	switch m := m.(type) {
	case *Request:
		ok = m.Request != nil
	case *Offer:
		ok = len(m.Shards) == len(m.Epochs) && len(m.Shards) > 0
		for _, p := range m.Pairs {
			ok = ok && p != nil
		}
	case *Go:
		ok = len(m.Shards) == len(m.Epochs)
	case *Routes:
		ok = len(m.Shards) == len(m.Epochs)
	case *Answer:
		ok = m.Response != nil || m.Failure != nil
	}
	if !ok {
		return fmt.Errorf("%w: %s is incomplete", errWire, reflect.TypeOf(m).Elem().Name())
	}
	if !validIDs(m) {
		return fmt.Errorf("%w: %s has an invalid id", errWire, reflect.TypeOf(m).Elem().Name())
	}
	return nil
}

// validIDs reports whether the ids of devices and agents in a message have the form of
// ids. They become parts of names elsewhere, such as the subjects of logs.
func validIDs(m Message) bool {
	switch m := m.(type) {
	case *Open:
		return m.Device.Valid() && m.Agent.Valid()
	case *Publish:
		return m.Device.Valid()
	case *Close:
		return m.Device.Valid() && m.Agent.Valid()
	case *Send:
		return m.Device.Valid()
	case *Gone:
		return m.Device.Valid()
	case *Request:
		return m.Agent.Valid()
	case *Fetched:
		return m.Ref.Agent.Valid()
	case *Cancel:
		return m.Ref.Agent.Valid()
	case *Offer:
		for _, p := range m.Pairs {
			if !p.Device.Valid() || !p.Agent.Valid() {
				return false
			}
		}
	case *Told:
		for _, line := range m.Lines {
			if !line.Device.Valid() {
				return false
			}
		}
	case *Line:
		return m.Line.Device.Valid()
	}
	return true
}

// askedIDs is validIDs for a question.
func askedIDs(q Question) bool {
	switch q := q.(type) {
	case *RestartAgent:
		return q.Device.Valid()
	case *RestartDevice:
		return q.Device.Valid()
	case *Online:
		return q.Device.Valid()
	case *Runs:
		return q.Device.Valid()
	case *Assigned:
		return q.Device.Valid()
	case *Deleted:
		return q.Device.Valid()
	case *History:
		return allValid(q.Devices)
	case *Follow:
		return allValid(q.Devices)
	}
	return true
}

func allValid(list []tandem.DeviceID) bool {
	for _, id := range list {
		if !id.Valid() {
			return false
		}
	}
	return true
}
