package agent

import (
	"fmt"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// log is where lines of the program go. Of one event the log takes as many as
// it would in a burst; a line that is too long is cut to where the log cuts
// it, and says so.
func (m *Machine) log(isError bool, msg string) {
	t := tandem.LogAgent
	if isError {
		t = tandem.LogAgentError
	}
	switch m.lines++; {
	case m.lines == tandem.LogBurst:
		m.over(tandem.OverLogEvent)
		t = tandem.LogAgentError
		msg = fmt.Sprintf("one event wrote more than %d lines; the others are dropped", tandem.LogBurst)
	case m.lines > tandem.LogBurst:
		return
	}
	if len(msg) > tandem.LogLineSize {
		msg = strings.Clone(msg[:tandem.LogLineSize+1])
	}
	m.effects = append(m.effects, &Log{t, msg})
}

func serverLog(isError bool) squirrel.NativeFunc {
	return func(call *squirrel.Call) (squirrel.Value, error) {
		x := call.Arg(1)
		var msg string
		if imp.IsData(call.VM(), x) {
			data := call.Bytes(1)
			call.Charge(nativeCost + len(data)/8)
			msg = imp.LogText(data)
		} else {
			call.Charge(nativeCost)
			msg = call.VM().ToString(x)
		}
		machineOf(call).log(isError, msg)
		return squirrel.Int(0), nil
	}
}
