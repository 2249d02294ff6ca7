package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// row is a measured figure, with the peer's of the same run.
type row struct {
	name      string // stable: the key in the JSON line
	what      string // for people
	unit      string
	value     float64
	peer      string // name; empty: none
	peerValue float64
}

// report collects rows, and notes about measurements that were not possible.
type report struct {
	rows  []row
	notes []string
}

func (r *report) add(rows ...row) { r.rows = append(r.rows, rows...) }

func (r *report) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// write prints the table for people and, as the last line, everything as one
// JSON object for programs.
func (r *report) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "what\ttandem\t\tpeer\t\tratio\t")
	figures := map[string]any{}
	for _, x := range r.rows {
		line := map[string]any{"value": round(x.value), "unit": x.unit}
		if x.peer == "" {
			fmt.Fprintf(t, "%s\t%s\t%s\t\t\t\t\n", x.what, figure(x.value), x.unit)
		} else {
			line["peer"], line["peer_value"] = x.peer, round(x.peerValue)
			ratio := "-"
			if x.peerValue != 0 {
				line["ratio"] = round(x.value / x.peerValue)
				ratio = fmt.Sprintf("%.2f", x.value/x.peerValue)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", x.what, figure(x.value), x.unit, figure(x.peerValue), x.peer, ratio)
		}
		figures[x.name] = line
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, n := range r.notes {
		fmt.Fprintln(w, "note:", n)
	}
	last, err := json.Marshal(map[string]any{"figures": figures, "notes": append([]string{}, r.notes...)})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", last)
	return err
}

func figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// round keeps four significant digits, which is more than the precision of a benchmark.
func round(v float64) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}
