package placement

// How a node judges its own load, which is the part of its processors that it
// uses. Between the two margins nothing changes, so that no shard goes back and
// forth.
const (
	busy      = 0.5  // below that nobody waits for a processor
	above     = 0.15 // more than the others by so much is too much
	below     = 0.05
	less      = 0.9 // by which the weight changes, at most once in a while
	more      = 1.05
	leastPart = 0.25
)

// Weigh returns the part of its weight that a node is to claim from now on, given
// the part it claims, its own load and the mean of all nodes that can have
// shards. A node whose agents happen to be the busy ones claims less, and so has
// others take some of them; when that is over it claims more again, bit by bit.
// It is to be asked no more often than moves take to show in the load.
func Weigh(part, load, mean float64) float64 {
	switch {
	case load > busy && load > mean+above:
		return max(leastPart, part*less)
	case part < 1 && load < mean-below:
		return min(1, part*more)
	}
	return part
}
