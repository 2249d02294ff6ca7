package central

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// defaultRate is how many requests an account can make in each second.
const defaultRate = 200

// rates counts the requests of accounts in the current second.
type rates struct {
	mu     sync.Mutex
	second int64
	used   map[string]int
}

// take counts a request. left is negative when the account has none left.
func (r *rates) take(now time.Time, account string, limit int) (left int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := now.Unix(); s != r.second {
		r.second, r.used = s, map[string]int{}
	}
	if r.used[account] >= limit {
		return -1
	}
	r.used[account]++
	return limit - r.used[account]
}

// overRate is the error of an account that makes too many requests.
type overRate struct{ limit int }

func (e *overRate) Error() string {
	return "more than " + strconv.Itoa(e.limit) + " requests in a second: try again in 1 s"
}

// pace counts the request for its account, and says in the answer how many are left.
func (c *call) pace() error {
	limit := defaultRate
	if c.Rate > 0 {
		limit = c.Rate
	}
	left := c.rates.take(time.Now(), c.account.ID, limit)
	h := c.w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(left, 0)))
	h.Set("X-RateLimit-Reset", "1")
	if left < 0 {
		return &overRate{limit}
	}
	return nil
}

func (c *call) failOverRate(e *overRate) {
	c.w.Header().Set("Retry-After", "1")
	c.failWith(http.StatusTooManyRequests, failure{
		"429", "RX002", "Rate Limit Exceeded", e.Error(), []struct{}{{}},
	})
}
