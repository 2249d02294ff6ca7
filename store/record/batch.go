package record

// MaxBatch limits the writes in one transaction of a node, and so the time that
// the first of them waits for the last.
const MaxBatch = 512

// Batch returns how many of the waiting writes, from the first on, share the next
// transaction. A write for which alone returns true has a transaction of its
// own, so that all writes before it are durable before it begins.
func Batch(waiting int, alone func(i int) bool) int {
	waiting = min(waiting, MaxBatch)
	for i := range waiting {
		if alone(i) {
			return max(i, 1)
		}
	}
	return waiting
}
