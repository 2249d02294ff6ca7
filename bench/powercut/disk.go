package main

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
)

const (
	blockSize  = 4096 // of what is kept or lost
	sectorSize = 512  // of what a disk writes whole even when its power goes
)

// superblock is never torn. ext4 keeps a checksum of it in its second sector, and
// does not mount when that is not the first one's: that is no fault of ours.
const superblock = 0

type block [blockSize]byte

// errOff is what a disk without power says.
var errOff = errors.New("the disk has no power")

// disk is a disk with a cache that loses its power. What Flush has acknowledged
// is durable; of what was written since, a power cut leaves whatever it likes, as
// real disks do: they write in no order, and only sectors whole. Its methods may
// be called at once.
type disk struct {
	size int64

	mu      sync.Mutex
	off     bool
	durable map[int64]*block   // by their numbers; those never written are zero
	cached  map[int64][]*block // written since the last flush, each as it was after each write, the newest last
	flushes int                // that were acknowledged
	trap    *trap              // nil: no cut is due

	lost, kept int // cached blocks of which the last cut has left nothing, and those of which it has left something
}

// trap cuts the power in the middle of work: when so many more blocks have been
// written, the last of them included.
type trap struct {
	blocks int
	random *rand.Rand
	before func() // called before anything is lost; it must not use the disk
	sprung chan struct{}
}

func newDisk(size int64) *disk {
	return &disk{size: size, durable: map[int64]*block{}, cached: map[int64][]*block{}}
}

// spans calls visit for each block that [offset, offset+length) touches, with the
// range inside of the block, and where that is in the whole.
func (d *disk) spans(offset, length int64, visit func(number, from, to, at int64)) error {
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

// current is a block as a read sees it.
func (d *disk) current(number int64) *block {
	if list := d.cached[number]; len(list) > 0 {
		return list[len(list)-1]
	}
	if b := d.durable[number]; b != nil {
		return b
	}
	return &block{}
}

// Read fills p with what is at an offset in bytes.
func (d *disk) Read(p []byte, offset int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.spans(offset, int64(len(p)), func(number, from, to, at int64) {
		copy(p[at:], d.current(number)[from:to])
	})
}

// Write writes to the cache.
func (d *disk) Write(p []byte, offset int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return errOff
	}
	return d.spans(offset, int64(len(p)), func(number, from, to, at int64) {
		if d.off {
			return // since a block ago
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

// Flush makes what has been written durable.
func (d *disk) Flush() error {
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

// CutAfter cuts the power when so many more blocks have been written. before is
// called then, and what it returns is closed afterwards.
func (d *disk) CutAfter(blocks int, random *rand.Rand, before func()) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trap = &trap{blocks: blocks, random: random, before: before, sprung: make(chan struct{})}
	return d.trap.sprung
}

// Cut cuts the power, if it is on. Of each cached block nothing is left, or one of
// its states whole, or some sectors of that. Until On, only reads succeed.
func (d *disk) Cut(random *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.off {
		d.cut(random)
	}
}

func (d *disk) cut(random *rand.Rand) {
	d.off, d.trap = true, nil
	d.lost, d.kept = 0, 0
	numbers := make([]int64, 0, len(d.cached))
	for number := range d.cached {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers) // one seed, one outcome
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

// torn is a durable block with some sectors of another.
func (d *disk) torn(number int64, written *block, random *rand.Rand) *block {
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

// On gives the disk power again.
func (d *disk) On() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = false
}

// Outcome returns of how many cached blocks the last cut has left nothing, and of
// how many something.
func (d *disk) Outcome() (lost, kept int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost, d.kept
}

// Flushes returns how many flushes the disk has acknowledged.
func (d *disk) Flushes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flushes
}
