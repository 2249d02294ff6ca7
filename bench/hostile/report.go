package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// maxRatio is how much slower a quiet user may become.
const maxRatio = 2

// figures are those of a quiet user: p99 in milliseconds.
type figures struct {
	Name     string   `json:"name"`
	Quiet    float64  `json:"quiet_p99_ms"`
	Attacked float64  `json:"attacked_p99_ms"`
	Served   int      `json:"served"`
	Failures int      `json:"failures"`
	Errors   []string `json:"errors,omitempty"`
}

func (f figures) ratio() float64 {
	if f.Quiet == 0 {
		return 0
	}
	return f.Attacked / f.Quiet
}

// verdict is the result of a row.
type verdict struct {
	Name     string         `json:"name"`
	Kind     kind           `json:"kind"`
	On       string         `json:"on"`
	Users    [3]figures     `json:"users"`
	Memory   int            `json:"memory_mib"` // the largest anonymous memory of a node
	Heap     int            `json:"heap_mib"`   // of Go, at the end
	Cores    float64        `json:"node_cores"`
	Attacker used           `json:"attacker"`
	Restarts int            `json:"restarts"` // of the culprit, the operator's included
	Innocent []string       `json:"innocent,omitempty"`
	Ended    []string       `json:"ended,omitempty"` // nodes
	Named    string         `json:"named,omitempty"`
	NamedBy  string         `json:"named_by,omitempty"`
	Said     []string       `json:"said,omitempty"` // the end of the culprit's log, when something is missing
	Limits   map[string]int `json:"limits,omitempty"`
	Restart  time.Duration  `json:"restart_ns"` // 0: not within longest
	Troubles []string       `json:"troubles,omitempty"`
	Failed   []string       `json:"failed,omitempty"`
}

// trouble records an error of the trial itself.
func (v *verdict) trouble(err error) {
	if err != nil {
		v.Troubles = append(v.Troubles, err.Error())
	}
}

func (v *verdict) fail(format string, args ...any) {
	v.Failed = append(v.Failed, fmt.Sprintf(format, args...))
}

// judge decides whether the row has failed, and why.
func (v *verdict) judge(o options, a attack) {
	for _, u := range v.Users {
		if !o.short && u.ratio() > maxRatio {
			v.fail("the p99 of the quiet %s is %.1f times as long", u.Name, u.ratio())
		}
		if u.Failures > 0 {
			v.fail("the quiet %s failed %d times: %s", u.Name, u.Failures, u.Errors[0])
		}
		if u.Served == 0 {
			v.fail("the quiet %s was not served", u.Name)
		}
	}
	if v.Memory > o.memory {
		v.fail("the node's memory reached %d MiB of %d", v.Memory, o.memory)
	}
	for _, name := range v.Ended {
		v.fail("node %s ended", name)
	}
	for _, line := range v.Innocent {
		v.fail("the quiet pair's log has %q", line)
	}
	if v.Named == "" && !a.harmless {
		v.fail("no log line names it")
	}
	switch {
	case v.Restart == 0:
		v.fail("the operator's restart did not come about within %v", o.limit(longest))
	case !o.short && v.Restart > patience:
		v.fail("the operator's restart took %.1f s", v.Restart.Seconds())
	}
	for _, t := range v.Troubles {
		v.fail("%s", t)
	}
	if v.Attacker.Err != "" {
		v.fail("the attack itself failed: %s", v.Attacker.Err)
	}
}

// failed returns an error that counts the rows that failed.
func failed(list []verdict) error {
	n := 0
	for _, v := range list {
		if len(v.Failed) > 0 {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d attacks hurt", n, len(list))
}

// report prints the table, and then everything as a JSON object on the last line.
func report(out io.Writer, o options, list []verdict) error {
	fmt.Fprintln(out, "| attack | on | agent p99 ms | device p99 ms | API p99 ms | memory MiB | attacker | restarts | "+
		"named by | restart s | verdict |")
	fmt.Fprintln(out, "|---|---|---|---|---|---|---|---|---|---|---|")
	for _, v := range list {
		row := []string{v.Name, v.On}
		for _, u := range v.Users {
			row = append(row, fmt.Sprintf("%.2f → %.2f (%.1f)", u.Quiet, u.Attacked, u.ratio()))
		}
		row = append(row, fmt.Sprintf("%d (heap %d)", v.Memory, v.Heap), v.share(), fmt.Sprint(v.Restarts),
			v.named(), fmt.Sprintf("%.2f", v.Restart.Seconds()), v.outcome())
		fmt.Fprintf(out, "| %s |\n", strings.Join(row, " | "))
	}
	last, err := json.Marshal(map[string]any{
		"short": o.short, "memory_target_mib": o.memory, "attacks": len(list), "rows": list,
	})
	return errors.Join(err, write(out, last))
}

func write(out io.Writer, line []byte) error {
	_, err := fmt.Fprintf(out, "\n%s\n", line)
	return err
}

// share says what an attacker used: of a processor for one outside, and what it did.
func (v *verdict) share() string {
	if v.Attacker.Done+v.Attacker.Bad == 0 {
		return fmt.Sprintf("in the node, %.2f cores", v.Cores)
	}
	return fmt.Sprintf("%.2f cores, %d done, %d refused", v.Attacker.Share, v.Attacker.Done, v.Attacker.Bad)
}

func (v *verdict) named() string {
	name := v.NamedBy
	if limits := slices.Sorted(maps.Keys(v.Limits)); len(limits) > 0 {
		name += " (" + strings.Join(limits, ", ") + ")"
	}
	return strings.TrimSpace(name)
}

func (v *verdict) outcome() string {
	if len(v.Failed) == 0 {
		return "ok"
	}
	return "**failed**: " + strings.NewReplacer("|", "/", "\n", " ").Replace(strings.Join(v.Failed, "; "))
}
