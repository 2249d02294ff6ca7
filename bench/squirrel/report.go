package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
)

// report collects figures by program and peer, in the order of their arrival.
type report struct {
	programs, peers []string
	figures         map[string]map[string]figure // by program, by peer
	notes           []string
	pairs           int
}

func (r *report) add(program, peer string, f figure) {
	if !slices.Contains(r.programs, program) {
		r.programs = append(r.programs, program)
	}
	if !slices.Contains(r.peers, peer) {
		r.peers = append(r.peers, peer)
	}
	if r.figures == nil {
		r.figures = map[string]map[string]figure{}
	}
	if r.figures[program] == nil {
		r.figures[program] = map[string]figure{}
	}
	r.figures[program][peer] = f
}

// mean returns the geometric mean of the ratios to a peer.
func (r *report) mean(peer string) float64 {
	sum := 0.0
	for _, program := range r.programs {
		sum += math.Log(r.figures[program][peer].ratio)
	}
	return math.Exp(sum / float64(len(r.programs)))
}

// write prints the table for people and, as the last line, everything as one
// JSON object for programs.
func (r *report) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "CPU ratio to")
	for _, peer := range r.peers {
		fmt.Fprintf(t, "\t%s", peer)
	}
	fmt.Fprintln(t)
	ratios := map[string]any{}
	for _, program := range r.programs {
		fmt.Fprint(t, program)
		line := map[string]any{}
		for _, peer := range r.peers {
			f := r.figures[program][peer]
			fmt.Fprintf(t, "\t%.2f (%.2f–%.2f) of %.2f s", f.ratio, f.low, f.high, f.peer.Seconds())
			line[peer] = map[string]any{
				"ratio": round(f.ratio), "min": round(f.low), "max": round(f.high),
				"tandem_s": round(f.tandem.Seconds()), "peer_s": round(f.peer.Seconds()),
			}
		}
		fmt.Fprintln(t)
		ratios[program] = line
	}
	fmt.Fprint(t, "geometric mean")
	means := map[string]any{}
	for _, peer := range r.peers {
		means[peer] = round(r.mean(peer))
		fmt.Fprintf(t, "\t%.2f", r.mean(peer))
	}
	fmt.Fprintln(t)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range r.notes {
		fmt.Fprintln(w, "note:", n)
	}
	last, err := json.Marshal(map[string]any{
		"pairs":    r.pairs,
		"programs": ratios,
		"geomean":  means,
		"notes":    append([]string{}, r.notes...),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", last)
	return err
}

// round keeps three digits, which is more than the precision of a benchmark.
func round(x float64) float64 { return math.Round(x*1000) / 1000 }
