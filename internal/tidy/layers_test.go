package tidy

import (
	"strings"
	"testing"
)

// layers lists our packages from the leaves up; "." is the module root.
// A package may import only packages on the lines above its own, and packages
// on one line are strangers. This is policy: change it in review, never to
// make a build pass. ARCHITECTURE.md says what each package is for.
const layers = `
internal/chargetest internal/child internal/crew internal/freeaddr internal/indextest internal/snapshottest
internal/badlink internal/chance internal/span internal/spelling
. admit squirrel/syntax squirrel/text squirrel/regexp hlc meter mqtt docs internal/pgtest bench/client bench/node
internal/dirlock internal/version squirrel/compile internal/brokertest placement store/record codec mqtt/batch
device/identity internal/durable central/client
squirrel store/twin cluster/protocol gateway/session bench/volume device/enrol
imp store/storetest cluster/nonsense device/spool
agent device internal/callbacktest internal/wrongtest rehearsal/ground
reference life device/core
mesh board egress egress/broker
store logbook
host
gateway ingress cluster device/runner
central device/launch
server world rehearsal
stand
impunit
trial
cmd/tandem cmd/tandem-device examples/embed internal/mutate internal/tidy
bench/cluster bench/device bench/hostile bench/libraries bench/link bench/pair bench/powercut bench/simulate bench/squirrel bench/squirrel/peers/goja bench/squirrel/peers/gopherlua
`

// imports returns our packages with the packages of ours each imports, by
// the names layers uses.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	short := func(path string) (string, bool) {
		if path == module {
			return ".", true
		}
		return strings.CutPrefix(path, module+"/")
	}
	found := map[string][]string{}
	for _, dir := range modules {
		for line := range strings.Lines(goList(t, dir, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")) {
			fields := strings.Fields(line)
			pkg, _ := short(fields[0])
			found[pkg] = nil
			for _, path := range fields[1:] {
				if dep, ours := short(path); ours {
					found[pkg] = append(found[pkg], dep)
				}
			}
		}
	}
	return found
}

// violations compares imports with a table of layers.
func violations(table string, found map[string][]string) (bad []string) {
	rank := map[string]int{}
	for i, line := range strings.Split(strings.TrimSpace(table), "\n") {
		for _, pkg := range strings.Fields(line) {
			rank[pkg] = i + 1
		}
	}
	for pkg, deps := range found {
		if rank[pkg] == 0 {
			bad = append(bad, pkg+": add the package to layers, on the lowest line its imports allow")
			continue
		}
		for _, dep := range deps {
			if rank[dep] >= rank[pkg] {
				bad = append(bad, pkg+" imports "+dep+", which is not below it: move the code, or declare a small interface where it is used")
			}
		}
	}
	return bad
}

func TestLayers(t *testing.T) {
	for _, v := range violations(layers, imports(t)) {
		t.Error(v)
	}
}

func TestViolations(t *testing.T) {
	const table = "\nleaf\nmid other\ntop\n"
	for _, tc := range []struct {
		name  string
		found map[string][]string
		bad   int
	}{
		{"downwards is fine", map[string][]string{"top": {"mid", "leaf"}, "mid": {"leaf"}}, 0},
		{"upwards", map[string][]string{"leaf": {"top"}}, 1},
		{"sideways", map[string][]string{"mid": {"other"}}, 1},
		{"unlisted", map[string][]string{"stray": nil}, 1},
	} {
		if got := violations(table, tc.found); len(got) != tc.bad {
			t.Errorf("%s: got %q, want %d violations", tc.name, got, tc.bad)
		}
	}
}
