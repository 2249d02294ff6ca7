package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// logPages of a hundred lines are looked at.
const logPages = 4

// causal checks the order of the lines in a pair's log: a number is sent by the
// device before the agent gets it, and that before it is back. Lines come from
// the device and from several nodes, whose clocks differ. It returns how many
// pairs of lines it has compared.
func (l *lab) causal(ctx context.Context, n *proc, s *subject) (compared int64, err error) {
	lines, err := l.logOf(ctx, n, s)
	if err != nil {
		return 0, err
	}
	return compareLines(lines)
}

// logOf returns the last lines of a pair's log, as a node has them.
func (l *lab) logOf(ctx context.Context, n *proc, s *subject) (lines []string, err error) {
	for page := 1; page <= logPages; page++ {
		var out struct {
			Data []struct{ Msg string }
		}
		if err := l.api(ctx, n, "GET", fmt.Sprintf("/devices/%s/logs?page[number]=%d&page[size]=100", s.device, page), "", &out); err != nil {
			return nil, err
		}
		for _, line := range out.Data {
			lines = append(lines, line.Msg)
		}
	}
	slices.Reverse(lines) // the newest was first
	return lines, nil
}

// compareLines is the core of causal.
func compareLines(lines []string) (compared int64, err error) {
	first := map[string]int{}
	for i, line := range lines {
		if _, known := first[line]; !known {
			first[line] = i
		}
	}
	for _, order := range [][2]string{{"sent ", "got "}, {"got ", "back "}} {
		for line, effect := range first {
			number, ok := strings.CutPrefix(line, order[1])
			if !ok {
				continue
			}
			cause, known := first[order[0]+number]
			if !known {
				continue // before the first line we have, or lost with a node
			}
			compared++
			if effect < cause {
				return compared, fmt.Errorf("the log says %q before %q:\n%s", line, order[0]+number, strings.Join(lines[max(0, effect-5):min(len(lines), cause+5)], "\n"))
			}
		}
	}
	return compared, nil
}
