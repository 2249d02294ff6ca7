package admit

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestQueueFair: a key with many users delays only itself.
func TestQueueFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue[string](16, 8)
		ctx, cancel := context.WithCancel(t.Context())
		served := map[string]chan int64{}
		take := func(key string, n int64, users int) {
			if served[key] == nil {
				served[key] = make(chan int64, 100)
			}
			for range users {
				go func() {
					if n, err := q.Take(ctx, key, n); err == nil {
						served[key] <- n
					}
				}()
			}
			synctest.Wait()
		}
		take("a", 1, 40)
		take("b", 1, 40)
		if len(served["a"]) != 8 || len(served["b"]) != 4 || q.Held() != 12 {
			t.Errorf("a has %d, b %d", len(served["a"]), len(served["b"]))
		}
		take("c", 4, 1)
		if len(served["c"]) != 1 || q.Held() != 16 {
			t.Error("a third key waits")
		}
		take("d", 2, 1)
		if len(served["d"]) != 0 {
			t.Error("there is room for a fourth one")
		}
		q.Give("a", 1)
		synctest.Wait()
		if len(served["d"]) != 0 || q.Held() != 15 {
			t.Error("a smaller user was served before the next one")
		}
		q.Give("b", 1)
		synctest.Wait()
		if len(served["d"]) != 1 || q.Held() != 16 {
			t.Error("the fourth key waits still")
		}
		cancel()
		synctest.Wait()
		q.Give("a", 7)
		q.Give("b", 3)
		q.Give("c", 4)
		q.Give("d", 2)
		if q.Held() != 0 || len(q.of) != 0 || len(q.waiting) != 0 || q.Waited() != 40+40-12+1 {
			t.Errorf("left: %d, %v, %d; %d waited", q.Held(), q.of, len(q.waiting), q.Waited())
		}
	})
}

// TestQueueMost: a user gets at most what a key may have, so that all are served one day.
func TestQueueMost(t *testing.T) {
	q := NewQueue[string](100, 10)
	if n, err := q.Take(t.Context(), "a", 1000); n != 10 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestQueueLeaves: who gives up leaves no gap.
func TestQueueLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue[string](10, 10)
		if _, err := q.Take(t.Context(), "a", 10); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.Take(ctx, "b", 10); err == nil {
			t.Error("there are more units than there are")
		}
		q.Give("a", 10)
		if n, err := q.Take(t.Context(), "c", 10); n != 10 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}
