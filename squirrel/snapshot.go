package squirrel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// A snapshot is
//
//	magic and version, 8 bytes
//	CRC-32C of the rest, 4 bytes
//	the library's native functions by path and native classes by name
//	the programs by hash
//	the state beside the arena
//	the words of the arena
//
// Integers are little-endian; lists and strings follow their length. The bytes of
// strings are in the arena in the order of little-endian words.

const snapshotMagic = "tansqvm\x02"

// ErrSnapshot is wrapped by the error for a snapshot that Restore refuses.
var ErrSnapshot = errors.New("squirrel: bad snapshot")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Snapshot returns the whole state of the machine as bytes, after collecting.
// It may be idle, suspended in a native, or out of fuel. After Restore it continues
// exactly as it would have. The host reference, clock and output are not part of it.
func (v *VM) Snapshot() ([]byte, error) {
	if v.inLoop || v.run == broken || v.ending != Done {
		return nil, errors.New("squirrel: no snapshot of a machine that is running or out of memory")
	}
	v.compact()
	v.scrubStack()
	b := make([]byte, 0, len(v.lib.manifest())+48*len(v.progs)+256+8*int(v.top))
	b = append(b, snapshotMagic...)
	b = append(b, 0, 0, 0, 0)
	b = append(b, v.lib.manifest()...)
	b = le32(b, uint32(len(v.progs)))
	for _, p := range v.progs {
		h := p.Hash()
		b = append(b, h[:]...)
		b = le32(b, p.consts)
	}
	b = le32(b, v.top)
	for _, x := range v.state() {
		b = le64(b, x)
	}
	n := len(b)
	b = b[:n+8*int(v.top)]
	for i, x := range v.w[:v.top] {
		binary.LittleEndian.PutUint64(b[n+8*i:], uint64(x))
	}
	binary.LittleEndian.PutUint32(b[len(snapshotMagic):], crc32.Checksum(b[len(snapshotMagic)+4:], castagnoli))
	return b, nil
}

func le32(b []byte, x uint32) []byte { return binary.LittleEndian.AppendUint32(b, x) }
func le64(b []byte, x uint64) []byte { return binary.LittleEndian.AppendUint64(b, x) }

// state returns the state beside the arena, as words.
func (v *VM) state() []uint64 {
	reentry := uint64(0)
	if v.reentry {
		reentry = 1
	}
	return []uint64{
		uint64(v.perm), uint64(v.serial), uint64(v.stack), uint64(v.frame), uint64(v.pc),
		uint64(v.root), uint64(v.registry), uint64(v.classes), uint64(v.exc), uint64(v.result),
		uint64(v.run), uint64(v.resumed), reentry, uint64(v.reState), uint64(v.FuelUsed()), uint64(v.owed),
	}
}

const stateWords = 16

func (v *VM) setState(s []uint64) {
	v.perm = uint32(s[0])
	v.serial = uint32(s[1])
	v.stack = uint32(s[2])
	v.frame = uint32(s[3])
	v.pc = uint32(s[4])
	v.root = Value(s[5])
	v.registry = Value(s[6])
	v.classes = Value(s[7])
	v.exc = Value(s[8])
	v.result = Value(s[9])
	v.run = runState(s[10])
	v.resumed = uint8(s[11])
	v.reentry = s[12] != 0
	v.reState = int(uint16(s[13]))
	v.used, v.owed = int64(s[14]), min(0, max(int64(s[15]), -1<<40))
	v.tick = v.owed
}

// manifest lists a library's natives and native classes in the form of snapshots.
func (l *Library) manifest() []byte {
	l.built()
	return l.listed
}

func (l *Library) list() []byte {
	b := le32(nil, uint32(len(l.natives)))
	for _, n := range l.natives {
		b = append(le32(b, uint32(len(n.path))), n.path...)
	}
	b = le32(b, uint32(len(l.classes)))
	for _, c := range l.classes {
		b = append(le32(b, uint32(len(c.name))), c.name...)
	}
	return b
}

// scrubStack sets to null the return and continue words that frames which have ended
// left among the registers of others.
func (v *VM) scrubStack() {
	header := v.headerWords()
	for i := range v.stackSize() {
		if x := v.stackRef(i); isStale(*x) && !header.has(i) {
			*x = Null
		}
	}
}

// headerWords returns the places of the return and continue words of the frames.
func (v *VM) headerWords() bitset {
	header := newBitset(v.stackSize())
	for f := v.frame; f != 0; f = retFrame(v.stackAt(f - hdrRet)) {
		header.add(f - hdrRet)
		header.add(f - hdrCont)
	}
	if v.resumed == resumedStart {
		header.add(hdrFunc - hdrRet)
		header.add(hdrFunc - hdrCont)
	}
	return header
}

// decoder reads a snapshot. After an error it reads zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) take(n uint64) []byte {
	if d.err != nil || uint64(len(d.b)) < n {
		d.err = fmt.Errorf("%w: too short", ErrSnapshot)
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// names reads a list of strings.
func (d *decoder) names() []string {
	var list []string
	for n := d.u32(); n > 0 && d.err == nil; n-- {
		list = append(list, string(d.take(uint64(d.u32()))))
	}
	return list
}

// Restore makes a machine from a snapshot. The library may be another version of the
// one with which the snapshot was made: natives are identified by path, and one that
// no longer exists throws when it is called. program returns the program with a hash,
// or nil. The machine shares nothing with data.
//
// data may be damaged or malicious: an invalid snapshot is refused with an error that
// wraps ErrSnapshot.
func Restore(l *Library, data []byte, program func(hash [32]byte) *compile.Program, memLimit int) (*VM, error) {
	const name = len(snapshotMagic) - 1
	switch {
	case len(data) < len(snapshotMagic)+4 || string(data[:name]) != snapshotMagic[:name]:
		return nil, fmt.Errorf("%w: this is not a snapshot", ErrSnapshot)
	case data[name] != snapshotMagic[name]:
		return nil, fmt.Errorf("%w: it has format %d, and this version reads format %d", ErrSnapshot, data[name],
			snapshotMagic[name])
	}
	d := &decoder{b: data[len(snapshotMagic)+4:]}
	if crc32.Checksum(d.b, castagnoli) != binary.LittleEndian.Uint32(data[len(snapshotMagic):]) {
		return nil, fmt.Errorf("%w: wrong checksum", ErrSnapshot)
	}
	img := l.built()
	v := &VM{lib: l, img: img}
	v.setLimit(memLimit)
	r := &restorer{v: v}
	if m := l.manifest(); len(d.b) > len(m) && string(d.b[:len(m)]) == string(m) {
		d.b = d.b[len(m):]
	} else {
		r.translate(d.names(), d.names())
	}
	if err := v.readPrograms(d, program); err != nil {
		return nil, err
	}
	if err := v.readWords(d); err != nil {
		return nil, err
	}
	if err := r.restore(); err != nil {
		return nil, err
	}
	return v, nil
}

func (v *VM) readPrograms(d *decoder, program func(hash [32]byte) *compile.Program) error {
	n := d.u32()
	if n > maxPrograms {
		return fmt.Errorf("%w: too many programs", ErrSnapshot)
	}
	for range n {
		var h [32]byte
		copy(h[:], d.take(32))
		consts := d.u32()
		if d.err != nil {
			return d.err
		}
		p := program(h)
		if p == nil {
			return fmt.Errorf("squirrel: the snapshot needs program %x, which is not known: another source, "+
				"or what another compiler made of it", h[:8])
		}
		v.progs = append(v.progs, load(p, consts))
	}
	return d.err
}

func (v *VM) readWords(d *decoder) error {
	top := d.u32()
	var s []uint64
	for b := d.take(8 * stateWords); len(b) > 0; b = b[8:] {
		s = append(s, binary.LittleEndian.Uint64(b))
	}
	if d.err != nil {
		return d.err
	}
	v.setState(s)
	b := d.take(8 * uint64(top))
	switch {
	case d.err != nil:
		return d.err
	case top < 2 || len(d.b) != 0 || top > 1<<30:
		return fmt.Errorf("%w: wrong size", ErrSnapshot)
	case v.perm < 1 || v.perm > top:
		return fmt.Errorf("%w: image beyond the end", ErrSnapshot)
	}
	w := make([]Value, top+imageSlack)
	for i := range w[:top] {
		w[i] = Value(binary.LittleEndian.Uint64(b[8*i:]))
	}
	v.setWords(w)
	v.top, v.live = top, top
	return nil
}
