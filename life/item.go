package life

import (
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"

	"github.com/tandem-iot/tandem/agent"
)

// item is an event for the agent, with what is to be given back when it has been
// handled.
type item struct {
	event   agent.Event
	token   uint64 // 0: none
	request uint64 // its number, when the event is a Request
	seq     uint64 // of a device's message, among those of the newest link; 0: it came by an older one
}

// isPost reports whether the event is a tandem.post of the device: it may not be
// lost.
func (it item) isPost() bool {
	m, ok := it.event.(*agent.DeviceMessage)
	return ok && m.Message.Post != 0
}

func (it item) isMessage() bool {
	_, ok := it.event.(*agent.DeviceMessage)
	return ok
}

// outdated reports whether an event was meant for an earlier incarnation.
func (it item) outdated() bool {
	switch it.event.(type) {
	case *agent.DeviceMessage, *agent.Request:
		return false
	}
	return true
}

// events are all events of an agent. An event travels with its place here.
var events = []agent.Event{
	0: nil, 1: &agent.Boot{}, 2: &agent.DeviceMessage{}, 3: &agent.DeviceConnected{}, 4: &agent.DeviceDisconnected{},
	5: &agent.PeerStarted{}, 6: &agent.Request{}, 7: &agent.Alarm{}, 8: &agent.Fetched{}, 9: &agent.FetchedPart{},
	10: &agent.Uploaded{}, 11: &agent.MQTTConnected{}, 12: &agent.MQTTMessage{}, 13: &agent.MQTTDone{},
	14: &agent.MQTTLost{}, 15: &agent.Saved{}, 16: &agent.Posted{}, 17: &agent.Handled{},
	18: &agent.Woken{}, 19: &agent.Shutdown{},
}

var places = func() map[reflect.Type]uint8 {
	m := map[reflect.Type]uint8{}
	for i, ev := range events {
		if ev != nil {
			m[reflect.TypeOf(ev)] = uint8(i)
		}
	}
	return m
}()

// travelling is an item as it travels.
type travelling struct {
	_       struct{} `cbor:",toarray"`
	Kind    uint8
	Event   cbor.RawMessage
	Err     string // of Saved and Posted
	ErrKind uint8
	Request uint64
	Seq     uint64
}

// MarshalCBOR writes the item without its token, which belongs to this host.
func (it item) MarshalCBOR() ([]byte, error) {
	t := travelling{Kind: places[reflect.TypeOf(it.event)], Request: it.request, Seq: it.seq}
	ev := it.event
	switch x := ev.(type) {
	case *agent.Saved:
		ev = &agent.Saved{}
		t.Err, t.ErrKind = textOf(x.Err), kindOf(x.Err)
	case *agent.Posted:
		ev = &agent.Posted{Seq: x.Seq}
		t.Err, t.ErrKind = textOf(x.Err), kindOf(x.Err)
	}
	var err error
	if t.Event, err = encoding.Marshal(ev); err != nil {
		return nil, err
	}
	return encoding.Marshal(t)
}

// UnmarshalCBOR reads an item that MarshalCBOR has written.
func (it *item) UnmarshalCBOR(data []byte) error {
	var t travelling
	if err := decoding.Unmarshal(data, &t); err != nil {
		return err
	}
	*it = item{request: t.Request, seq: t.Seq}
	if t.Kind == 0 {
		return nil
	}
	if int(t.Kind) >= len(events) {
		return fmt.Errorf("an event of kind %d, which this version does not know", t.Kind)
	}
	ev := reflect.New(reflect.TypeOf(events[t.Kind]).Elem())
	if err := decoding.Unmarshal(t.Event, ev.Interface()); err != nil {
		return err
	}
	it.event = ev.Interface().(agent.Event)
	switch x := it.event.(type) {
	case *agent.Saved:
		x.Err = errorOf(t.Err, t.ErrKind)
	case *agent.Posted:
		x.Err = errorOf(t.Err, t.ErrKind)
	case *agent.Request:
		if x.Request == nil {
			return fmt.Errorf("a request without its content")
		}
	}
	return nil
}
