package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

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
	json   bool // entries and messages are objects
	quiet  bool // no messages
	names  map[tandem.DeviceID]string
	files  fileNames

	mu  sync.Mutex
	w   io.Writer
	raw bool      // the terminal is in raw mode, where a line feed only goes down
	to  io.Writer // nil: w
}

func newLineWriter(s *streams) *lineWriter {
	return &lineWriter{
		w: s.out, json: s.json, quiet: s.quiet, names: map[tandem.DeviceID]string{}, files: pairFiles(""),
		colour: isTerminal(s.out) && os.Getenv("NO_COLOR") == "",
	}
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

const timeFormat = "2006-01-02 15:04:05"

// entry writes one log entry: 2026-11-23 17:35:47 [Agent] text
func (l *lineWriter) entry(e tandem.LogEntry) {
	if l.json {
		l.object(struct {
			loggedLine
			*tandem.Where
		}{loggedLine{e.Device, l.names[e.Device], e.TS, e.Type, e.Msg}, e.Where})
		return
	}
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
	if !e.Written.IsZero() {
		msg = "(written " + e.Written.Local().Format(timeFormat) + ") " + msg
	}
	head := e.TS.Local().Format(timeFormat) + " "
	if l.ids {
		if name := l.names[e.Device]; name != "" {
			head += printable(name) + " "
		}
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

// loggedLine is an entry as JSON has it.
type loggedLine struct {
	Device tandem.DeviceID `json:"device_id"`
	Name   string          `json:"device_name,omitempty"`
	TS     time.Time       `json:"ts"`
	Type   string          `json:"type"`
	Msg    string          `json:"msg"`
}

// object writes a line of JSON.
func (l *lineWriter) object(v any) {
	var b strings.Builder
	if encode(&b, v) == nil {
		l.write(b.String())
	}
}

// say writes a message of the command itself.
func (l *lineWriter) say(format string, args ...any) {
	if l.json {
		l.object(map[string]string{"message": fmt.Sprintf(format, args...)})
		return
	}
	if l.quiet {
		return
	}
	l.write(fmt.Sprintf(format, args...) + "\n")
}

// warn writes a warning.
func (l *lineWriter) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if l.json {
		l.object(map[string]string{"warning": text})
		return
	}
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
