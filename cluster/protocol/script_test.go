package protocol

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// A script drives one core with events and shows its effects. The directory under testdata
// names the core. Arguments are name=value; at=… is the monotonic time of an event in
// milliseconds, which stays until another is given.
type script interface {
	// event brings an event to the core and returns what it wants.
	event(name string, a args) []Effect
	// mistake switches mistakes on.
	mistake(b bugs)
}

// args are a command's arguments, and the time.
type args struct {
	t      testing.TB
	values map[string]string
	now    tandem.Now
}

func (a args) str(name string) string { return a.values[name] }
func (a args) has(name string) bool   { _, ok := a.values[name]; return ok }

func (a args) num(name string) int64 {
	v, ok := a.values[name]
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil {
		a.t.Fatalf("%s=%s is no number", name, v)
	}
	return n
}

// peer reads node/session.
func (a args) peer(name string) Peer {
	node, session, _ := strings.Cut(a.values[name], "/")
	n, err := strconv.ParseInt(session, 10, 64)
	if err != nil && a.has(name) {
		a.t.Fatalf("%s=%s is no run", name, a.values[name])
	}
	return Peer{Node: node, Session: n}
}

// list reads numbers with commas between.
func (a args) list(name string) (list []int) {
	for _, s := range strings.Split(a.values[name], ",") {
		if n, err := strconv.Atoi(s); err == nil {
			list = append(list, n)
		}
	}
	return list
}

func (a args) epochs(name string) (list []int64) {
	for _, n := range a.list(name) {
		list = append(list, int64(n))
	}
	return list
}

// failure reads a fate or a kind.
func (a args) failure(name string) *Failure {
	switch a.values[name] {
	case "":
		return nil
	case "elsewhere":
		return Fatef(Elsewhere, "elsewhere")
	case "moved":
		return Fatef(Moved, "moved")
	case "lost":
		return Fatef(Lost, "lost")
	case "conflict":
		return &Failure{Kind: tandem.Conflict, Text: "conflict"}
	case "internal":
		return &Failure{Kind: tandem.Internal, Text: "internal"}
	case "notfound":
		return &Failure{Kind: tandem.NotFound, Text: "no such device"}
	}
	return &Failure{Kind: tandem.Unavailable, Text: a.values[name]}
}

func (a args) err(name string) error { return a.failure(name).Err() }

// table reads a table: nodes=a/1,b/2! (a ! drains, a ? is out of reach), routes=a:3,b:2>c by
// shard, version=….
func (a args) table() *Table { return NewTable(a.rows(), nil) }

func (a args) rows() *record.Membership {
	m := &record.Membership{Version: a.num("version")}
	for _, s := range strings.Split(a.values["nodes"], ",") {
		if s == "" {
			continue
		}
		n := record.Node{Alive: !strings.Contains(s, "?"), Draining: strings.Contains(s, "!"), Weight: 1}
		name, session, _ := strings.Cut(strings.Trim(s, "!?"), "/")
		n.ID = name
		n.Session, _ = strconv.ParseInt(session, 10, 64)
		m.Nodes = append(m.Nodes, n)
	}
	for i, s := range strings.Split(a.values["routes"], ",") {
		if s == "" {
			continue
		}
		where, target, _ := strings.Cut(s, ">")
		owner, epoch, _ := strings.Cut(where, ":")
		row := record.Shard{Shard: i, Owner: owner, Target: target}
		row.Epoch, _ = strconv.ParseInt(epoch, 10, 64)
		m.Shards = append(m.Shards, row)
	}
	m.Count = len(m.Shards)
	return m
}

// player plays a script's lines.
type player struct {
	t     testing.TB
	core  script
	bugs  bugs
	fresh func() script
	now   time.Duration
}

// play returns what a command shows: its effects, a line each.
func (p *player) play(name string, values map[string]string) string {
	if name == "new" || p.core == nil {
		p.core = p.fresh()
		p.core.mistake(p.bugs)
		p.now = time.Millisecond
	}
	a := args{t: p.t, values: values}
	if a.has("at") {
		p.now = time.Duration(a.num("at")) * time.Millisecond
	}
	a.now = tandem.Now{Mono: p.now}
	var out strings.Builder
	for _, e := range p.core.event(name, a) {
		fmt.Fprintln(&out, show(e))
	}
	if d, ok := p.core.(interface{ Deadline() (time.Duration, bool) }); ok {
		if at, ok := d.Deadline(); ok {
			fmt.Fprintf(&out, "deadline %d\n", at.Milliseconds())
		}
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}

// show prints an effect or message: its name, and the fields that are not zero.
func show(v any) string { return strings.TrimSuffix(shown(reflect.ValueOf(v)), "()") }

func shown(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Peer:
		return fmt.Sprintf("%s/%d", x.Node, x.Session)
	case tandem.LinkRef:
		return fmt.Sprintf("%s#%d", x.Node, x.ID)
	case OfferID:
		return fmt.Sprintf("%s#%d", shown(reflect.ValueOf(x.From)), x.ID)
	case time.Duration:
		return fmt.Sprint(x.Milliseconds())
	case *Table:
		return fmt.Sprintf("%d", x.Version)
	case *tandem.Response:
		return fmt.Sprint(x.Status)
	case []byte:
		return string(x)
	case *Failure:
		return fmt.Sprintf("%q", x.Text)
	case error:
		return fmt.Sprintf("%q", x.Error())
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return shown(v.Elem())
	case reflect.Slice:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, shown(v.Index(i)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case reflect.Struct:
		var parts []string
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Name == "_" || !f.IsExported() || v.Field(i).IsZero() {
				continue
			}
			parts = append(parts, f.Name+" "+shown(v.Field(i)))
		}
		return v.Type().Name() + "(" + strings.Join(parts, ", ") + ")"
	}
	return fmt.Sprint(v.Interface())
}

// scripts makes the core of each directory.
var scripts = map[string]func() script{
	"link":   func() script { return &linkScript{} },
	"guests": func() script { return &guestScript{} },
	"calls":  func() script { return &callScript{} },
	"moves":  func() script { return &moveScript{} },
	"member": func() script { return &memberScript{} },
	"news":   func() script { return &newsScript{} },
	"table":  func() script { return &tableScript{} },
}

func TestScripts(t *testing.T) {
	for dir, fresh := range scripts {
		datadriven.Walk(t, filepath.Join("testdata", dir), func(t *testing.T, path string) {
			p := &player{t: t, fresh: fresh}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				values := map[string]string{}
				for _, arg := range d.CmdArgs {
					values[arg.Key] = strings.Join(arg.Vals, ",")
				}
				return p.play(d.Cmd, values)
			})
		})
	}
}

// replay plays a script with mistakes switched on, and returns the first command that then
// shows something else; "" when none does.
func replay(t *testing.T, file string, b bugs) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	dir, _, _ := strings.Cut(file, "/")
	p := &player{t: t, fresh: scripts[dir], bugs: b}
	for _, block := range strings.Split(string(text), "\n\n") {
		command, want, ok := strings.Cut(strings.TrimSpace(block)+"\n", "----\n")
		if !ok {
			continue
		}
		for line := range strings.Lines(command) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			words := strings.Fields(line)
			values := map[string]string{}
			for _, w := range words[1:] {
				key, value, _ := strings.Cut(w, "=")
				values[key] = strings.Trim(value, "()")
			}
			if got := p.play(words[0], values); got != want {
				return line
			}
		}
	}
	return ""
}
