package volume

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestDisk performs writes, flushes and cuts in any order, and keeps for each sector its
// possible contents.
func TestDisk(t *testing.T) { rapid.Check(t, checkDisk) }

func checkDisk(t *rapid.T) {
	const sectors = 4 * blockSize / sectorSize
	d := newDisk(sectors * sectorSize)
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	var may [sectors][]byte // the durable state, and each written since; the last is what is read
	for i := range may {
		may[i] = []byte{0}
	}
	for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
		switch rapid.IntRange(0, 5).Draw(t, "what") {
		case 0:
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
			for i := range may {
				may[i] = may[i][len(may[i])-1:]
			}
		case 1:
			d.Cut(random)
			if !errors.Is(d.Flush(), errOff) || !errors.Is(d.Write(make([]byte, sectorSize), 0), errOff) {
				t.Fatal("a disk without power takes a write or a flush")
			}
			for i := range may {
				now := content(t, d, i)
				if !slices.Contains(may[i], now) {
					t.Fatalf("sector %d is %d after the cut, and may be one of %d", i, now, may[i])
				}
				may[i] = []byte{now}
			}
			d.On()
		default:
			from := rapid.IntRange(0, sectors-1).Draw(t, "from")
			count := rapid.IntRange(1, sectors-from).Draw(t, "count")
			if err := d.Write(bytes.Repeat([]byte{byte(step + 1)}, count*sectorSize), int64(from*sectorSize)); err != nil {
				t.Fatal(err)
			}
			for i := from; i < from+count; i++ {
				may[i] = append(may[i], byte(step+1))
			}
		}
		for i := range may {
			if now, want := content(t, d, i), may[i][len(may[i])-1]; now != want {
				t.Fatalf("sector %d is %d, want %d", i, now, want)
			}
		}
	}
}

// content returns the byte that fills a sector.
func content(t *rapid.T, d *Disk, sector int) byte {
	p := make([]byte, sectorSize)
	if err := d.Read(p, int64(sector*sectorSize)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p, bytes.Repeat(p[:1], sectorSize)) {
		t.Fatalf("sector %d is torn", sector)
	}
	return p[0]
}

// TestCutVaries checks that a cut keeps some blocks whole, some in part, and drops some.
func TestCutVaries(t *testing.T) {
	const blocks = 100
	d := newDisk(blocks * blockSize)
	written := bytes.Repeat([]byte{1}, blocks*blockSize)
	if err := d.Write(written, 0); err != nil {
		t.Fatal(err)
	}
	d.Cut(rand.New(rand.NewPCG(1, 2)))
	found := map[string]int{}
	for i := range int64(blocks) {
		p := make([]byte, blockSize)
		if err := d.Read(p, i*blockSize); err != nil {
			t.Fatal(err)
		}
		switch bytes.Count(p, []byte{1}) {
		case 0:
			found["nothing"]++
		case blockSize:
			found["whole"]++
		default:
			found["torn"]++
		}
	}
	if lost, kept := d.Outcome(); found["nothing"] < 20 || found["whole"] < 20 || found["torn"] < 20 ||
		lost+kept != blocks {
		t.Errorf("of %d blocks are left: %v; lost %d, kept %d", blocks, found, lost, kept)
	}
}

func TestCutAfter(t *testing.T) {
	d := newDisk(4 * blockSize)
	called := 0
	sprung := d.CutAfter(3, rand.New(rand.NewPCG(1, 2)), func() { called++ })
	for range 2 {
		if err := d.Write(make([]byte, blockSize), 0); err != nil {
			t.Fatal(err)
		}
	}
	if called != 0 || d.Flush() != nil {
		t.Fatal("the power is cut early")
	}
	if err := d.Write(make([]byte, 2*blockSize), blockSize); err != nil {
		t.Fatal(err)
	}
	<-sprung
	if lost, kept := d.Outcome(); called != 1 || lost+kept != 1 || !errors.Is(d.Flush(), errOff) {
		t.Errorf("called %d times; lost %d, kept %d; then a flush has %v", called, lost, kept, d.Flush())
	}
	d.On()
	if err := d.Write(make([]byte, 4*blockSize), 0); err != nil || d.Flush() != nil {
		t.Error("the next life is cut too:", err)
	}
}

func TestDiskBounds(t *testing.T) {
	d := newDisk(blockSize)
	for _, at := range []int64{-1, 1, blockSize} {
		if d.Write(make([]byte, blockSize), at) == nil || d.Read(make([]byte, blockSize), at) == nil {
			t.Errorf("a block at %d is inside of a disk of one block", at)
		}
	}
}
