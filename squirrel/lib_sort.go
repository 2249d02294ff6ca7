package squirrel

// sorter is how far a sort has come: the heap sort of 3.0.4, whose order of
// equal elements programs can see. The children of element i are 2i and 2i+1,
// those of element 0 too. First every element from the middle down is sifted
// into the heap; then the largest is swapped to the end, over and over.
type sorter struct {
	c        *Call
	e        []Value // the elements; they alias the arena
	n        int
	next     int // element to sift when building, else the last one of the heap
	root     int
	bottom   int
	child    int
	step     sortStep
	building bool
	answer   int // of a comparison that was called for
	answered bool
}

type sortStep int

const (
	stepNext sortStep = iota // choose what to sift
	stepPick                 // choose the larger child
	stepSift                 // compare with it
)

// Locals of sort.
const (
	sortNext = iota
	sortRoot
	sortBottom
	sortChild
	sortStage // step, and whether the heap is being built
	sortCount
)

// The states of sort: what a call was for.
const (
	sortStart = iota
	sortCompared
	sortMetamethod
)

func arraySort(c *Call) (Value, error) {
	if !c.This().isArray() {
		return c.damaged()
	}
	s := sorter{c: c, e: c.v.elements(c.This().off())}
	if c.State() == sortStart {
		if len(s.e) < 2 {
			return Null, nil
		}
		s.n, s.next, s.building = len(s.e), len(s.e)/2, true
		return s.run()
	}
	s.load()
	if s.root < 0 || s.root > s.bottom || s.child < 0 || s.child > s.bottom || s.bottom >= s.n || s.next >= s.n ||
		s.step == stepPick && s.child == s.bottom || s.step != stepPick && s.step != stepSift {
		return c.damaged()
	}
	if len(s.e) < s.n {
		return c.throwString("the array became shorter while it was sorted")
	}
	x := c.Result()
	switch {
	case c.State() == sortMetamethod && !x.isInt():
		return c.throwString("_cmp must return an integer")
	case !x.isNumber():
		return c.throwString("numeric value expected as return value of the compare function")
	}
	s.answer, s.answered = int(x.AsInt()), true
	return s.run()
}

// load takes up what save has kept.
func (s *sorter) load() {
	local := func(i int) int { return int(s.c.Local(i).AsInt()) }
	s.next, s.root, s.bottom, s.child, s.n = local(sortNext), local(sortRoot), local(sortBottom), local(sortChild), local(sortCount)
	s.step, s.building = sortStep(local(sortStage)&3), local(sortStage)&4 != 0
}

func (s *sorter) save() {
	stage := int(s.step)
	if s.building {
		stage |= 4
	}
	for i, n := range [...]int{sortNext: s.next, sortRoot: s.root, sortBottom: s.bottom, sortChild: s.child, sortStage: stage, sortCount: s.n} {
		s.c.SetLocal(i, Int(int32(n)))
	}
}

func (s *sorter) run() (Value, error) {
	for {
		switch s.step {
		case stepNext:
			if !s.choose() {
				return Null, nil
			}
		case stepPick:
			if !s.answered {
				s.child = 2 * s.root
				if s.child > s.bottom {
					s.step = stepNext
					continue
				}
				if s.child == s.bottom {
					s.step = stepSift
					continue
				}
			}
			order, ok, err := s.compare(s.child, s.child+1)
			if !ok {
				return Null, err
			}
			if order <= 0 {
				s.child++
			}
			s.step = stepSift
		case stepSift:
			order, ok, err := s.compare(s.root, s.child)
			if !ok {
				return Null, err
			}
			if order >= 0 {
				s.step = stepNext
				continue
			}
			if s.root == s.child {
				return s.c.throwString("inconsistent compare function")
			}
			s.e[s.root], s.e[s.child] = s.e[s.child], s.e[s.root]
			s.root, s.step = s.child, stepPick
		}
	}
}

// choose sets what is to be sifted next, and reports false when all is sorted.
func (s *sorter) choose() bool {
	s.step = stepPick
	if s.building && s.next >= 0 {
		s.root, s.bottom = s.next, s.n-1
		s.next--
		return true
	}
	if s.building {
		s.building, s.next = false, s.n-1
	}
	if s.next < 1 {
		return false
	}
	s.e[0], s.e[s.next] = s.e[s.next], s.e[0]
	s.root, s.bottom = 0, s.next-1
	s.next--
	return true
}

// compare orders elements i and j. When that takes a call, ok is false and the
// sort goes on when the call has returned; so it is when an error is thrown.
func (s *sorter) compare(i, j int) (order int, ok bool, err error) {
	if s.answered {
		s.answered = false
		return s.answer, true, nil
	}
	c := s.c
	a, b := s.e[i], s.e[j]
	if c.NArgs() > 0 {
		s.save()
		_, err = c.CallThen(sortCompared, c.Arg(1), c.v.root, a, b)
		return 0, false, err
	}
	c.Charge(1)
	order, how := c.v.compare(a, b)
	switch how {
	case byMetamethod:
		s.save()
		_, err = c.CallThen(sortMetamethod, c.v.metamethod(a, metaCmp), a, b)
		return 0, false, err
	case incomparable:
		_, err = c.throwString(c.v.compareError(a, b))
		return 0, false, err
	}
	return order, true, nil
}
