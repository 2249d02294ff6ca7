package impunit

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/rehearsal"
)

// WriteTest writes what came of a test for people: a line, and for a failure all that is known.
func WriteTest(w io.Writer, t *Test) {
	switch {
	case t.Failure != nil:
		fmt.Fprintf(w, "  FAIL  %s  (%s)\n", t.Title(), Span(t.Took))
	case t.Counts:
		fmt.Fprintf(w, "  ok    %s  (%s)", t.Title(), Span(t.Took))
		if t.Value != "" {
			fmt.Fprintf(w, ": %s", t.Value)
		}
		fmt.Fprintln(w)
	}
	for _, info := range t.Infos {
		fmt.Fprintf(w, "        %s\n", strings.ReplaceAll(info, "\n", "\n        "))
	}
	if t.Failure != nil {
		io.WriteString(w, t.Failure.String())
	}
}

// shownFrames is how many functions of a call stack people see.
const shownFrames = 10

// String returns the failure for people, on several lines.
func (f *Failure) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "        %s\n", strings.ReplaceAll(f.Text, "\n", "\n        "))
	if f.File != "" {
		fmt.Fprintf(&b, "        %s:%d: %s\n", f.File, f.Line, f.Source)
	}
	for _, v := range f.Values {
		fmt.Fprintf(&b, "            %s = %s\n", v.Name, v.Shown())
	}
	for i, at := range f.Stack {
		switch {
		case len(f.Stack) == 1: // the place says it
		case i < shownFrames:
			fmt.Fprintf(&b, "          at %s\n", at)
		case i == shownFrames:
			fmt.Fprintf(&b, "          and %d more\n", len(f.Stack)-i)
		}
	}
	if len(f.Log) > 0 {
		b.WriteString("        the log until then:\n")
	}
	for _, l := range f.Log {
		fmt.Fprintf(&b, "          %s\n", LineText(l))
	}
	return b.String()
}

// lineWords are what the types of lines are called.
var lineWords = map[string]string{
	tandem.LogAgent: "agent", tandem.LogAgentError: "agent!", tandem.LogDevice: "device",
	tandem.LogDeviceError: "device!", tandem.LogStatus: "status", tandem.LogSleep: "device",
	tandem.LogExitCode: "device", rehearsal.LogFault: "FAULT", rehearsal.LogHTTP: "http", rehearsal.LogBoard: "board",
	rehearsal.LogMessage: "message", rehearsal.LogTest: "test", rehearsal.LogTestError: "test!",
}

// LineText returns a line of a world's log: its time, who has written it, and the text.
func LineText(l rehearsal.Line) string {
	text := l.Text
	if at := l.Where; at != nil && at.Line > 0 && !strings.HasPrefix(text, "  at ") {
		if at.Plain != "" {
			text = at.Plain
		}
		text += fmt.Sprintf("  (%s:%d)", at.File, at.Line)
	}
	return fmt.Sprintf("%s  %-7s %s", Clock(l.At), lineWords[l.Type], text)
}

// Clock returns a time of a world: hours, minutes and seconds.
func Clock(d time.Duration) string {
	ms := d.Milliseconds()
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3600_000, ms/60_000%60, ms/1000%60, ms%1000)
}

// Span returns a span of time in at most two units.
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	two := func(big, small time.Duration, bigName, smallName string) string {
		text := fmt.Sprintf("%d %s", d/big, bigName)
		if rest := d % big / small; rest > 0 {
			text += fmt.Sprintf(" %d %s", rest, smallName)
		}
		return text
	}
	switch {
	case d >= day:
		return two(day, time.Hour, "d", "h")
	case d >= time.Hour:
		return two(time.Hour, time.Minute, "h", "min")
	case d >= time.Minute:
		return two(time.Minute, time.Second, "min", "s")
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
