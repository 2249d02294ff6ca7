package squirrel

import (
	"math/bits"
	"slices"
	"unsafe"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// sorter is the progress of a sort: the heap sort of 3.0.4, whose order of equal elements
// programs can see. The children of element i are 2i and 2i+1, also those of element 0.
// First every element from the middle down is sifted into the heap; then the largest is
// swapped to the end, again and again. Between two steps it is at a comparison.
type sorter struct {
	e        []Value // the elements; they alias the arena
	n        int
	next     int // element to sift when building, else the last one of the heap
	root     int
	child    int
	building bool
	picking  bool // comparing the two children, else the root and the larger one
}

// Locals of sort.
const (
	sortNext = iota
	sortRoot
	sortChild
	sortStage // 1 building, 2 picking
	sortCount
)

// States of sort: the purpose of a call.
const (
	sortStart = iota
	sortCompared
	sortMetamethod
)

const inconsistent = "inconsistent compare function"

func arraySort(c *Call) (Value, error) {
	if !c.This().isArray() {
		return c.damaged()
	}
	s := sorter{e: c.v.viewElements(c.This().off())}
	if c.State() == sortStart {
		s.n = len(s.e)
		if s.n < 2 {
			return Null, nil
		}
		if c.NArgs() == 0 && allIntegers(s.e) {
			if err := c.Charge(s.n * bits.Len(uint(s.n))); err != nil {
				return Null, err
			}
			sortIntegers(s.e)
			return Null, nil
		}
		if err := c.Charge(s.n >> 3); err != nil {
			return Null, err
		}
		c.v.touch(s.n)
		s.begin()
		return s.run(c)
	}
	if !s.load(c.v.window(c.base), c.n) {
		if len(s.e) < s.n {
			return c.throwString("the array became shorter while it was sorted")
		}
		return c.damaged()
	}
	x := c.Result()
	switch {
	case c.State() == sortMetamethod && !x.isInt():
		return c.throwString("_cmp must return an integer")
	case !x.isNumber():
		return c.throwString("numeric value expected as return value of the compare function")
	}
	more, ok := s.answer(int(x.AsInt()))
	if !ok {
		return c.throwString(inconsistent)
	}
	if !more {
		return Null, nil
	}
	return s.run(c)
}

// sortIntegers sorts an array of integers alone, for which the algorithm makes no visible
// difference.
func sortIntegers(e []Value) {
	const sign = 1 << 31 // with this bit inverted, the words are in the order of the numbers
	for i := range e {
		e[i] ^= sign
	}
	slices.Sort(e)
	for i := range e {
		e[i] ^= sign
	}
}

func allIntegers(e []Value) bool {
	return !slices.ContainsFunc(e, func(x Value) bool { return !x.isInt() })
}

// load restores the state that keep saved in a frame after n arguments. It reports whether
// the state is valid for the array.
func (s *sorter) load(frame unsafe.Pointer, n int) bool {
	local := func(i int) int { return int(int32(*word(frame, n+i))) }
	s.next = local(sortNext)
	s.root = local(sortRoot)
	s.child = local(sortChild)
	s.n = local(sortCount)
	stage := local(sortStage)
	s.building, s.picking = stage&1 != 0, stage&2 != 0
	last := s.child
	if s.picking {
		last++
	}
	return s.n <= len(s.e) && s.next < s.n && s.next >= -1 && s.root >= 0 && s.child >= 0 &&
		s.root <= s.bottom() && last <= s.bottom()
}

func (s *sorter) save(frame unsafe.Pointer, n int) {
	*word(frame, n+sortNext) = Int(int32(s.next))
	*word(frame, n+sortRoot) = Int(int32(s.root))
	*word(frame, n+sortChild) = Int(int32(s.child))
	stage := Int(0)
	if s.building {
		stage |= 1
	}
	if s.picking {
		stage |= 2
	}
	*word(frame, n+sortStage) = stage
	*word(frame, n+sortCount) = Int(int32(s.n))
}

// bottom returns the last element that is sifted.
func (s *sorter) bottom() int {
	if s.building {
		return s.n - 1
	}
	return s.next
}

func (s *sorter) begin() {
	s.building, s.next = true, s.n/2
	s.choose()
	s.descend()
}

// run continues to the end, or to a comparison that needs a call.
func (s *sorter) run(c *Call) (Value, error) {
	for {
		a, b := s.pair()
		if c.NArgs() > 0 {
			s.keep(c)
			return c.CallThen(sortCompared, c.Arg(1), c.v.root, a, b)
		}
		if err := c.Charge(1); err != nil {
			return Null, err
		}
		order, how := c.v.compare(a, b)
		switch how {
		case byMetamethod:
			s.keep(c)
			return c.CallThen(sortMetamethod, c.v.metamethod(a, metaCmp), a, b)
		case incomparable:
			return c.throwString(c.v.compareError(a, b))
		}
		more, ok := s.answer(order)
		if !ok {
			return c.throwString(inconsistent)
		}
		if !more {
			return Null, nil
		}
	}
}

// keep saves the state to the locals of a call.
func (s *sorter) keep(c *Call) {
	if c.fresh {
		c.clearLocals()
	}
	s.save(c.v.window(c.base), c.n)
}

// pair returns the elements to compare.
func (s *sorter) pair() (a, b Value) {
	if s.picking {
		return s.e[s.child], s.e[s.child+1]
	}
	return s.e[s.root], s.e[s.child]
}

// answer takes the result of the comparison. more reports whether there is another, ok
// whether the results are consistent.
func (s *sorter) answer(order int) (more, ok bool) {
	if s.picking {
		if order <= 0 {
			s.child++
		}
		s.picking = false
		return true, true
	}
	if order >= 0 {
		return s.choose() && s.descend(), true
	}
	if s.root == s.child {
		return false, false
	}
	s.e[s.root], s.e[s.child] = s.e[s.child], s.e[s.root]
	s.root = s.child
	return s.descend(), true
}

// descend continues below the root, or with another root when there is nothing below. It
// returns false when everything is sorted.
func (s *sorter) descend() bool {
	for {
		s.child = 2 * s.root
		if bottom := s.bottom(); s.child <= bottom {
			s.picking = s.child < bottom
			return true
		}
		if !s.choose() {
			return false
		}
	}
}

// choose sets the element to sift next, and returns false when everything is sorted.
func (s *sorter) choose() bool {
	if s.building {
		if s.next >= 0 {
			s.root = s.next
			s.next--
			return true
		}
		s.building, s.next = false, s.n-1
	}
	if s.next < 1 {
		return false
	}
	s.e[0], s.e[s.next] = s.e[s.next], s.e[0]
	s.root = 0
	s.next--
	return true
}

// sortReturn handles that a compare function returns x to the sort in frame f. It is the
// same as entering the native again, without the work that other natives need. ok is
// false where that work must be done after all.
func (v *VM) sortReturn(f uint32, x Value) (out outcome, ok bool) {
	const n = 2 // the array and the function
	frame := v.window(f)
	array, fn := *word(frame, 0), *word(frame, 1)
	if contArgs(*word(frame, -hdrCont)) != n || !array.isArray() || !fn.isClosure() || !x.isNumber() {
		return 0, false
	}
	s := sorter{e: v.viewElements(array.off())}
	if !s.load(frame, n) {
		return 0, false
	}
	v.frame, v.pc = f, 0
	more, ok := s.answer(int(x.AsInt()))
	if !ok {
		return v.throwf(inconsistent), true
	}
	if !more {
		return v.deliver(f, Null), true
	}
	s.save(frame, n)
	const up = n + nativeLocals + compile.FrameSize
	callee := unsafe.Add(frame, up*8)
	*word(callee, -hdrFunc) = fn
	*word(callee, -hdrRet) = retWord(f, 0)
	*word(callee, -hdrCont) = contWord(contNative, sortCompared)
	*word(callee, -hdrA) = Null
	*word(callee, -hdrB) = Null
	*word(callee, 0) = v.root
	*word(callee, 1), *word(callee, 2) = s.pair()
	return v.enterClosure(f+up, 3), true
}
