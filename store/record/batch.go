package record

// MaxBatch bounds the writes in one transaction of a node, and with it how long
// the first of them waits for the last.
const MaxBatch = 512

// Batch returns how many of the writes that wait, in their order, share the next
// transaction. One that alone reports has a transaction of its own, so that
// all before it are durable before it begins.
func Batch(waiting int, alone func(i int) bool) int {
	waiting = min(waiting, MaxBatch)
	for i := range waiting {
		if alone(i) {
			return max(i, 1)
		}
	}
	return waiting
}
