package squirrel

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

var (
	standard  = Standard()
	updateLib = flag.Bool("updatelib", false, "write testdata/lib/*.out again")
)

// runScript runs a program with the stock library and returns what it printed,
// and the machine. An uncaught exception is the last line.
func runScript(t testing.TB, name, src string) (string, *VM) {
	t.Helper()
	p, err := compile.Compile(name, []byte(src), compile.Options{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var out strings.Builder
	v := New(standard, testMemory())
	v.SetClock(func() (int64, int64) { return 1234567890, 250000 })
	v.SetOutput(func(b []byte, _ bool) { out.Write(b) })
	v.Start(v.Load(p), v.Root())
	switch status := v.Run(2_000_000_000); status {
	case Done:
	case Failed:
		fmt.Fprintf(&out, "uncaught: %v\n", v.Err())
	default:
		t.Fatalf("%s: status %d after %d units\n%s", name, status, v.FuelUsed(), out.String())
	}
	return out.String(), v
}

// testMemory is what a test program may use. A build that collects at every
// safepoint has endless recursion end early.
func testMemory() int {
	if checked {
		return 1 << 20
	}
	return 64 << 20
}

// TestLibrary runs testdata/lib/NAME.nut, which prints NAME.out. With -updatelib
// the outputs are written again: read the difference before keeping it.
func TestLibrary(t *testing.T) {
	files, err := filepath.Glob("testdata/lib/*.nut")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".nut")
		t.Run(filepath.Base(name), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := runScript(t, filepath.Base(file), string(src))
			if *updateLib {
				if err := os.WriteFile(name+".out", []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name + ".out")
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s", diffLines(got, string(want)))
			}
		})
	}
}

// diffLines lists the lines that differ.
func diffLines(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	s := ""
	for i := range max(len(g), len(w)) {
		a, b := "(nothing)", "(nothing)"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			s += fmt.Sprintf("line %d: got  %q\n        want %q\n", i+1, a, b)
		}
	}
	return s
}

// deviations are the probes that deliberately give something else than the
// original: mostly where that has a defect. An empty string stands for a result that is not fixed.
var deviations = map[string]string{
	"1%0":            "1%0 !! modulo by zero",
	"x%=0":           "x%=0 !! modulo by zero",
	"s[-1]":          "s[-1] => 99",
	"null+str":       "null+str => (null : 0x0)x",
	"null str":       "null str => (null : 0x0)",
	"throw null":     "throw null !! (null : 0x0)",
	"throw tbl":      "",
	"slice no args":  "",
	"array(-1)":      "array(-1) !! resizing to negative length",
	"resize -1":      "resize -1 !! resizing to negative length",
	"blob":           "blob => -2,65534,4,2,(null : 0x0)",
	"swap2":          "swap2 => 33152",
	"stack overflow": "stack overflow !! stack overflow",
	"weakref":        "weakref => 1 array", // cleared by the next collection
	"thread":         "thread !! the index 'newthread' does not exist",
}

// TestVectors compares with what the original printed.
func TestVectors(t *testing.T) {
	for _, name := range []string{"a", "b", "e"} {
		src, err := os.ReadFile("testdata/vectors/" + name + ".nut")
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.ReadFile("testdata/vectors/" + name + ".out")
		if err != nil {
			t.Fatal(err)
		}
		printed, _ := runScript(t, name+".nut", string(src))
		got := strings.Split(strings.TrimSuffix(printed, "\n"), "\n")
		want := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) {
				t.Fatalf("%s: %d lines, want %d; the last: %s", name, len(got), len(want), got[len(got)-1])
			}
			w := want[i]
			if d, ok := deviations[probe(got[i])]; ok {
				w = d
			}
			if w != "" && got[i] != w {
				t.Errorf("%s line %d:\n got %s\nwant %s", name, i+1, got[i], w)
			}
		}
	}
}

// probe returns the label of a line.
func probe(line string) string {
	for _, sep := range []string{" => ", " !! "} {
		if label, _, ok := strings.Cut(line, sep); ok {
			return label
		}
	}
	return line
}

// model is a second implementation of the order in which tables iterate,
// written for clarity.
type model struct {
	nodes []modelNode
	used  int
	free  int
}

type modelNode struct {
	key  any // string, int or nil
	next int
}

func newModel(n int) *model {
	m := &model{nodes: make([]modelNode, n), free: n - 1}
	for i := range m.nodes {
		m.nodes[i].next = -1
	}
	return m
}

func (m *model) home(key any) int {
	h := uint32(0)
	switch k := key.(type) {
	case int:
		h = uint32(k)
	case string:
		h = uint32(len(k))
		step := len(k)>>5 | 1
		for i, left := 0, len(k); left >= step; i, left = i+1, left-step {
			h ^= h<<5 + h>>2 + uint32(k[i])
		}
	}
	return int(h & uint32(len(m.nodes)-1))
}

func (m *model) insert(key any) {
	at := m.home(key)
	if resident := m.nodes[at].key; resident != nil {
		home := m.home(resident)
		if at > m.free && home != at {
			before := home
			for m.nodes[before].next != at {
				before = m.nodes[before].next
			}
			m.nodes[before].next = m.free
			m.nodes[m.free] = m.nodes[at]
			m.nodes[at].next = -1
		} else {
			m.nodes[m.free].next = m.nodes[at].next
			m.nodes[at].next = m.free
			at = m.free
		}
	}
	m.nodes[at].key = key
	for ; m.free >= 0; m.free-- {
		if m.nodes[m.free].key == nil && m.nodes[m.free].next < 0 {
			m.used++
			return
		}
	}
	m.rebuild(true)
}

func (m *model) rebuild(force bool) {
	n := len(m.nodes)
	size := n
	switch {
	case m.used >= n-n/4:
		size = 2 * n
	case m.used <= n/4 && n > 4:
		size = n / 2
	case !force:
		return
	}
	keys := m.order()
	*m = *newModel(size)
	for _, k := range keys {
		m.insert(k)
	}
}

func (m *model) remove(key any) {
	i := slices.IndexFunc(m.nodes, func(n modelNode) bool { return n.key == key })
	m.nodes[i].key = nil
	m.used--
	m.rebuild(false)
}

func (m *model) order() (keys []any) {
	for _, n := range m.nodes {
		if n.key != nil {
			keys = append(keys, n.key)
		}
	}
	return keys
}

func randomKey(rnd *rand.Rand) any {
	if rnd.IntN(10) < 3 {
		return rnd.IntN(351) - 50
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABC019_-"
	lengths := []int{1, 2, 3, 5, 8, 13, 21, 34, 55, 80, 150}
	b := make([]byte, lengths[rnd.IntN(len(lengths))])
	for i := range b {
		b[i] = letters[rnd.IntN(len(letters))]
	}
	return string(b)
}

func literal(key any) string {
	if i, ok := key.(int); ok {
		return fmt.Sprintf("(%d)", i)
	}
	return fmt.Sprintf("%q", key)
}

// TestTableOrder compares the order of random tables with the model's.
func TestTableOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	for range 60 {
		m, src := newModel(4), "local t = {};\n"
		var keys []any
		for range 1 + rnd.IntN(120) {
			if len(keys) > 0 && rnd.IntN(4) == 0 {
				i := rnd.IntN(len(keys))
				m.remove(keys[i])
				src += fmt.Sprintf("delete t[%s];\n", literal(keys[i]))
				keys = slices.Delete(keys, i, i+1)
				continue
			}
			if k := randomKey(rnd); !slices.Contains(keys, k) {
				keys = append(keys, k)
				m.insert(k)
				src += fmt.Sprintf("t[%s] <- 1;\n", literal(k))
			}
		}
		want := ""
		for _, k := range m.order() {
			want += fmt.Sprintln(k)
		}
		if got, _ := runScript(t, "order", src+`foreach (k, v in t) print(k + "\n");`); got != want {
			t.Fatalf("%s\n%s", src, diffLines(got, want))
		}
	}
}

// heapSort is the sort of the original on pairs that compare by their first
// element.
func heapSort(a [][2]int) {
	sift := func(root, bottom int) {
		for 2*root <= bottom {
			child := 2 * root
			if child != bottom && a[child][0] <= a[child+1][0] {
				child++
			}
			if a[root][0] >= a[child][0] {
				return
			}
			a[root], a[child] = a[child], a[root]
			root = child
		}
	}
	for i := len(a) / 2; i >= 0; i-- {
		sift(i, len(a)-1)
	}
	for i := len(a) - 1; i > 0; i-- {
		a[0], a[i] = a[i], a[0]
		sift(0, i-1)
	}
}

// TestSortOrder compares the order of equal elements, which is the
// algorithm's alone: with a compare function, and with _cmp.
func TestSortOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	for range 30 {
		a := make([][2]int, 2+rnd.IntN(60))
		src, byCmp := "", ""
		for i := range a {
			a[i] = [2]int{rnd.IntN(7), i}
			src += fmt.Sprintf("[%d,%d],", a[i][0], i)
			byCmp += fmt.Sprintf("C(%d,%d),", a[i][0], i)
		}
		heapSort(a)
		want := ""
		for _, x := range a {
			want += fmt.Sprintf("%d:%d ", x[0], x[1])
		}
		prog := "class C { k = 0; i = 0; constructor(a, b) { k = a; i = b; } function _cmp(o) { return k <=> o.k; } }\n" +
			"local a = [" + src + "]; a.sort(@(x, y) x[0] <=> y[0]); foreach (x in a) print(x[0] + \":\" + x[1] + \" \"); print(\"\\n\");\n" +
			"a = [" + byCmp + "]; a.sort(); foreach (x in a) print(x.k + \":\" + x.i + \" \"); print(\"\\n\");\n"
		if got, _ := runScript(t, "sort", prog); got != want+"\n"+want+"\n" {
			t.Fatalf("%s\n%s", prog, diffLines(got, want+"\n"+want+"\n"))
		}
	}
}
