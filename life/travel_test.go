package life

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
)

// stays are the fields of local, which do not travel, each with the reason.
var stays = map[string]string{
	"machine":   "it travels as Packed",
	"program":   "the other host has its own; Arrive asks for it",
	"boots":     "a start is waited for",
	"wait":      "a start is waited for",
	"saving":    "it is waited for; the outcome travels as Result",
	"kept":      "it is waited for",
	"quiet":     "the other host says it, too",
	"greeted":   "the other host asks again, since Hearing travels",
	"before":    "the other host asks again, since Hearing travels",
	"hearAt":    "the other host asks again, since Hearing travels",
	"offered":   "it is waited for",
	"posts":     "the other host reads them; PostsUpTo travels",
	"open":      "it travels as Requests",
	"answer":    "it travels as Requests",
	"reach":     "it travels as Requests",
	"leaving":   "it is over when the pair has left",
	"leaveBy":   "it is over when the pair has left",
	"gone":      "it is of this host alone",
	"ending":    "a stop ends a leave",
	"endBy":     "a stop ends a leave",
	"requests":  "it is counted again",
	"messages":  "it is counted again",
	"arena":     "it is for this host's counters",
	"used":      "it is for this host's counters",
	"events":    "it is for this host's counters",
	"effects":   "it is of the call under way",
	"now":       "it is of the call under way",
	"watcher":   "it is the host's",
	"offset":    "it is that of this host's clocks",
	"wrong":     "it is of simulations alone",
	"faulty":    "it is of tests alone",
	"reviewing": "the other host is told to review what it takes over",
}

// TestWhatTravels: all that a life is made of travels, or has a reason not to.
func TestWhatTravels(t *testing.T) {
	local := reflect.TypeFor[local]()
	for i := range local.NumField() {
		if stays[local.Field(i).Name] == "" {
			t.Errorf("local.%s: say why it does not travel, or make it part of state", local.Field(i).Name)
		}
	}
	if local.NumField() != len(stays) {
		t.Errorf("local has %d fields, and there are %d reasons", local.NumField(), len(stays))
	}
	if l := reflect.TypeFor[Life](); l.NumField() != 3 {
		t.Errorf("a Life has %d fields; it is to be a state, a local and the host's config", l.NumField())
	}
	checkTags(t, reflect.TypeFor[state](), map[reflect.Type]bool{})

	var was, is state
	f := filler{t: t}
	f.fill(reflect.ValueOf(&was).Elem(), "state")
	data, err := encoding.Marshal(&was)
	if err != nil {
		t.Fatal(err)
	}
	if err := decoding.Unmarshal(data, &is); err != nil {
		t.Fatal(err)
	}
	compare(t, "state", reflect.ValueOf(was), reflect.ValueOf(is))
}

// stayFields are fields of what is part of a state that do not travel.
var stayFields = map[string]string{
	"item.token":     "it stands for something of this host",
	"said.Token":     "it stands for something of this host",
	"pending.done":   "only those that are not done travel",
	"pending.token":  "it stands for something of this host",
	"pending.event":  "it travels in Inbox",
	"pending.answer": "one that has it does not travel",
}

// checkTags checks that every field of a struct that travels has a number of its
// own. An item writes itself.
func checkTags(t *testing.T, typ reflect.Type, seen map[reflect.Type]bool) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || seen[typ] || typ == reflect.TypeFor[time.Time]() || typ == reflect.TypeFor[item]() {
		return
	}
	numbered := []reflect.Type{reflect.TypeFor[tandem.LinkRef](), reflect.TypeFor[tandem.Origin]()}
	if typ.PkgPath() != reflect.TypeFor[state]().PkgPath() && !slices.Contains(numbered, typ) {
		return // another package's, whose fields have their names
	}
	seen[typ] = true
	numbers := map[string]string{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name := typ.Name() + "." + f.Name
		number, rest, _ := strings.Cut(f.Tag.Get("cbor"), ",")
		switch {
		case stayFields[name] != "":
			continue
		case !f.IsExported() || number == "" || number == "-" || !strings.HasPrefix(rest, "keyasint"):
			t.Errorf("%s does not travel: give it a cbor tag with a number, or a reason in stayFields", name)
		case numbers[number] != "":
			t.Errorf("%s and %s have one number", name, numbers[number])
		}
		numbers[number] = name
		checkTags(t, f.Type, seen)
	}
}

// filler gives every field a value that is not zero and differs from others.
type filler struct {
	t *testing.T
	n int64
}

func (f *filler) fill(v reflect.Value, path string) {
	f.n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(f.n)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.n % 200))
	case reflect.Float64:
		v.SetFloat(float64(f.n))
	case reflect.String:
		v.SetString(fmt.Sprint("text\xff", f.n)) // programs' strings are any bytes
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), path)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			f.fill(v.Index(i), path)
		}
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key, path)
		f.fill(value, path)
		m.SetMapIndex(key, value)
		v.Set(m)
	case reflect.Struct:
		f.fillStruct(v, path)
	default:
		f.t.Fatalf("%s: there is no value of kind %v", path, v.Kind())
	}
}

func (f *filler) fillStruct(v reflect.Value, path string) {
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(begin.Add(time.Duration(f.n))))
		return
	case reflect.TypeFor[item]():
		v.Set(reflect.ValueOf(item{event: &agent.Handled{Seq: uint64(f.n)}, request: uint64(f.n) + 1, seq: uint64(f.n) + 2}))
		return
	}
	for i := range v.NumField() {
		name := v.Type().Name() + "." + v.Type().Field(i).Name
		if stayFields[name] == "" && v.Field(i).CanSet() {
			f.fill(v.Field(i), name)
		}
	}
}

// compare reports the fields in which two values differ.
func compare(t *testing.T, path string, a, b reflect.Value) {
	t.Helper()
	if a.Kind() == reflect.Struct && a.Type() != reflect.TypeFor[time.Time]() && a.Type() != reflect.TypeFor[item]() {
		for i := range a.NumField() {
			if f := a.Type().Field(i); f.IsExported() {
				compare(t, path+"."+f.Name, a.Field(i), b.Field(i))
			}
		}
		return
	}
	x, y := a.Interface(), b.Interface()
	if at, ok := x.(time.Time); ok && at.Equal(y.(time.Time)) {
		return
	}
	if !reflect.DeepEqual(x, y) {
		t.Errorf("%s is %+v, and was %+v", path, y, x)
	}
}

// TestInstants: what is a monotonic time becomes a duration on the way, wherever
// it is in the state.
func TestInstants(t *testing.T) {
	var s state
	(&filler{t: t}).fill(reflect.ValueOf(&s).Elem(), "state")
	listed := map[*instant]bool{}
	for _, at := range s.instants() {
		listed[at] = true
	}
	n := 0
	eachInstant(reflect.ValueOf(&s).Elem(), func(at *instant) {
		n++
		if !listed[at] {
			t.Errorf("instant %d of the state is not listed by instants", n)
		}
	})
	if n != len(listed) || n == 0 {
		t.Errorf("a state has %d instants, and %d are listed", n, len(listed))
	}
	s = state{Started: 5, Active: 7, StartAt: 12}
	s.depart(7)
	if s.Started != -2 || s.Active != 1 || s.StartAt != 6 || s.StopBy != 0 {
		t.Errorf("departed with %v %v %v %v", s.Started, s.Active, s.StartAt, s.StopBy)
	}
	s.arrive(2)
	if s.Started == 0 || s.Active != 2 || s.StartAt != 7 || s.StopBy != 0 {
		t.Errorf("arrived with %v %v %v", s.Started, s.StartAt, s.StopBy)
	}
}

func eachInstant(v reflect.Value, do func(*instant)) {
	switch {
	case v.Type() == reflect.TypeFor[instant]():
		do(v.Addr().Interface().(*instant))
	case v.Kind() == reflect.Pointer && !v.IsNil():
		eachInstant(v.Elem(), do)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			eachInstant(v.Index(i), do)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanInterface() {
				eachInstant(v.Field(i), do)
			}
		}
	}
}

// TestEventsTravel: every event of an agent has a place in events, and comes out
// as it went in.
func TestEventsTravel(t *testing.T) {
	for _, name := range agentEvents(t) {
		found := false
		for _, ev := range events[1:] {
			found = found || reflect.TypeOf(ev).Elem().Name() == name
		}
		if !found {
			t.Errorf("agent.%s cannot travel: add it to the end of events", name)
		}
	}
	f := filler{t: t}
	for i, ev := range events {
		was := item{request: uint64(i), seq: uint64(i) + 1, token: 9}
		if ev != nil {
			x := reflect.New(reflect.TypeOf(ev).Elem())
			fillEvent(&f, x.Elem())
			was.event = x.Interface().(agent.Event)
		}
		data, err := was.MarshalCBOR()
		if err != nil {
			t.Fatal(err)
		}
		var is item
		if err := is.UnmarshalCBOR(data); err != nil {
			t.Fatalf("%T: %v", ev, err)
		}
		if was.token = 0; !reflect.DeepEqual(was, is) {
			t.Errorf("%T came as %+v, and was %+v", ev, is.event, was.event)
		}
	}
}

// fillEvent is fill for an event, which may have an error.
func fillEvent(f *filler, v reflect.Value) {
	for i := range v.NumField() {
		if v.Field(i).Type() == reflect.TypeFor[error]() {
			v.Field(i).Set(reflect.ValueOf(tandem.Errorf(tandem.Conflict, "text")))
			continue
		}
		f.fill(v.Field(i), v.Type().Name())
	}
}

// agentEvents returns the names of the types of package agent that are events.
func agentEvents(t *testing.T) (names []string) {
	t.Helper()
	paths, err := filepath.Glob("../agent/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Name.Name != "event" || fn.Recv == nil {
				continue
			}
			names = append(names, fn.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name)
		}
	}
	if len(names) < 15 {
		t.Fatalf("only %d events are found", len(names))
	}
	return names
}

// TestArriveRefuses: a node takes no pair of another version, and none whose state is
// not its own.
func TestArriveRefuses(t *testing.T) {
	w := newWorld(t)
	w.deploy("g", walkCode, "")
	w.link(1, 1)
	if !w.leave(0) {
		t.Fatal("the pair does not leave")
	}
	good := *w.moved
	program := func(string) (*Program, error) { return w.programs["g"], nil }
	for name, c := range map[string]struct {
		change func(*Moved)
		kind   tandem.Kind
	}{
		"of an older version":         {func(m *Moved) { m.Version-- }, tandem.Conflict},
		"of a newer version":          {func(m *Moved) { m.Version++ }, tandem.Conflict},
		"with no state":               {func(m *Moved) { m.State = nil }, tandem.Internal},
		"with half a state":           {func(m *Moved) { m.State = m.State[:len(m.State)/2] }, tandem.Internal},
		"with another agent's":        {func(m *Moved) { m.Agent = "other" }, tandem.Invalid},
		"with that of another device": {func(m *Moved) { m.Device = "other" }, tandem.Invalid},
	} {
		m := good
		c.change(&m)
		if _, _, err := Arrive(w.cfg, w.now, &m, program); err == nil || tandem.KindOf(err) != c.kind {
			t.Errorf("a pair %s: %v", name, err)
		}
	}
	l, unfit, err := Arrive(w.cfg, w.now, &good, program)
	if err != nil || unfit != nil || !l.Live() {
		t.Errorf("a pair that may come: %v, %v", unfit, err)
	}
	if n := good.Size(); n < len(good.State) || n > len(good.State)+1000 {
		t.Errorf("it says that it takes %d bytes", n)
	}
}

// TestUnknownEvents: an event that this version does not know is an error.
func TestUnknownEvents(t *testing.T) {
	for _, kind := range []uint8{uint8(len(events)), 255} {
		data, err := encoding.Marshal(travelling{Kind: kind, Event: []byte{0xa0}})
		if err != nil {
			t.Fatal(err)
		}
		var it item
		if err := it.UnmarshalCBOR(data); err == nil {
			t.Errorf("kind %d becomes %T", kind, it.event)
		}
	}
}
