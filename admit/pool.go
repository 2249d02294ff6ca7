package admit

import (
	"container/list"
	"sync"
	"sync/atomic"
)

// Pool shares units of something scarce, such as connections or bytes of memory, among
// keys, such as addresses or agents. No key gets more than its limit, and all together
// not more than the total.
//
// When there is no room, holders that wait for their client give way, those that have
// waited longest first: of the same key when its limit is reached, of all keys when the
// total is. So a client that holds much and sends nothing only hurts itself. Holders
// that work never give way. The order is that of a clock: a
// holder that has worked since the clock passed it gets another round. Therefore
// working and waiting need no lock.
type Pool[K comparable] struct {
	total, each int64
	gaveWay     atomic.Int64
	refused     atomic.Int64
	roll[K]
}

// roll has the holders of a pool, under its lock.
type roll[K comparable] struct {
	mu   sync.Mutex
	held int64
	of   map[K]*portion[K] // has no empty ones
	all  list.List         // of *Holder[K]

	sheds uint64 // how often Shed was called
}

// portion is what a key has.
type portion[K comparable] struct {
	held    int64
	holders list.List // of *Holder[K]
}

// NewPool returns a pool of total units, of which a key may have up to each.
func NewPool[K comparable](total, each int64) *Pool[K] {
	return &Pool[K]{total: total, each: min(each, total), roll: roll[K]{of: map[K]*portion[K]{}}}
}

// Holder has units of a pool. A new one waits. Its methods may be called concurrently.
type Holder[K comparable] struct {
	pool    *Pool[K]
	key     K
	giveWay func()
	working atomic.Int32 // what it does at the moment; 0: it waits
	used    atomic.Bool  // it has worked since the clock passed it

	// Under the lock of the pool:
	units      int64
	entered    uint64 // the pool's sheds when it entered
	known      bool
	gone       bool
	inAll, own *list.Element
}

// maxScan bounds the steps of the clock, because all holders may be at work.
const maxScan = 64

// Enter gives a key n units. It returns nil when there are none. giveWay is called at
// most once, on another holder's goroutine, when this holder has lost its units; it must
// end what the units are for, without waiting.
func (p *Pool[K]) Enter(key K, n int64, giveWay func()) *Holder[K] {
	h := &Holder[K]{pool: p, key: key, giveWay: giveWay}
	p.mu.Lock()
	own := p.of[key]
	if own == nil {
		own = &portion[K]{}
		p.of[key] = own
	}
	h.entered = p.sheds
	h.own = own.holders.PushBack(h)
	h.inAll = p.all.PushBack(h)
	lost, ok := p.grow(h, n)
	if !ok {
		p.remove(h)
	}
	p.mu.Unlock()
	end(lost)
	if !ok {
		return nil
	}
	return h
}

// Grow gives the holder n more units. It returns false when there are none, or when the
// holder has lost those it had.
func (h *Holder[K]) Grow(n int64) bool {
	h.pool.mu.Lock()
	lost, ok := h.pool.grow(h, n)
	h.pool.mu.Unlock()
	end(lost)
	return ok
}

// Shrink gives back n units.
func (h *Holder[K]) Shrink(n int64) {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if !h.gone {
		h.pool.add(h, -n)
	}
}

// Works says that the holder is doing something, until Waits is called as often.
func (h *Holder[K]) Works() { h.working.Add(1) }

// Waits says that the holder waits for its client again.
func (h *Holder[K]) Waits() {
	h.used.Store(true)
	h.working.Add(-1)
}

// Know says that the client has logged in. From now on the holder counts for the total
// only, and not for its key.
func (h *Holder[K]) Know() {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if !h.gone && !h.known {
		h.pool.disown(h)
		h.known = true
	}
}

// Leave gives back all units. It may be called more than once.
func (h *Holder[K]) Leave() {
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	h.pool.remove(h)
}

// Shed takes the units of up to n holders that wait, the oldest first, and returns of how
// many. Those that have entered or worked since the last Shed are left alone.
func (p *Pool[K]) Shed(n int) int {
	var lost []*Holder[K]
	p.mu.Lock()
	for e := p.all.Front(); e != nil && len(lost) < n; {
		v := e.Value.(*Holder[K])
		e = e.Next()
		if !v.used.Swap(false) && v.working.Load() == 0 && v.entered != p.sheds {
			p.remove(v)
			lost = append(lost, v)
		}
	}
	p.sheds++
	p.mu.Unlock()
	p.gaveWay.Add(int64(len(lost)))
	end(lost)
	return len(lost)
}

// Held returns how many units are in use.
func (p *Pool[K]) Held() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// Over returns how often a holder gave way or got nothing.
func (p *Pool[K]) Over() int64 { return p.gaveWay.Load() + p.refused.Load() }

// grow gives h n units if there are as many, and returns the holders that have lost
// theirs for it. The lock is held.
func (p *Pool[K]) grow(h *Holder[K], n int64) (lost []*Holder[K], ok bool) {
	if h.gone {
		return nil, false
	}
	room := func(of *list.List, enough func() bool) bool {
		for !enough() {
			v := p.victim(of, h)
			if v == nil {
				return false
			}
			p.remove(v)
			lost = append(lost, v)
		}
		return true
	}
	own := p.of[h.key]
	ok = h.known || room(&own.holders, func() bool { return own.held+n <= p.each })
	ok = ok && room(&p.all, func() bool { return p.held+n <= p.total })
	p.gaveWay.Add(int64(len(lost)))
	if !ok {
		p.refused.Add(1)
		return lost, false
	}
	p.add(h, n)
	return lost, true
}

// victim returns the holder of a list that has waited longest, nil if none is found. It
// is not h. The lock is held.
func (p *Pool[K]) victim(of *list.List, h *Holder[K]) *Holder[K] {
	for range min(2*of.Len(), maxScan) {
		e := of.Front()
		v := e.Value.(*Holder[K])
		if v != h && v.working.Load() == 0 && !v.used.Swap(false) {
			return v
		}
		of.MoveToBack(e)
	}
	return nil
}

// add gives h n units, which may be less than 0. The lock is held.
func (p *Pool[K]) add(h *Holder[K], n int64) {
	h.units += n
	p.held += n
	if !h.known {
		p.of[h.key].held += n
	}
}

// remove takes all units of h. The lock is held.
func (p *Pool[K]) remove(h *Holder[K]) {
	if h.gone {
		return
	}
	if !h.known {
		p.disown(h)
	}
	p.held -= h.units
	h.units = 0
	p.all.Remove(h.inAll)
	h.gone = true
}

// disown takes h from its key. The lock is held.
func (p *Pool[K]) disown(h *Holder[K]) {
	own := p.of[h.key]
	own.held -= h.units
	own.holders.Remove(h.own)
	if own.holders.Len() == 0 {
		delete(p.of, h.key)
	}
}

// end tells holders that they have lost their units.
func end[K comparable](lost []*Holder[K]) {
	for _, h := range lost {
		h.giveWay()
	}
}
