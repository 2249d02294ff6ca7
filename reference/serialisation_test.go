package reference

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel/text"
)

// serialPrelude has what the values of the table are made with.
const serialPrelude = `
function cycle() { local a = [1]; a.append(a); return a; }
function nested(n) { local a = []; while (--n > 0) a = [a]; return a; }
`

// serialiser is a call whose argument is serialised, and its column in the table.
type serialiser struct {
	name   string // of the function, or nv
	call   string // with § for the argument
	column int
	side   tandem.Side
	table  bool // it takes only a table
}

const (
	columnMessage = iota
	columnBinary
	columnSave
	columnJSON
	columnUser
	columns
)

var serialisers = []serialiser{
	{"device.send", `device.send("m", §);`, columnMessage, tandem.AgentSide, false},
	{"agent.send", `agent.send("m", §);`, columnMessage, tandem.DeviceSide, false},
	{"tandem.post", `tandem.post("m", §);`, columnMessage, tandem.AgentSide, false},
	{"tandem.post", `tandem.post("m", §);`, columnMessage, tandem.DeviceSide, false},
	{"nv", `nv <- §; imp.deepsleepfor(1);`, columnBinary, tandem.DeviceSide, true},
	{"server.setpermanentvalues", `server.setpermanentvalues(§);`, columnBinary, tandem.DeviceSide, true},
	{"server.save", `server.save(§, 2);`, columnBinary, tandem.AgentSide, true},
	{"server.save", `server.save(§);`, columnSave, tandem.AgentSide, true},
	{"http.jsonencode", `server.log("json " + http.jsonencode(§));`, columnJSON, tandem.AgentSide, false},
	{"imp.setuserconfiguration", `imp.setuserconfiguration(§);`, columnUser, tandem.DeviceSide, false},
}

// places are where a value can be in an argument, and what is around it there; § stands
// for the value.
var places = map[string]string{"alone": "§", "slot": "{ v = § }", "element": "[§]", "key": "{ [§] = 1 }"}

// around returns the argument with a value in a place.
func (s serialiser) around(place, value string) string {
	around := places[place]
	if s.table && place == "element" {
		around = "{ w = [§] }"
	}
	return strings.ReplaceAll(around, "§", value)
}

// serialised is what came of a call.
type serialised struct {
	data   []byte // in the compact encoding
	raw    []byte // the user configuration
	any    bool   // there is something, if only an erased configuration
	thrown string
	errors []string
}

func (r *serialised) log(isError bool, msg string) {
	if why, ok := strings.CutPrefix(msg, "thrown "); ok {
		r.thrown = why
	} else if isError {
		r.errors = append(r.errors, msg)
	}
}

// try makes a call.
func (s serialiser) try(t *testing.T, argument string) *serialised {
	t.Helper()
	src := serialPrelude + "try { " + strings.ReplaceAll(s.call, "§", argument) +
		" } catch (e) { server.log(\"thrown \" + e); }"
	program, err := imp.Compile(s.side, []byte(src), nil)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	r := &serialised{}
	if s.side == tandem.AgentSide {
		m := agent.New(agent.Config{Program: program, Incarnation: 1, Connected: true}, epoch)
		for events := []agent.Event{&agent.Boot{}}; len(events) > 0; events = events[1:] {
			for _, e := range m.Step(epoch, events[0]) {
				events = append(events, r.ofAgent(t, e)...)
			}
		}
		return r
	}
	m := device.New(device.Config{Program: program, Incarnation: 1, Connected: true, Board: board.New()}, epoch)
	for events := []device.Event{&device.Boot{}}; len(events) > 0; events = events[1:] {
		for _, e := range m.Step(epoch, events[0]) {
			events = append(events, r.ofDevice(e)...)
		}
	}
	return r
}

// take notes the data of a message or table.
func (r *serialised) take(data []byte) { r.data, r.any = data, true }

func (r *serialised) ofAgent(t *testing.T, e agent.Effect) []agent.Event {
	switch e := e.(type) {
	case *agent.Log:
		if json, ok := strings.CutPrefix(e.Msg, "json "); ok {
			data, err := codec.FromJSON(nil, []byte(json))
			if err != nil {
				t.Fatalf("%s: %v", json, err)
			}
			r.take(data)
			break
		}
		r.log(e.Type == tandem.LogAgentError, e.Msg)
	case *agent.Send:
		r.take(e.Message.Data)
	case *agent.Save:
		r.take(e.Table)
		return []agent.Event{&agent.Saved{}}
	case *agent.Post:
		r.take(e.Message.Data)
		return []agent.Event{&agent.Posted{Seq: 1}}
	}
	return nil
}

func (r *serialised) ofDevice(e device.Effect) []device.Event {
	switch e := e.(type) {
	case *device.Log:
		r.log(e.Type == tandem.LogDeviceError, e.Msg)
		return []device.Event{&device.Written{ID: e.ID}, &device.Sent{ID: e.ID}}
	case *device.Send:
		r.take(e.Message.Data)
		return []device.Event{&device.Written{ID: e.ID}, &device.Sent{ID: e.ID}}
	case *device.Post:
		r.take(e.Message.Data)
	case *device.Permanent:
		r.take(e.Data)
	case *device.DeepSleep:
		if e.NV != nil {
			r.take(e.NV)
		}
	case *device.Configured:
		r.raw, r.any = e.Data, true
	}
	return nil
}

// shown returns in the words of the table what became of the value in a place.
func (r *serialised) shown(t *testing.T, s serialiser, place string) string {
	switch {
	case r.thrown != "":
		return "exception"
	case !r.any:
		return "not kept"
	case s.column == columnUser && r.raw == nil:
		return "erased"
	case s.column == columnUser:
		return fmt.Sprintf("blob %x", r.raw)
	}
	reader := codec.NewReader(r.data)
	whole := showItem(&reader, reader.Next())
	if err := reader.Close(); err != nil {
		t.Fatalf("%x: %v", r.data, err)
	}
	before, after := map[string]string{"alone": "", "slot": "{v = ", "element": "[", "key": "{"}[place],
		map[string]string{"alone": "", "slot": "}", "element": "]", "key": " = 1}"}[place]
	if s.table && place == "element" {
		before, after = "{w = [", "]}"
	}
	inner, ok := strings.CutPrefix(whole, before)
	inner, closed := strings.CutSuffix(inner, after)
	switch {
	case !ok || !closed || inner == "" && place != "alone":
		if strings.Trim(whole, "{}[]w= ") != "" {
			t.Fatalf("%s in the place %s gives %s", s.name, place, whole)
		}
		return "left out"
	case place == "key":
		return `"` + inner + `"`
	case len(inner) > 20 && strings.Trim(inner, "[]") == "":
		return strconv.Itoa(len(inner)/2) + " levels"
	}
	return inner
}

// showItem returns a value as the table shows it.
func showItem(r *codec.Reader, it codec.Item) string {
	var parts []string
	switch it.Kind {
	case codec.False, codec.True:
		return strconv.FormatBool(it.Kind == codec.True)
	case codec.Integer:
		return text.FormatInt(it.Int)
	case codec.Float:
		if math.IsNaN(float64(it.Float)) {
			return "nan"
		}
		return text.FormatFloat(it.Float)
	case codec.String:
		return `"` + string(it.Bytes) + `"`
	case codec.Blob:
		return fmt.Sprintf("blob %x", it.Bytes)
	case codec.Array:
		for it = r.Next(); r.Err() == nil && it.Kind != codec.End; it = r.Next() {
			parts = append(parts, showItem(r, it))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case codec.Table:
		for k, ok := r.Key(); ok; k, ok = r.Key() {
			parts = append(parts, string(k)+" = "+showItem(r, r.Next()))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return "null"
}

// serialRow is a row of the table in the document.
type serialRow struct {
	value  string
	places []string
	cells  []string
}

func serialRows(t *testing.T) (rows []serialRow) {
	t.Helper()
	page, err := os.ReadFile("../docs/serialisation.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |\n"), " | ")
		if len(cells) == columns+2 && strings.HasPrefix(cells[0], "`") {
			rows = append(rows, serialRow{strings.Trim(cells[0], "`"), strings.Split(cells[1], ", "), cells[2:]})
		}
	}
	return rows
}

// TestSerialisation tries every cell of the table in docs/serialisation.md with every call
// of its column.
func TestSerialisation(t *testing.T) {
	for _, row := range serialRows(t) {
		for _, place := range row.places {
			for _, s := range serialisers {
				at := fmt.Sprintf("%v %s, %s %s", s.side, s.name, row.value, place)
				r := s.try(t, s.around(place, row.value))
				want := row.cells[s.column]
				if nv, save, two := strings.Cut(want, "; "); two && s.name == "nv" {
					want = nv
				} else if two {
					want = save
				}
				if got := r.shown(t, s, place); got != want {
					t.Errorf("%s: %s, the page says %s; thrown %q, errors %q", at, got, want, r.thrown, r.errors)
					continue
				}
				if want == "left out" {
					r.checkLeftOut(t, at, s)
				}
				if reason := "Cannot serialize "; want == "exception" && !s.table && s.column != columnUser &&
					!strings.HasPrefix(strings.TrimPrefix(r.thrown, s.name+": "), reason) {
					t.Errorf("%s throws %q", at, r.thrown)
				}
			}
		}
	}
}

// checkLeftOut requires the log to say what was left out, and where.
func (r *serialised) checkLeftOut(t *testing.T, at string, s serialiser) {
	t.Helper()
	if len(r.errors) == 0 || !strings.HasPrefix(r.errors[0], s.name+": '") ||
		!strings.Contains(r.errors[0], "' was left out: Cannot serialize ") {
		t.Errorf("%s is left out, and the log says %q", at, r.errors)
	}
	if last := r.errors[len(r.errors)-1]; s.name != "nv" && !strings.HasPrefix(last, "  at main ") {
		t.Errorf("%s: the log says %q, and not where", at, r.errors)
	}
}

// TestSerialisationHasAll requires a row for every type of value in every place, and
// every function that serialises.
func TestSerialisationHasAll(t *testing.T) {
	rows := serialRows(t)
	src := serialPrelude + "local done = {};\n"
	for _, row := range rows {
		for _, place := range row.places {
			src += fmt.Sprintf("done[type(%s) + \" %s\"] <- true;\n", row.value, place)
		}
	}
	done := runAgent(t, src+"foreach (what, _ in done) server.log(what);").lines
	types := []string{"null"}
	for _, f := range language().Functions {
		owner, _, method := strings.Cut(f.Name, ".")
		if method && !slices.Contains([]string{"math", "blob", "regexp"}, owner) && !slices.Contains(types, owner) {
			types = append(types, owner)
		}
	}
	if len(types) < 12 {
		t.Fatal("only the types ", types)
	}
	for _, typ := range types {
		for place := range places {
			if typ == "null" && place == "key" {
				continue // no table has such a key
			}
			if !slices.Contains(done, typ+" "+place) {
				t.Errorf("no row has a value of type %s in the place %s", typ, place)
			}
		}
	}
	for _, e := range Entries() {
		if !slices.ContainsFunc(e.Throws, func(s string) bool { return strings.HasPrefix(s, "Cannot serialize") }) {
			continue
		}
		for _, side := range []tandem.Side{tandem.AgentSide, tandem.DeviceSide} {
			if e.On.Has(side) && !slices.ContainsFunc(serialisers, func(s serialiser) bool {
				return s.name == e.Name && s.side == side
			}) {
				t.Errorf("%v: %s serialises, and the table is not tried with it", side, e.Name)
			}
		}
	}
}
