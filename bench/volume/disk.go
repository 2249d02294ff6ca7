// Package volume has disks that lose their power, with a file system, for trials of real
// processes: what they have not flushed is lost in whole or part, as by real disks.
//
//	v, err := volume.New(ctx, 64<<20, random)
//	... run processes in v.Dir
//	err = v.Cut(kill, wait) // and v.Boot
package volume

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
)

const (
	blockSize  = 4096 // unit that is kept or lost
	sectorSize = 512  // unit that a disk writes whole even when it loses power
)

// superblock is never torn: ext4 keeps its checksum in its second sector, and does not
// mount when it does not match the first one, which is not the fault of the software under
// test.
const superblock = 0

type block [blockSize]byte

// errOff is the error of a disk without power.
var errOff = errors.New("the disk has no power")

// Disk is a disk with a cache, which can lose its power. Blocks that Flush has
// acknowledged are durable. Of later writes a power cut keeps an arbitrary part, like a
// real disk, which writes in any order and only sectors whole. Any goroutine may call its
// methods.
type Disk struct {
	size int64

	mu      sync.Mutex
	off     bool
	durable map[int64]*block   // by number; blocks that were never written are zero
	cached  map[int64][]*block // by number: the states after each write since the last flush, the newest last
	flushes int                // number of acknowledged flushes
	trap    *trap              // nil: no cut is planned

	lost, kept int // number of cached blocks that the last cut dropped, and that it kept in whole or part
}

// trap cuts the power in the middle of work: after a number of written blocks.
type trap struct {
	blocks int
	random *rand.Rand
	before func() // called before the cut; it must not use the disk
	sprung chan struct{}
}

func newDisk(size int64) *Disk {
	return &Disk{size: size, durable: map[int64]*block{}, cached: map[int64][]*block{}}
}

// spans calls visit for each block that [offset, offset+length) touches, with the range
// inside of the block and its position in the whole.
func (d *Disk) spans(offset, length int64, visit func(number, from, to, at int64)) error {
	if offset < 0 || length < 0 || offset+length > d.size {
		return io.ErrUnexpectedEOF
	}
	for at := int64(0); at < length; {
		number, from := (offset+at)/blockSize, (offset+at)%blockSize
		to := min(blockSize, from+length-at)
		visit(number, from, to, at)
		at += to - from
	}
	return nil
}

// current returns a block as a read sees it.
func (d *Disk) current(number int64) *block {
	if list := d.cached[number]; len(list) > 0 {
		return list[len(list)-1]
	}
	if b := d.durable[number]; b != nil {
		return b
	}
	return &block{}
}

// Read reads len(p) bytes at an offset.
func (d *Disk) Read(p []byte, offset int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.spans(offset, int64(len(p)), func(number, from, to, at int64) {
		copy(p[at:], d.current(number)[from:to])
	})
}

// Write writes to the cache.
func (d *Disk) Write(p []byte, offset int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return errOff
	}
	return d.spans(offset, int64(len(p)), func(number, from, to, at int64) {
		if d.off {
			return // the trap has cut the power at the previous block
		}
		b := *d.current(number)
		copy(b[from:to], p[at:])
		d.cached[number] = append(d.cached[number], &b)
		if t := d.trap; t != nil {
			if t.blocks--; t.blocks <= 0 {
				t.before()
				d.cut(t.random)
				close(t.sprung)
			}
		}
	})
}

// Flush makes all written blocks durable.
func (d *Disk) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return errOff
	}
	for number, list := range d.cached {
		d.durable[number] = list[len(list)-1]
	}
	clear(d.cached)
	d.flushes++
	return nil
}

// CutAfter cuts the power after a number of written blocks. before is called at that
// moment, and the channel that it returns is closed after the cut.
func (d *Disk) CutAfter(blocks int, random *rand.Rand, before func()) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trap = &trap{blocks: blocks, random: random, before: before, sprung: make(chan struct{})}
	return d.trap.sprung
}

// Cut cuts the power, if it is on. Each cached block is dropped, or kept in one of its
// states, or kept with some sectors of one. Until On, only reads succeed.
func (d *Disk) Cut(random *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.off {
		d.cut(random)
	}
}

func (d *Disk) cut(random *rand.Rand) {
	d.off, d.trap = true, nil
	d.lost, d.kept = 0, 0
	numbers := make([]int64, 0, len(d.cached))
	for number := range d.cached {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers) // so that a seed always has the same outcome
	for _, number := range numbers {
		written := d.cached[number][random.IntN(len(d.cached[number]))]
		outcomes := 3
		if number == superblock {
			outcomes = 2
		}
		switch random.IntN(outcomes) {
		case 0:
			d.lost++
			continue
		case 1:
			d.durable[number] = written
		case 2:
			d.durable[number] = d.torn(number, written, random)
		}
		d.kept++
	}
	clear(d.cached)
}

// torn returns a durable block with some sectors of another.
func (d *Disk) torn(number int64, written *block, random *rand.Rand) *block {
	var b block
	if old := d.durable[number]; old != nil {
		b = *old
	}
	for at := 0; at < blockSize; at += sectorSize {
		if random.IntN(2) == 0 {
			copy(b[at:at+sectorSize], written[at:])
		}
	}
	return &b
}

// On turns the disk's power on again.
func (d *Disk) On() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = false
}

// Outcome returns how many cached blocks the last cut dropped, and how many it kept in
// whole or part.
func (d *Disk) Outcome() (lost, kept int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost, d.kept
}

// Flushes returns the number of acknowledged flushes.
func (d *Disk) Flushes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flushes
}
