package squirrel

import (
	"sync/atomic"
	"unsafe"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// Status says why VM.Run returned.
type Status uint8

const (
	// Done: the function returned; see VM.Result.
	Done Status = iota
	// Suspended: a native waits; VM.Resume continues.
	Suspended
	// OutOfFuel: the fuel given to Run is used up; another Run continues, unless a
	// native was stopped in the middle of its work. Then the VM is unusable, and every
	// Run returns OutOfFuel.
	OutOfFuel
	// Failed: an exception was not caught; see VM.Err. The stack is empty.
	Failed
	// OutOfMemory: more was alive than the limit allows. The VM is unusable.
	OutOfMemory
	// Interrupted: the host has called Interrupt. The VM is unusable.
	Interrupted
)

// VM is one Squirrel machine. It is not safe for concurrent use. All its
// state but the host reference is in the arena and a few words beside it.
type VM struct {
	mem
	gcAt uint32 // collect at the next safepoint when top is past this
	room uint32 // words that the last collection left for that
	tick int64  // fuel left in this slice; negative between two Runs: owed by the next
	held int64  // fuel of later slices
	owed int64  // tick when the last Run ended
	used int64  // fuel used up to then
	turn uint64 // what InterruptIn is compared with
	stop atomic.Uint64

	yield  func() // nil: nothing is called
	breath int64  // fuel left when it was called last

	root     Value
	registry Value
	classes  Value  // vector of the library's native classes
	stack    uint32 // vector
	exc      Value  // being thrown
	blame    blame  // what exc is about, if that is known
	result   Value  // of the function that the host started, or for a native

	frame   uint32 // stack index of the running frame's first register
	pc      uint32 // of the running frame, while not in the loop
	run     runState
	reentry bool  // the next step enters the native frame again, with result
	reState int   // the state that it asked for
	resumed uint8 // how the host ended a suspended native
	gcDue   bool
	inLoop  bool
	misses  uint8  // counts wrong hints
	slices  bool   // RunSlice is going on
	ending  Status // why the machine must stop, or has; Done: it need not

	interned internTable
	scratch  []byte // buffer in which strings are joined
	progs    []loaded
	regexps  regexpCache

	lib  *Library
	img  *image // symbols and methods; the library's unless restored from another version
	host any
	err  *Error
	call Call

	thrown func() // nil: nothing is called

	clock func() (sec int64, usec int64) // for time(); nil is the system's
	count func() (sec int64, usec int64) // for clock(); nil is clock
	out   func(b []byte, isErr bool)     // for print() and error(); nil discards
}

type runState uint8

const (
	idle runState = iota
	running
	suspended
	broken // unusable; ending says why
)

// loaded is a program in this VM. A function prototype is identified by the number of its
// program and its number in it, in 16 bits each.
type loaded struct {
	*compile.Program
	entries *compile.Entry // the first entry
	consts  uint32         // vector of its strings
}

func load(p *compile.Program, consts uint32) loaded {
	return loaded{p, unsafe.SliceData(p.Entries()), consts}
}

const maxPrograms = 1 << 16

func (v *VM) proto(number uint32) *compile.Proto {
	return v.progs[number>>16].Protos[number&0xffff]
}

// New returns a VM with the library's root table. memLimit limits the live objects, in
// bytes.
func New(l *Library, memLimit int) *VM {
	img := l.built()
	v := &VM{lib: l, img: img}
	v.setLimit(memLimit)
	w := make([]Value, len(img.words)+imageSlack)
	copy(w, img.words)
	v.setWords(w)
	v.top = uint32(len(img.words))
	v.perm = uint32(len(img.words))
	v.serial = img.serial
	v.root = img.root
	v.registry = img.registry
	v.classes = img.classes
	v.interned = img.interned.clone()
	v.live = v.perm
	v.setThreshold()
	v.newStack(initialStack)
	return v
}

const (
	imageSlack   = 640     // words of a new VM before its arena grows
	initialStack = 384     // registers
	maxStack     = 1 << 20 // registers, unless the memory limit allows less
)

func (v *VM) setLimit(bytes int) { v.limit = uint32(min(max(bytes, 4096)/8, 1<<29)) }

// Load adds a program and returns its main function. The program's strings
// are copied into the arena; its code is shared.
func (v *VM) Load(p *compile.Program) Value {
	if len(v.progs) >= maxPrograms || len(p.Protos) > 1<<16 {
		panic("squirrel: too many programs or functions")
	}
	vec := v.alloc(tagVector, uint32(1+len(p.Strings)))
	prog := uint32(len(v.progs))
	v.progs = append(v.progs, load(p, vec))
	for i, s := range p.Strings {
		k := v.NewString(s)
		*v.at(vec + 1 + uint32(i)) = k
	}
	return v.newClosure(prog<<16, Null)
}

// Start enters fn at the next Run. The VM must be idle.
func (v *VM) Start(fn, this Value, args ...Value) {
	if v.run != idle {
		panic("squirrel: Start on a VM that is not idle")
	}
	v.run = running
	v.err = nil
	v.result = Null
	v.exc = Null
	v.enterHost(fn, this, args)
}

// Result returns what the function returned, after Done.
func (v *VM) Result() Value { return v.result }

// Err returns the uncaught exception, after Failed.
func (v *VM) Err() *Error { return v.err }

// Idle reports whether nothing is running.
func (v *VM) Idle() bool { return v.run == idle }

// Suspended reports whether a native waits for Resume.
func (v *VM) Suspended() bool { return v.run == suspended }

// Abort drops the running function.
func (v *VM) Abort() {
	if v.run != broken {
		v.run = idle
	}
	v.reentry, v.resumed = false, resumedNot
	v.frame = 0
	v.pc = 0
	v.exc = Null
}

// Root returns the root table.
func (v *VM) Root() Value { return v.root }

// Registry returns a table that programs cannot reach, for values that the host must keep
// from one Run to the next.
func (v *VM) Registry() Value { return v.registry }

// SetHost sets the result of Host for natives. It is not part of a snapshot.
func (v *VM) SetHost(h any) { v.host = h }

// Host returns the value of SetHost.
func (v *VM) Host() any { return v.host }

// SetClock sets the clock that time(), date() and clock() read: seconds since
// 1970 and microseconds.
func (v *VM) SetClock(now func() (sec, usec int64)) { v.clock = now }

// SetThrown sets the function that is called at each exception, before the stack is unwound. It
// may use Stack and SourceLine, and must not change the VM.
func (v *VM) SetThrown(thrown func()) { v.thrown = thrown }

// Thrown returns the text of the exception that is being thrown, in SetThrown's function.
func (v *VM) Thrown() string { return string(v.appendText(nil, v.exc)) }

// SetCounter sets another clock for clock(), which counts the time that passes: one that
// does not step. It may begin at any time.
func (v *VM) SetCounter(now func() (sec, usec int64)) { v.count = now }

// SetOutput sets the function that gets the output of print() and error().
func (v *VM) SetOutput(out func(b []byte, isErr bool)) { v.out = out }

// MemoryUsed returns the bytes in use, with garbage not yet collected.
func (v *VM) MemoryUsed() int { return int(v.top-v.perm) * 8 }

// MemoryLimit returns the limit in bytes.
func (v *VM) MemoryLimit() int { return int(v.limit) * 8 }

// MemoryFree returns how many bytes are left below the limit.
func (v *VM) MemoryFree() int { return max(0, v.MemoryLimit()-v.MemoryUsed()) }

// Footprint returns the bytes of the arena, used or not.
func (v *VM) Footprint() int { return cap(v.w) * 8 }

// FuelUsed returns the CPU units used since the VM was made.
func (v *VM) FuelUsed() int64 {
	if !v.inLoop {
		v.settle()
	}
	return v.used
}

// stackAt returns register i of the stack.
func (v *VM) stackAt(i uint32) Value { return *v.at(v.stack + 1 + i) }

func (v *VM) stackRef(i uint32) *Value { return v.at(v.stack + 1 + i) }

func (v *VM) stackSize() uint32 { return v.size(v.stack) - 1 }

// newStack makes the first stack.
func (v *VM) newStack(n uint32) { v.stack = v.alloc(tagVector, 1+n) }

// stackSlack is the number of words that every frame may use after its first register
// without asking: a whole register window, and a frame for a native above it.
const stackSlack = 256 + nativeLocals + 16

// needStack makes sure that the stack has n registers and the slack after them. It reports
// whether that is possible.
func (v *VM) needStack(n uint32) bool {
	size := v.stackSize()
	if n+stackSlack <= size {
		return true
	}
	if n+stackSlack > v.maxStack() {
		return false
	}
	grown := v.alloc(tagVector, 1+min(v.maxStack(), max(n+stackSlack, size+size/2)))
	copy(v.w[grown+1:], v.w[v.stack+1:v.stack+1+size])
	v.stack = grown
	return true
}

// maxStack leaves most of the memory to objects, so that endless recursion
// ends in an error that can be caught.
func (v *VM) maxStack() uint32 { return min(maxStack, max(v.limit/4, 2048)) }

// How the host ended the native call that suspended the VM.
const (
	resumedNot uint8 = iota
	resumedValue
	resumedThrow
	resumedStart // a call of the host's, not yet begun
)
