package placement

// Constants by which a node judges its own load, which is the used fraction of its
// processors. Between the margins above and below the weight does not change, so
// that shards do not move back and forth.
const (
	busy      = 0.5  // below this load no agent waits for a processor
	above     = 0.15 // margin over the mean from which the load is too high
	below     = 0.05
	less      = 0.9 // factors by which the weight changes in one step
	more      = 1.05
	leastPart = 0.25
)

// Weigh returns the fraction of its weight that a node should claim, given the
// fraction that it claims now, its own load, and the mean load of all nodes that can
// have shards. A node whose agents are busier than others claims less, so that other
// nodes take some of its shards. When its load has fallen it claims more again, step
// by step. It must not be called more often than moves take to show in the load.
func Weigh(part, load, mean float64) float64 {
	switch {
	case load > busy && load > mean+above:
		return max(leastPart, part*less)
	case part < 1 && load < mean-below:
		return min(1, part*more)
	}
	return part
}
