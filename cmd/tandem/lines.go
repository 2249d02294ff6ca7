package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/tandem-iot/tandem"
)

// tags are the tags shown for each type of log entry. Device lines are called
// "server.*" in the stream for historical reasons.
var tags = map[string]string{
	tandem.LogAgent:       "Agent",
	tandem.LogAgentError:  "Agent",
	tandem.LogDevice:      "Device",
	tandem.LogDeviceError: "Device",
	tandem.LogSleep:       "Device",
	tandem.LogStatus:      "Status",
	tandem.LogExitCode:    "Exit Code",
	lineHTTP:              "HTTP",
	lineMessage:           "Message",
}

// colours has a colour for each tag. It carries no information besides the tag.
var colours = map[string]string{
	"Agent": "36", "Device": "32", "Status": "33", "Exit Code": "33",
	"HTTP": "35", "Message": "34",
}

const colourError = "31"

// lineWriter writes log entries and messages for people, in whole lines. Any
// goroutine may use it.
type lineWriter struct {
	colour bool
	ids    bool // show device ids, for a log of several devices
	files  fileNames

	mu  sync.Mutex
	w   io.Writer
	raw bool      // the terminal is in raw mode, where a line feed only goes down
	to  io.Writer // nil: w
}

func newLineWriter(w io.Writer) *lineWriter {
	return &lineWriter{w: w, files: pairFiles(""), colour: isTerminal(w) && os.Getenv("NO_COLOR") == ""}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (l *lineWriter) setRaw(raw bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.raw = raw
}

// through has what is written go to the editor of a line on the terminal, which puts it above the
// line; nil ends that.
func (l *lineWriter) through(editor io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = editor
}

// entry writes one log entry: 2026-11-23 17:35:47 [Agent] text
func (l *lineWriter) entry(e tandem.LogEntry) {
	tag, ok := tags[e.Type]
	if !ok {
		tag = e.Type
	}
	msg := e.Msg
	if e.Where != nil {
		msg = explained(e, l.files)
	}
	failed := e.Type == tandem.LogAgentError || e.Type == tandem.LogDeviceError
	if failed && !strings.HasPrefix(msg, "ERROR:") {
		msg = "ERROR: " + msg
	}
	head := e.TS.Local().Format("2006-01-02 15:04:05") + " "
	if l.ids {
		head += string(e.Device) + " "
	}
	mark := "[" + tag + "]"
	// Further lines of a message are indented, so that none can be taken for an
	// entry of its own.
	body := strings.ReplaceAll(printable(strings.TrimRight(msg, "\n")), "\n", "\n    ")
	if l.colour {
		if failed {
			body = paint(colourError, body)
		}
		if c, ok := colours[tag]; ok {
			mark = paint(c, mark)
		}
		head = paint("2", head)
	}
	l.write(head + mark + " " + body + "\n")
}

// say writes a message of the command itself.
func (l *lineWriter) say(format string, args ...any) {
	l.write(fmt.Sprintf(format, args...) + "\n")
}

// warn writes a warning.
func (l *lineWriter) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if l.colour {
		text = paint(colourError, text)
	}
	l.write(text + "\n")
}

func (l *lineWriter) write(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to != nil {
		io.WriteString(l.to, text) // ignore the error, as below
		return
	}
	if l.raw {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	io.WriteString(l.w, text) // ignore the error: a closed terminal sends a signal
}

func paint(colour, s string) string { return "\x1b[" + colour + "m" + s + "\x1b[0m" }

// printable makes control characters visible, so that a device's log cannot
// control the reader's terminal.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			fmt.Fprintf(&b, "\\x%02x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
