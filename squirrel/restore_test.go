package squirrel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"runtime"
	"syscall"
	"testing"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

const restoreScript = `
class P {
	a = 1;
	b = null;
	static s = [1];
	constructor(x) { b = x; }
	function m(k = 3) { return a + k; }
	function _tostring() { return "P"; }
}
class Q extends P { c = "x"; function m(k = 3) { return base.m(k) + 1; } }
local t = { a = 1, [2] = "two", [1.5] = Q(7), w = null }.setdelegate({ d = 4, _get = function(k) {
	if (k == "z") return wait();
	throw null;
} });
local long = "0123456789012345678901234567890123456789";
long += long;
t.w = t.weakref();
function g(n) { try { for (local i = 0; i < n; i++) yield wait() + i; } catch (e) { yield e; } }
local n = 0;
local add = function(x, ...) { n += x + vargv.len(); return n; };
t.bound <- add.bindenv(t);
t.gen <- g(3);
resume t.gen;
foreach (k, x in t) add(1, k);
[1, 2].map(function(x) { return t.z + t.bound(x); });
local r = "" + Q(wait()) + long + resume t.gen;
foreach (c in r) n += c;
return n + t[1.5].m() + P.s.len();
`

// restoreSeeds returns snapshots of a machine in many states.
func restoreSeeds(t testing.TB, l *Library, p *compile.Program) [][]byte {
	var seeds [][]byte
	v := New(l, 1<<20)
	v.Start(v.Load(p), v.Root())
	for {
		data, err := v.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, data)
		switch status := v.Run(40); status {
		case Done:
			return seeds
		case Suspended:
			if data, err = v.Snapshot(); err != nil {
				t.Fatal(err)
			}
			seeds = append(seeds, data)
			v.Resume(Int(1))
		case OutOfFuel:
		default:
			t.Fatal(status, v.Err())
		}
	}
}

// exercise lets a restored machine do what it will.
func exercise(v *VM) {
	for range 20 {
		switch v.Run(5000) {
		case Suspended:
			v.Resume(Int(1))
		case OutOfFuel:
			if v.FuelUsed() > 1<<20 {
				return
			}
			v.Collect()
		default:
			return
		}
	}
}

// seal gives a changed snapshot the checksum that it needs to be looked at.
func seal(data []byte) []byte {
	if len(data) >= 12 {
		binary.LittleEndian.PutUint32(data[8:], crc32.Checksum(data[12:], castagnoli))
	}
	return data
}

// TestRestoreChanged changes every word of a snapshot a little: it is refused,
// or the machine does something, but nothing breaks.
func TestRestoreChanged(t *testing.T) {
	l := waitingLibrary()
	p := compiled(t, "restore", restoreScript)
	program := func(h [32]byte) *compile.Program { return p }
	seeds := restoreSeeds(t, l, p)
	refused, taken := 0, 0
	for s := 0; s < len(seeds); s += 1 + len(seeds)/8 {
		seed := seeds[s]
		first := 12 + len(l.manifest())
		for i := first; i+8 <= len(seed); i += 4 {
			data := append([]byte(nil), seed...)
			switch i / 4 % 5 {
			case 0:
				data[i] ^= 1
			case 1:
				data[i+1]++
			case 2:
				copy(data[i:], seed[max(first, i-8):i])
			case 3:
				binary.LittleEndian.PutUint32(data[i:], 0xffffffff)
			case 4:
				copy(data[i:], seed[len(seed)-400+i%256:][:8])
			}
			v, err := Restore(l, seal(data), program, 1<<20)
			if err != nil {
				if !errors.Is(err, ErrSnapshot) {
					t.Fatal(err)
				}
				refused++
				continue
			}
			taken++
			exercise(v)
		}
	}
	t.Log(len(seeds), "seeds,", refused, "refused,", taken, "taken")
}

func FuzzRestore(f *testing.F) {
	l := waitingLibrary()
	p := compiled(f, "restore", restoreScript)
	for _, s := range restoreSeeds(f, l, p) {
		f.Add(s, uint32(0), uint64(0))
	}
	program := func(h [32]byte) *compile.Program { return p }
	f.Fuzz(func(t *testing.T, data []byte, at uint32, word uint64) {
		data = append([]byte(nil), data...)
		if n := len(data) - 20; n > 0 {
			i := 12 + int(at)%n
			binary.LittleEndian.PutUint64(data[i:], binary.LittleEndian.Uint64(data[i:])^word)
		}
		v, err := Restore(l, seal(data), program, 1<<20)
		if err == nil {
			exercise(v)
		}
	})
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		New(standard, 1<<20)
	}
}

func BenchmarkSnapshotRestore(b *testing.B) {
	p := compiled(b, "b", `local a = [];
		for (local i = 0; i < 350; i++) a.append({ a = i, b = "text" + i, c = [i, 1.5] }); ::keep <- a;`)
	v := New(standard, 1<<20)
	v.Start(v.Load(p), v.Root())
	if v.Run(1<<30) != Done {
		b.Fatal(v.Err())
	}
	program := func([32]byte) *compile.Program { return p }
	b.ReportAllocs()
	for b.Loop() {
		data, err := v.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
		if _, err := Restore(standard, data, program, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCollectHost: what 2,000 idle machines add to a collection of Go's,
// in CPU time of the process.
func BenchmarkCollectHost(b *testing.B) {
	p := compiled(b, "b", `::keep <- []; for (local i = 0; i < 100; i++) keep.append({ a = i, b = "text" + i });`)
	const rounds = 100
	without := collectTime(rounds)
	machines := make([]*VM, 2000)
	for i := range machines {
		v := New(standard, 1<<20)
		v.Start(v.Load(p), v.Root())
		if v.Run(1<<30) != Done {
			b.Fatal(v.Err())
		}
		v.Collect()
		machines[i] = v
	}
	for b.Loop() {
		with := collectTime(rounds)
		b.ReportMetric(float64(with-without)/1e6/rounds, "ms-cpu/collection")
	}
	runtime.KeepAlive(machines)
}

// collectTime returns the processor time that n collections take.
func collectTime(n int) int64 {
	runtime.GC()
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for range n {
		runtime.GC()
	}
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	return after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
}

// TestRestoreOtherStrings: a snapshot whose strings are not its program's is
// refused, although they are as long.
func TestRestoreOtherStrings(t *testing.T) {
	for _, name := range []string{"short", "a string that is too long to be one of those that are shared by all"} {
		p := compiled(t, "strings", `local x = "`+name+`"; return x;`)
		v := New(standard, 1<<20)
		v.Start(v.Load(p), v.Root())
		data, err := v.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(data, []byte(name))
		if at < 0 {
			t.Fatalf("%q is not in the snapshot", name)
		}
		changed := bytes.Clone(data)
		changed[at+1] ^= 1
		if _, err := Restore(standard, seal(changed), only(p), 1<<20); err == nil {
			t.Errorf("%q: the snapshot is taken with another string", name)
		}
	}
}
