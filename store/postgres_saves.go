package store

import "github.com/jackc/pgx/v5"

// saveAgents is saveAgent for many agents, all different. It returns the
// positions of those that have been saved. One statement takes a server a third
// of the time of single ones.
const saveAgents = `UPDATE agents a SET saved = p.saved, mark_boot = p.boot, mark_seq = p.seq, sum = p.sum
	FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[])
		WITH ORDINALITY AS p (saved, boot, seq, sum, agent, incarnation, place)
	WHERE a.agent = p.agent AND a.incarnation = p.incarnation RETURNING p.place`

// saves collects saves for one statement, a slice for each parameter.
type saves struct {
	tables       [][]byte
	boots, seqs  []int64
	sums         []int64
	agents       []string
	incarnations []int64
	rows         []int64 // rows changed by each save, once performed
}

func (s *saves) add(st *step) {
	s.tables = append(s.tables, st.args[0].([]byte))
	s.boots = append(s.boots, st.args[1].(int64))
	s.seqs = append(s.seqs, st.args[2].(int64))
	s.sums = append(s.sums, st.args[3].(int64))
	s.agents = append(s.agents, st.args[4].(string))
	s.incarnations = append(s.incarnations, st.args[5].(int64))
}

// joined replaces each run of saves by one step.
func joined(steps []step) (fewer []step) {
	for i := 0; i < len(steps); {
		g := &saves{}
		seen := map[string]bool{}
		for j := i; j < len(steps) && steps[j].query == saveAgent; j++ {
			agent := steps[j].args[4].(string)
			if seen[agent] { // saves of one agent must be made in order
				break
			}
			seen[agent] = true
			g.add(&steps[j])
		}
		count := len(g.agents)
		if count < 2 {
			fewer = append(fewer, steps[i])
			i++
			continue
		}
		g.rows = make([]int64, count)
		fewer = append(fewer, step{
			query: saveAgents,
			args:  []any{g.tables, g.boots, g.seqs, g.sums, g.agents, g.incarnations},
			each:  g,
		})
		i += count
	}
	return fewer
}

// part copies the results of joined steps to the steps they were made from.
func part(joined, steps []step) {
	i := 0
	for _, st := range joined {
		if st.each == nil {
			steps[i].rows = st.rows
			i++
			continue
		}
		for _, rows := range st.each.rows {
			steps[i].rows = rows
			i++
		}
	}
}

// receive reads the positions of the saves that changed a row.
func (s *saves) receive(rows pgx.Rows) error {
	var place int64
	_, err := pgx.ForEachRow(rows, []any{&place}, func() error {
		s.rows[place-1] = 1
		return nil
	})
	return err
}
