package store

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/placement"
)

// Shards returns how many shards there are.
func (s *Store) Shards() int { return s.shards }

// Running returns the agents that run, or will run when their node starts,
// ordered by id.
func (s *Store) Running(ctx context.Context) ([]tandem.AgentID, error) {
	return s.running(ctx, "")
}

// manyShards is the number of shards from which reading all agents is faster than
// naming the shards in the query.
const manyShards = 500

// RunningIn returns the agents of Running that belong to the given shards.
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
	return slices.DeleteFunc(ids, func(id tandem.AgentID) bool { return !wanted[placement.ShardOf(id, s.shards)] }), err
}

func (s *Store) running(ctx context.Context, filter string) (ids []tandem.AgentID, err error) {
	ctx, cancel := s.read.bounded(ctx)
	defer cancel()
	defer func() {
		if corrupt(err) { // the others run
			s.say("the list of the agents that ran is damaged; those that are missing in it start with their next event",
				"listed", len(ids), "err", err)
			err = nil
		}
	}()
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
