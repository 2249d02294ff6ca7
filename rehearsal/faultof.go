package rehearsal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/squirrel"
)

// spans are the faults with a span of time, and what it is when a program names none.
var spans = map[Kind]time.Duration{
	PowerCycle: bootTime, Cut: 0, Latency: 10 * time.Millisecond, Lose: time.Second, Refuse: 10 * time.Second,
	Silence: 30 * time.Second,
}

// FaultOf reads the fault that a program wants: its kind, and what belongs to it.
func FaultOf(what string, c *squirrel.Call) (f Fault, err error) {
	f.Kind = Kind(what)
	if span, ok := spans[f.Kind]; ok {
		f.For = span
		if !c.Arg(2).IsNull() {
			f.For, err = ground.Span(c, 2)
		}
		return f, err
	}
	switch f.Kind {
	case PowerOff, PowerOn, Mend, Reset, RestartDevice, Move, Deploy:
	case Loss:
		n, ok := c.Arg(2).Number()
		if !ok || n < 0 || n > 0.99 {
			return f, fmt.Errorf("the loss of a link is a number from 0 to 0.99")
		}
		f.Value = float64(n)
	case AgentClock, DeviceClock:
		n, ok := c.Arg(2).Number()
		if !ok || n < -1e9 || n > 1e9 {
			return f, fmt.Errorf("a clock is off by a number of seconds")
		}
		f.For = ground.Seconds(float64(n))
	case Restart:
		f.Text, err = reasonOf(c)
	case Board:
		f.Text = c.Str(2)
		err = board.New().Command(f.Text) // so that the program that has written it hears of a mistake
	default:
		err = fmt.Errorf("there is no %q to be done to a pair", what)
	}
	return f, err
}

// reasonOf reads why the agent is to restart.
func reasonOf(c *squirrel.Call) (string, error) {
	if c.Arg(2).IsNull() {
		return string(tandem.ReasonRestart), nil
	}
	text := c.VM().ToString(c.Arg(2))
	if slices.Contains(reasons, tandem.Reason(text)) {
		return text, nil
	}
	if tandem.Reason(text) == tandem.ReasonHostLost {
		return "", fmt.Errorf("an agent restarts for host_lost when its node is lost: use world.host.lose()")
	}
	var names []string
	for _, r := range reasons {
		names = append(names, string(r))
	}
	return "", fmt.Errorf("an agent cannot be restarted for %q: use one of %s", text, strings.Join(names, ", "))
}
