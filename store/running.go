package store

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-iot/tandem"
)

// DefaultShards is how many shards there are, unless the database says
// otherwise.
const DefaultShards = 4096

// ShardOf returns the shard of an agent, of count.
func ShardOf(id tandem.AgentID, count int) int {
	const offset, prime = 2166136261, 16777619 // FNV-1a; its answers are in the database
	h := uint32(offset)
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * prime
	}
	return int(h % uint32(count))
}

// Shards returns how many shards there are.
func (s *Store) Shards() int { return s.shards }

// Running returns the agents that run, or would if their node did, in their
// order.
func (s *Store) Running(ctx context.Context) ([]tandem.AgentID, error) {
	return s.running(ctx, "")
}

// manyShards is where it is better to read all agents than to name the shards.
const manyShards = 500

// RunningIn returns those of Running that are in some shards.
func (s *Store) RunningIn(ctx context.Context, shards []int) ([]tandem.AgentID, error) {
	if len(shards) == 0 {
		return nil, nil
	}
	filter := ""
	if len(shards) < manyShards {
		var list strings.Builder
		for i, shard := range shards {
			if i > 0 {
				list.WriteString(", ")
			}
			list.WriteString(strconv.Itoa(shard))
		}
		filter = " AND (shard IS NULL OR shard IN (" + list.String() + "))"
	}
	wanted := map[int]bool{}
	for _, shard := range shards {
		wanted[shard] = true
	}
	ids, err := s.running(ctx, filter)
	return slices.DeleteFunc(ids, func(id tandem.AgentID) bool { return !wanted[ShardOf(id, s.shards)] }), err
}

func (s *Store) running(ctx context.Context, filter string) (ids []tandem.AgentID, err error) {
	ctx, cancel := s.read.bounded(ctx)
	defer cancel()
	rows, err := s.read.queryOnce(ctx, "SELECT agent FROM agents WHERE running"+filter+" ORDER BY agent")
	if err != nil {
		return nil, s.describe(err)
	}
	defer rows.Close() // Err tells
	for rows.Next() {
		var id tandem.AgentID
		if err := rows.Scan(&id); err != nil {
			return nil, s.describe(err)
		}
		ids = append(ids, id)
	}
	return ids, s.describe(rows.Err())
}
