package tidy

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// reach is a rule about what packages link, directly or through others. Tests
// are not counted. Packages of ours are named as in layers, those of others by
// their path; "x/..." is x and all below it.
type reach struct {
	from  string
	only  string // besides the standard library; "" does not restrict
	never string
	why   string
}

const (
	machine  = "squirrel squirrel/compile imp "
	storage  = "store logbook modernc.org/... github.com/jackc/... "
	messages = "mesh github.com/nats-io/..."
)

var reaches = []reach{
	{from: "squirrel/...", only: "squirrel/...", why: "other programs embed it, and none of our requirements comes along"},
	{from: ". hlc mqtt placement", only: ".", why: "every package may use them, the smallest program included"},
	{from: "codec", only: ". squirrel/text", why: "it translates where no program runs"},
	{from: "agent device", never: storage + messages, why: "a machine returns effects; its host does them"},
	{from: "device/runner", never: storage + messages, why: "it runs on the device, where nothing of a node is"},
	{from: "life", never: "host " + storage + messages, why: "it decides about a pair; its host does what it says"},
	{from: "device/core", never: "host " + storage + messages, why: "it runs on the device, where nothing of a node is"},
	{
		from: "cmd/tandem-device", never: "server central host gateway github.com/alecthomas/... " + storage + messages,
		why: "it is small enough for a router",
	},
	{from: "gateway/session", only: ". hlc mqtt mqtt/batch", why: "it decides about a connection; its gateway does what it says"},
	{from: "cluster/protocol", never: "host life mesh " + machine + storage + messages, why: "it decides what nodes do; its cluster does it"},
	{from: "world", never: "host gateway cluster mesh device/runner " + storage + messages, why: "it runs cores, in one goroutine and without I/O"},
	{from: "gateway", never: "host " + machine + storage + messages, why: "it connects devices to agents wherever they run"},
	{from: "ingress", never: "host " + machine + storage + messages, why: "it holds requests for agents wherever they run"},
}

// graph holds what each package imports, the standard library left out.
type graph map[string][]string

// linked returns the graph of our packages and of all that they link.
func linked(t *testing.T) graph {
	t.Helper()
	const format = `{{if not .Standard}}{{.ImportPath}} {{join .Imports " "}}{{end}}`
	g := graph{}
	for line := range strings.Lines(goList(t, ".", "-deps", "-f", format, "./...")) {
		fields := strings.Fields(line)
		for i, path := range fields {
			if path == module {
				fields[i] = "."
			}
			fields[i] = strings.TrimPrefix(fields[i], module+"/")
		}
		g[fields[0]] = fields[1:]
	}
	for pkg, imports := range g {
		g[pkg] = slices.DeleteFunc(imports, func(path string) bool { _, ok := g[path]; return !ok })
	}
	return g
}

// matches reports whether a package is one of a list.
func matches(list, pkg string) bool {
	return slices.ContainsFunc(strings.Fields(list), func(p string) bool {
		above, all := strings.CutSuffix(p, "/...")
		return pkg == above || all && strings.HasPrefix(pkg, above+"/")
	})
}

// forbids reports whether a rule is against linking a package.
func (r reach) forbids(pkg string) bool {
	return matches(r.never, pkg) || r.only != "" && !matches(r.only, pkg)
}

// ways returns the shortest way from a package to each that a rule forbids and
// that is not reached through another of those only.
func (r reach) ways(g graph, pkg string) (ways []string) {
	way := map[string]string{pkg: pkg}
	for next := []string{pkg}; len(next) > 0; next = next[1:] {
		for _, to := range g[next[0]] {
			if _, seen := way[to]; seen {
				continue
			}
			way[to] = way[next[0]] + " → " + to
			if r.forbids(to) {
				ways = append(ways, way[to])
			} else {
				next = append(next, to)
			}
		}
	}
	return ways
}

// breaches returns where a rule is broken, and names in it that have no package.
func (r reach) breaches(g graph) (bad []string) {
	packages := slices.Sorted(maps.Keys(g))
	for name := range strings.FieldsSeq(r.from + " " + r.never) {
		if !slices.ContainsFunc(packages, func(pkg string) bool { return matches(name, pkg) }) {
			bad = append(bad, name+": there is no such package: mend the rule")
		}
	}
	for _, pkg := range packages {
		if !matches(r.from, pkg) {
			continue
		}
		for _, way := range r.ways(g, pkg) {
			bad = append(bad, way+": must not be linked ("+r.why+"): move the code, or declare an interface where it is used")
		}
	}
	return bad
}

func TestReach(t *testing.T) {
	g := linked(t)
	for _, r := range reaches {
		for _, b := range r.breaches(g) {
			t.Error(b)
		}
	}
}

func TestReachBreaches(t *testing.T) {
	g := graph{
		"front": {"mid", "leaf"}, "mid": {"x.example/db"}, "leaf": nil, "vm": {"vm/text"}, "vm/text": nil,
		"x.example/db": {"x.example/db/deep"}, "x.example/db/deep": nil,
	}
	for _, tc := range []struct {
		name string
		rule reach
		want string // of each, the way
	}{
		{"it links nothing of it", reach{from: "vm/...", never: "x.example/..."}, ""},
		{"through another package, once", reach{from: "front", never: "x.example/..."}, "front → mid → x.example/db"},
		{"every package below", reach{from: "vm/...", only: "vm/..."}, ""},
		{"one that is not listed", reach{from: "front", only: "mid x.example/..."}, "front → leaf"},
		{"what is listed does not lead further", reach{from: "front", only: "mid leaf"}, "front → mid → x.example/db"},
		{"a name that is not there any longer", reach{from: "gone", never: "leaf"}, "gone"},
		{"nor what it forbids", reach{from: "leaf", never: "gone"}, "gone"},
	} {
		var ways []string
		for _, b := range tc.rule.breaches(g) {
			way, _, _ := strings.Cut(b, ":")
			ways = append(ways, way)
		}
		if got := strings.Join(ways, "; "); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}
