package squirrel

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

var updateGolden = flag.Bool("updategolden", false, "add snapshots of this version to testdata/snapshots")

// goldenLibrary is what the golden snapshots' program uses. It may grow, and
// its parts may change their order: snapshots know natives by name.
func goldenLibrary() *Library {
	l := waitingLibrary()
	AddMath(l, "")
	AddString(l)
	AddBlob(l)
	return l
}

func goldenProgram(t *testing.T, dir string) *compile.Program {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(dir, "program.nut"))
	if err != nil {
		t.Fatal(err)
	}
	return compiled(t, "program.nut", string(src))
}

// goldenVersion names what this build writes: the format of the snapshot, and
// the code that the compiler makes of the program.
func goldenVersion(p *compile.Program) string {
	h := p.Hash()
	return fmt.Sprintf("format%d-code%x", snapshotMagic[7], h[:4])
}

// TestGoldenSnapshots takes up machines that each version so far has written
// in the middle of a program. Either they go on and print what was left to
// print, or they are refused with a reason; this version's own go on.
func TestGoldenSnapshots(t *testing.T) {
	const root = "testdata/snapshots"
	current := goldenVersion(goldenProgram(t, root))
	if *updateGolden {
		writeGolden(t, root, filepath.Join(root, current))
	}
	if _, err := os.Stat(filepath.Join(root, current)); err != nil {
		t.Errorf("this build writes snapshots as none before it: keep some of them with\n"+
			"\tgo test ./squirrel -run GoldenSnapshots -updategolden\n(%v)", err)
	}
	files, err := filepath.Glob(root + "/*/*.snapshot.gz")
	if err != nil || len(files) == 0 {
		t.Fatal("no snapshots: ", err)
	}
	for _, file := range files {
		dir, name := filepath.Split(file)
		t.Run(filepath.Join(filepath.Base(dir), name), func(t *testing.T) {
			p := goldenProgram(t, dir)
			got, err := takeUp(p, readGolden(t, file))
			if err != nil {
				if filepath.Base(dir) == current {
					t.Fatalf("a snapshot of this very version is refused: %v", err)
				}
				if len(err.Error()) < 20 {
					t.Errorf("refused without a reason: %q", err)
				}
				t.Log("refused: ", err)
				return
			}
			want, err := os.ReadFile(strings.TrimSuffix(file, ".snapshot.gz") + ".out")
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Error(diffLines(got, string(want)))
			}
		})
	}
}

// takeUp restores a machine and returns what it prints until its end.
func takeUp(p *compile.Program, data []byte) (printed string, err error) {
	v, err := Restore(goldenLibrary(), data, only(p), 1<<20)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	v.SetOutput(func(b []byte, _ bool) { out.Write(b) })
	for {
		switch status := v.Run(1 << 20); status {
		case Suspended:
			v.Resume(Int(7))
		case Done:
			return out.String(), nil
		default:
			return "", fmt.Errorf("status %d: %v", status, v.Err())
		}
	}
}

// A machine is stopped after goldenFuel and wherever it waits, and every
// goldenStep-th time it is kept.
const (
	goldenFuel = 90
	goldenStep = 4
)

func writeGolden(t *testing.T, root, dir string) {
	p := goldenProgram(t, root)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	put := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	src, err := os.ReadFile(filepath.Join(root, "program.nut"))
	if err != nil {
		t.Fatal(err)
	}
	put("program.nut", src)
	v := New(goldenLibrary(), 1<<20)
	v.Start(v.Load(p), v.Root())
	for n := 0; ; n++ {
		status := v.Run(goldenFuel)
		if status == Done {
			return
		}
		if n%goldenStep == 0 {
			keepGolden(t, p, v, put, n/goldenStep)
		}
		for status == Suspended {
			v.Resume(Int(7))
			status = v.Run(1)
		}
	}
}

func keepGolden(t *testing.T, p *compile.Program, v *VM, put func(string, []byte), n int) {
	data, err := v.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	left, err := takeUp(p, data)
	if err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	put(fmt.Sprintf("%02d.snapshot.gz", n), z.Bytes())
	put(fmt.Sprintf("%02d.out", n), []byte(left))
}

func readGolden(t *testing.T, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
