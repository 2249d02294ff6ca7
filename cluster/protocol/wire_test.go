package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
)

const (
	testDevice tandem.DeviceID = "0123456789abcdef"
	testAgent  tandem.AgentID  = "Agent_of-dev"
)

// somewhere is the place of a line, with all that there can be.
var somewhere = &tandem.Where{
	File: "agent_code", Line: 4, Function: "f", Deployment: "d", During: "device.on(\"a\")", Source: "f();", Plain: "no",
}

// someMessages has one of each message and question, with bytes that are no text.
func someMessages() []Message {
	ref := tandem.LinkRef{Node: "g", ID: 1 << 63}
	fetch := tandem.FetchRef{Node: "n", Agent: testAgent, Incarnation: 2, ID: 3}
	message := tandem.Message{Name: "a\xff", Data: []byte{0, 255}, Mark: tandem.Mark{Boot: 1, Seq: 2}}
	line := tandem.LogEntry{
		Device: testDevice,
		TS:     time.Unix(1_700_000_000, 123_456_789).UTC(),
		Type:   tandem.LogAgent,
		Msg:    "\xfe",
		Clock:  9,
	}
	placed := line
	placed.Where = somewhere
	pair := &Pair{
		Device:  testDevice,
		Agent:   testAgent,
		Link:    &ref,
		Run:     4,
		Origins: []tandem.Origin{{Node: "i", ID: 5}},
		Data:    []byte{1},
	}
	list := []Message{
		&Open{ID: 1, Device: testDevice, Agent: testAgent, Address: "::1", Next: 7, Hello: []byte("{}")},
		&Publish{ID: 1, Device: testDevice, Seq: 8, Topic: "agent/a\xff", Message: message},
		&Close{ID: 1, Device: testDevice, Agent: testAgent, Clean: true, Lost: true},
		&Send{ID: 1, Device: testDevice, Epoch: 1 << 40, Topic: "device/b", Message: message},
		&End{ID: 1, Epoch: 3, Why: "why"},
		&Ack{ID: 1, Seq: 8},
		&Closed{ID: 1},
		&Astray{ID: 1},
		&Gone{ID: 1, Device: testDevice},
		&Request{ID: 2, Agent: testAgent, Request: &tandem.Request{Method: "POST", Body: []byte{2}}},
		&Answer{ID: 2, Response: &tandem.Response{Status: 200, Body: []byte{3}}},
		&Answer{ID: 2, Failure: &Failure{Fate: Lost, Kind: tandem.Limit, Text: "too much"}},
		&Taken{IDs: []uint64{2, 3}, By: Peer{"n", 4}, Epoch: 5},
		&Empty{},
		&Settled{},
		&Fetched{Ref: fetch, Hops: 3, Response: &tandem.Response{Status: 56}},
		&Cancel{Ref: fetch},
		&Offer{
			ID:      4,
			Shards:  []int{1, 4095},
			Epochs:  []int64{3, 4},
			Why:     tandem.ReasonDrain,
			Version: 9,
			Known:   []Peer{{"g", 1}},
			Pairs:   []*Pair{pair},
			More:    true,
		},
		&Ready{ID: 4},
		&Decline{ID: 4, Failure: &Failure{Kind: tandem.Unavailable, Text: "not now"}},
		&Go{ID: 4, Shards: []int{1}, Epochs: []int64{4}},
		&Stay{ID: 4},
		&Routes{Shards: []int{1}, Owner: "n", Epochs: []int64{4}},
		&Told{ID: 6, Yes: true, Failure: &Failure{Text: "no"}, Lines: []tandem.LogEntry{line, placed}},
		&Line{View: 7, Line: line},
	}
	for _, q := range []Question{
		&RestartAgent{Device: testDevice}, &RestartDevice{Device: testDevice}, &Online{Device: testDevice},
		&Runs{Device: testDevice},
		&Deployed{Group: "g", Deployment: "d"},
		&Assigned{Device: testDevice, Shard: 7}, &Deleted{Device: testDevice}, &Drain{Undo: true},
		&History{Devices: []tandem.DeviceID{testDevice}, Lines: 3},
		&Follow{View: 7, Devices: []tandem.DeviceID{testDevice}},
		&Unfollow{View: 7},
	} {
		list = append(list, &Ask{ID: 6, Again: true, Question: q})
	}
	return list
}

// What nodes say to each other arrives as it was said.
func TestWire(t *testing.T) {
	kinds := map[kind]bool{}
	questions := map[question]bool{}
	for _, said := range someMessages() {
		heard, err := Decode(Encode(said))
		if err != nil || !reflect.DeepEqual(heard, said) {
			t.Errorf("%T: got %+v %v, said %+v", said, heard, err, said)
		}
		kinds[said.kind()] = true
		if a, ok := said.(*Ask); ok {
			questions[a.Question.asks()] = true
		}
	}
	for k := range 256 { // whatever can be decoded is among them
		if (newMessage(kind(k)) != nil) != (kinds[kind(k)] && kind(k) != kindAsk) {
			t.Errorf("kind %d: is in the list of messages: %v", k, kinds[kind(k)])
		}
		if (newQuestion(question(k)) != nil) != questions[question(k)] {
			t.Errorf("question %d: is in the list of messages: %v", k, questions[question(k)])
		}
	}
}

// TestKinds: during an upgrade nodes of two versions talk, so what a number means never
// changes, and that of a message which is gone is not used again.
func TestKinds(t *testing.T) {
	const want = "Open 1 Publish 2 Close 3 Send 4 End 5 Ack 6 Closed 7 Astray 8 Gone 9 Request 10 Answer 11 Answer 11 " +
		"Taken 25 Empty 14 Settled 27 Fetched 15 Cancel 16 Offer 17 Ready 18 Decline 26 Go 19 Stay 20 Routes 24 Told 22 Line 23 " +
		"Ask 21 RestartAgent 1 Ask 21 RestartDevice 2 Ask 21 Online 3 Ask 21 Runs 4 Ask 21 Deployed 5 " +
		"Ask 21 Assigned 6 Ask 21 Deleted 7 Ask 21 Drain 8 Ask 21 History 9 Ask 21 Follow 10 Ask 21 Unfollow 11"
	var got []string
	add := func(v any, n byte) {
		got = append(got, fmt.Sprintf("%s %d", reflect.TypeOf(v).Elem().Name(), n))
	}
	for _, m := range someMessages() {
		add(m, Encode(m)[0])
		if a, ok := m.(*Ask); ok {
			add(a.Question, byte(a.Question.asks()))
		}
	}
	if got := strings.Join(got, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, data := range map[string][]byte{
		"nothing":              nil,
		"an unknown kind":      {99, 0x80},
		"no CBOR":              {byte(kindAck), 0xff},
		"an unknown question":  append([]byte{byte(kindAsk)}, marshal(&envelope{Kind: 99, Body: []byte{0x80}})...),
		"a question that ends": append([]byte{byte(kindAsk)}, marshal(&envelope{Kind: questionDrain, Body: []byte{0x61, 'x'}})...),
		"a request of nothing": Encode(&Request{ID: 1}),
		"an answer of nothing": Encode(&Answer{ID: 1}),
		"an offer of nothing":  Encode(&Offer{ID: 1}),
		"a pair of nothing":    Encode(&Offer{Shards: []int{1}, Epochs: []int64{1}, Pairs: []*Pair{nil}}),
		"too few epochs":       Encode(&Go{Shards: []int{1}}),
		"too many lines":       tooMany(),
		"too many epochs":      Encode(&Routes{Epochs: []int64{1}}),
	} {
		if m, err := Decode(data); !errors.Is(err, errWire) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
}

// tooMany returns an answer with too many lines of nothing.
func tooMany() []byte {
	const elements = MaxElements + 1
	data := []byte{byte(kindTold), 0x84, 0, 0xf4, 0xf6, 0x9a}
	data = binary.BigEndian.AppendUint32(data, elements)
	return append(data, bytes.Repeat([]byte{0xf6}, elements)...)
}

// TestInvalidIDs: an id of a device or an agent in a message is refused when it has not
// the form of one, wherever it is.
func TestInvalidIDs(t *testing.T) {
	places := 0
	for i, m := range someMessages() {
		n := len(idsIn(reflect.ValueOf(m)))
		for k := range n {
			for _, bad := range []string{"", "x", "*", "\x00", strings.Repeat("a.", 5000)} {
				m := someMessages()[i]
				idsIn(reflect.ValueOf(m))[k].SetString(bad)
				if _, err := Decode(Encode(m)); !errors.Is(err, errWire) {
					t.Errorf("%T %+v: id %d is %.10q: %v", m, m, k, bad, err)
				}
			}
		}
		places += n
	}
	if places < 20 {
		t.Errorf("only %d ids were found: is the test right?", places)
	}
}

// idsIn returns the ids of devices and agents in a value.
func idsIn(v reflect.Value) (list []reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return idsIn(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				list = append(list, idsIn(v.Field(i))...)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			list = append(list, idsIn(v.Index(i))...)
		}
	case reflect.String:
		if t := v.Type(); t == reflect.TypeFor[tandem.DeviceID]() || t == reflect.TypeFor[tandem.AgentID]() {
			list = append(list, v)
		}
	}
	return list
}

// FuzzDecode: whatever another node sends, it is decoded to what encodes to the same, or
// refused.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	for _, m := range someMessages() {
		f.Add(Encode(m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Decode(Encode(m))
		if err != nil {
			t.Fatalf("%+v cannot be decoded again: %v", m, err)
		}
		if string(Encode(again)) != string(Encode(m)) {
			t.Fatalf("%+v became %+v", m, again)
		}
	})
}

func TestFailure(t *testing.T) {
	f := FailureOf(tandem.Errorf(tandem.Limit, "too much"))
	if err := f.Err(); tandem.KindOf(err) != tandem.Limit || err.Error() != "too much" {
		t.Errorf("an error arrives as %v", err)
	}
	if FailureOf(nil) != nil || (*Failure)(nil).Err() != nil || FateOf(nil) != Refused {
		t.Error("no error arrives as one")
	}
	lost := Fatef(Lost, "gone")
	if FailureOf(lost) != lost || FateOf(lost) != Lost {
		t.Error("a failure loses its fate")
	}
	if err := (&Failure{Kind: 200}).Err(); tandem.KindOf(err) != tandem.Internal {
		t.Errorf("an unknown kind is %v", tandem.KindOf(err))
	}
}

// TestPure: the cores decide, and do nothing.
func TestPure(t *testing.T) {
	allowed := []string{"cmp", "errors", "fmt", "maps", "reflect", "slices", "time",
		"github.com/fxamacker/cbor/v2", "github.com/tandem-iot/tandem", "github.com/tandem-iot/tandem/hlc", "github.com/tandem-iot/tandem/placement",
		"github.com/tandem-iot/tandem/store/record"}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// TestLineWithoutPlace: a node of a version that knows no places of lines reads a line that
// has one, and its own lines are read here.
func TestLineWithoutPlace(t *testing.T) {
	type older struct {
		Device tandem.DeviceID `json:"device_id"`
		TS     time.Time       `json:"ts"`
		Type   string          `json:"type"`
		Msg    string          `json:"msg"`
		Clock  uint64          `json:"clock"`
	}
	at := time.Unix(1_700_000_000, 0).UTC()
	want := older{testDevice, at, tandem.LogAgent, "text", 9}
	entry := tandem.LogEntry{
		Device: testDevice, TS: at, Type: tandem.LogAgent, Msg: "text", Clock: 9,
		Where: &tandem.Where{File: "agent_code", Line: 4},
	}
	var got older
	if err := wireMode.Unmarshal(marshal(entry), &got); err != nil || got != want {
		t.Errorf("the older node reads %+v, %v", got, err)
	}
	var back tandem.LogEntry
	entry.Where = nil
	if err := wireMode.Unmarshal(marshal(want), &back); err != nil || back != entry {
		t.Errorf("read from the older node: %+v, %v", back, err)
	}
}
