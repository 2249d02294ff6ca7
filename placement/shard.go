package placement

import "github.com/tandem-iot/tandem"

// DefaultShards is how many shards a new cluster has.
const DefaultShards = 4096

// ShardOf returns the shard of an agent, of count. Its answers are stored in
// databases, so they never change.
func ShardOf(id tandem.AgentID, count int) int {
	const offset, prime = 2166136261, 16777619 // FNV-1a
	h := uint32(offset)
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * prime
	}
	return int(h % uint32(count))
}
