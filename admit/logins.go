package admit

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"
)

// Attempt is an attempt to log in.
type Attempt struct {
	Source Source
	// Identity is the device or account. With "" the secret itself says who it is, and only
	// the source has an allowance.
	Identity string
	Secret   string
}

// Logins slows down those who guess secrets. It is a core: the caller asks Delay, checks
// the secret when that is 0, and reports how it went. The zero value is ready to use.
//
// Failures have two allowances: one for an identity from a source, and a larger one for
// the source, because the devices and users of a company share an address. A source that
// has used up one of them waits, whatever the secret is. Two never wait for others:
//
//   - An attempt from another source. An identity is not locked by those who guess from
//     elsewhere.
//   - An attempt with the secret that has succeeded from the source before. A neighbour
//     who guesses does not lock out those who are at work.
type Logins struct {
	slowed atomic.Int64
	failed Tally
	memory
}

// memory is what Logins remembers, under its lock.
type memory struct {
	mu      sync.Mutex
	sources bounded[Source, allowance]
	pairs   bounded[[sha256.Size]byte, allowance]
	good    bounded[[sha256.Size]byte, time.Time] // secrets that have succeeded, and when
}

// allowance is the time at which a key has paid for its failures. A time in the past is
// a full allowance.
type allowance time.Time

// Each failure costs its interval, and as many as burst may be on credit.
const (
	pairInterval   = 15 * time.Second
	pairBurst      = 5
	sourceInterval = time.Second
	sourceBurst    = 60
	goodFor        = 12 * time.Hour
)

// Delay returns how long the client has to wait before it may try; 0: now.
func (l *Logins) Delay(now time.Time, a Attempt) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	bySource, slow := l.sources.get(a.Source)
	var byPair allowance
	slowPair := false
	if a.Identity != "" {
		byPair, slowPair = l.pairs.get(a.pair())
	}
	if !slow && !slowPair {
		return 0
	}
	if at, ok := l.good.get(a.hash()); ok && now.Sub(at) < goodFor {
		return 0
	}
	wait := max(
		bySource.wait(now, sourceInterval, sourceBurst), byPair.wait(now, pairInterval, pairBurst))
	if wait > 0 {
		l.slowed.Add(1)
	}
	return wait
}

// Failed says that the secret was wrong.
func (l *Logins) Failed(now time.Time, a Attempt) {
	l.failed.Add(a.Source)
	l.mu.Lock()
	defer l.mu.Unlock()
	bySource, _ := l.sources.get(a.Source)
	l.sources.set(a.Source, bySource.spend(now, sourceInterval))
	if a.Identity != "" {
		byPair, _ := l.pairs.get(a.pair())
		l.pairs.set(a.pair(), byPair.spend(now, pairInterval))
	}
}

// Succeeded says that the secret was right.
func (l *Logins) Succeeded(now time.Time, a Attempt) {
	key := a.hash()
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.good.get(key); !ok || now.Sub(at) > goodFor/2 {
		l.good.set(key, now)
	}
}

// Failures returns the failures since the last call.
func (l *Logins) Failures(now time.Time) Count { return l.failed.Take(now) }

// Slowed returns how many attempts had to wait.
func (l *Logins) Slowed() int64 { return l.slowed.Load() }

// pair identifies the source and identity.
func (a Attempt) pair() [sha256.Size]byte {
	return sha256.Sum256([]byte(a.Source.String() + "\x00" + a.Identity))
}

// hash identifies the whole attempt. The secret cannot be found from it, nor by a client
// that sees how long a look-up takes.
func (a Attempt) hash() [sha256.Size]byte {
	return sha256.Sum256([]byte(a.Source.String() + "\x00" + a.Identity + "\x00" + a.Secret))
}

func (a allowance) wait(now time.Time, interval time.Duration, burst int) time.Duration {
	if time.Time(a).Before(now) {
		return 0
	}
	return max(0, time.Time(a).Sub(now)-interval*time.Duration(burst-1))
}

func (a allowance) spend(now time.Time, interval time.Duration) allowance {
	from := time.Time(a)
	if from.Before(now) {
		from = now
	}
	return allowance(from.Add(interval))
}

// bounded is a map that forgets what has not been set for long when it gets too large.
// The zero value is ready to use.
type bounded[K comparable, V any] struct{ young, old map[K]V }

// boundedHalf is how many keys each of the maps may have: 64 bytes each, or so.
const boundedHalf = 1 << 14

func (b *bounded[K, V]) get(k K) (V, bool) {
	v, ok := b.young[k]
	if !ok {
		v, ok = b.old[k]
	}
	return v, ok
}

func (b *bounded[K, V]) set(k K, v V) {
	if b.young == nil || len(b.young) >= boundedHalf {
		b.old = b.young
		b.young = map[K]V{}
	}
	b.young[k] = v
	delete(b.old, k)
}
