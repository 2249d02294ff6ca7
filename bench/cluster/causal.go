package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// logPages is the number of pages, of a hundred lines, that are read.
const logPages = 4

// causal checks the order of the lines in a pair's log: the device logs that it sends a
// number before the agent logs that it gets it, and that before the device logs that it is
// back. The lines come from the device and from several nodes, whose clocks differ. causal
// returns how many pairs of lines it has compared.
func (l *lab) causal(ctx context.Context, n *proc, s *subject) (compared int64, err error) {
	lines, err := l.logOf(ctx, n, s)
	if err != nil {
		return 0, err
	}
	return compareLines(lines, len(lines) < 100*logPages)
}

// logOf returns the last lines of a pair's log, as a node shows them.
func (l *lab) logOf(ctx context.Context, n *proc, s *subject) (lines []string, err error) {
	for page := 1; page <= logPages; page++ {
		var out struct {
			Data []struct{ Msg string }
		}
		if err := l.api(ctx, n, "GET",
			fmt.Sprintf("/devices/%s/logs?page[number]=%d&page[size]=100", s.device, page), "", &out); err != nil {
			return nil, err
		}
		for _, line := range out.Data {
			lines = append(lines, line.Msg)
		}
	}
	slices.Reverse(lines) // the API returns the newest line first
	return lines, nil
}

// compareLines is the core of causal. whole says that the lines are the whole log.
func compareLines(lines []string, whole bool) (compared int64, err error) {
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
				continue // the line is older than the log, or was lost with a node
			}
			compared++
			if effect < cause && !again(lines, whole, effect, cause) {
				return compared, fmt.Errorf("the log says %q before %q:\n%s", line, order[0]+number,
					strings.Join(lines[max(0, effect-5):min(len(lines), cause+5)], "\n"))
			}
		}
	}
	return compared, nil
}

// again reports whether a cause after its effect may be that of a message that was handled
// again, because the agent restarted in between; the line of the first time is lost, or older
// than those that were read.
func again(lines []string, whole bool, effect, cause int) bool {
	lost := func(line string) bool { return strings.Contains(line, "log lines were lost") }
	restarted := func(line string) bool { return strings.HasPrefix(line, "Agent restarted") }
	return (!whole || slices.ContainsFunc(lines, lost)) && slices.ContainsFunc(lines[effect:cause], restarted)
}
