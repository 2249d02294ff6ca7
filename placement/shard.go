package placement

import "github.com/tandem-iot/tandem"

// DefaultShards is the number of shards of a new cluster.
const DefaultShards = 4096

// ShardOf returns the shard of an agent, out of count. Databases store its results, so
// they must never change.
func ShardOf(id tandem.AgentID, count int) int {
	const offset, prime = 2166136261, 16777619 // FNV-1a
	h := uint32(offset)
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * prime
	}
	return int(h % uint32(count))
}
