package agent

import (
	"fmt"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// log writes a line of the program to the log. One event may write as many lines
// as the log takes in a burst. A line that is too long keeps one byte more than the
// log's limit, so that the log marks it as cut.
func (m *Machine) log(isError bool, msg string) { m.logAt(isError, msg, nil) }

// logAt is log for a line about a place in the program.
func (m *Machine) logAt(isError bool, msg string, at *tandem.Where) {
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
	m.effects = append(m.effects, &Log{t, msg, at})
}

func serverLog(isError bool) squirrel.NativeFunc {
	return func(call *squirrel.Call) (squirrel.Value, error) {
		x := call.Arg(1)
		var msg string
		if imp.IsData(call.VM(), x) {
			data := call.Bytes(1)
			if err := call.Charge(nativeCost + len(data)/8); err != nil {
				return squirrel.Null, err
			}
			msg = imp.LogText(data)
		} else {
			if err := call.Charge(nativeCost); err != nil {
				return squirrel.Null, err
			}
			msg = call.VM().ToString(x)
		}
		machineOf(call).log(isError, msg)
		return squirrel.Int(0), nil
	}
}
