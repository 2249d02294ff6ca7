package main

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central/client"
)

type logCmd struct {
	nodeFlags
	Follow  bool     `short:"f" help:"Then print new lines, until Ctrl-C."`
	Lines   *int     `short:"n" placeholder:"N" help:"${help_log_lines}"`
	Since   string   `placeholder:"WHEN" help:"${help_log_since}"`
	Until   string   `placeholder:"WHEN" help:"Only lines until then, written like --since."`
	Grep    string   `placeholder:"REGEXP" help:"${help_log_grep}"`
	Level   string   `placeholder:"LEVEL" enum:"log,status,error" default:"log" help:"${help_line_level}"`
	Product string   `placeholder:"PRODUCT" help:"Only devices of this product."`
	Group   string   `placeholder:"GROUP" help:"Only devices of this device group."`
	Devices []string `arg:"" optional:"" help:"Ids or names of devices; by default all."`
}

// defaultLines is how many past lines of a device are shown if nothing is said.
const defaultLines = 20

// lineFilter selects lines of logs.
type lineFilter struct {
	since, until time.Time // zero: from the beginning, to the end
	grep         *regexp.Regexp
	least        int // level
}

// levels of the types of lines; the others are status.
const (
	levelLog = iota
	levelStatus
	levelError
)

func levelOf(typ string) int {
	switch typ {
	case tandem.LogAgent, tandem.LogDevice:
		return levelLog
	case tandem.LogAgentError, tandem.LogDeviceError:
		return levelError
	}
	return levelStatus
}

func (f *lineFilter) wants(e tandem.LogEntry) bool {
	return !e.TS.Before(f.since) && (f.until.IsZero() || !e.TS.After(f.until)) &&
		levelOf(e.Type) >= f.least && (f.grep == nil || f.grep.MatchString(e.Msg))
}

// all reports whether the filter selects every line.
func (f *lineFilter) all() bool {
	return f.since.IsZero() && f.until.IsZero() && f.grep == nil && f.least == levelLog
}

func (c *logCmd) filter(now time.Time) (f *lineFilter, err error) {
	f = &lineFilter{least: map[string]int{"log": levelLog, "status": levelStatus, "error": levelError}[c.Level]}
	if f.since, err = moment("--since", c.Since, now); err != nil {
		return nil, err
	}
	if f.until, err = moment("--until", c.Until, now); err != nil {
		return nil, err
	}
	if c.Grep != "" {
		if f.grep, err = regexp.Compile(c.Grep); err != nil {
			return nil, tandem.Errorf(tandem.Invalid, "--grep %q is not a regular expression: %s", c.Grep,
				strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	switch {
	case c.Lines != nil && *c.Lines < 0:
		return nil, tandem.Errorf(tandem.Invalid, "--lines needs a number, 0 or more; %d is none", *c.Lines)
	case c.Follow && c.Until != "":
		return nil, tandem.Errorf(tandem.Invalid, "--until %s ends the log, and --follow goes on: leave one out", c.Until)
	case !f.until.IsZero() && f.until.Before(f.since):
		return nil, tandem.Errorf(tandem.Invalid, "--until %s is before --since %s", c.Until, c.Since)
	}
	return f, nil
}

// moments are the ways in which a point of time is written, beside a span such as 90m.
var moments = []string{time.RFC3339, time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04",
	time.DateOnly, time.TimeOnly, "15:04"}

// moment reads a point of time: how long ago it was, or when. The zero time is for "".
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range moments {
		t, err := time.ParseInLocation(layout, text, now.Location())
		if err != nil {
			continue
		}
		if t.Year() == 0 { // a time of today
			y, m, d := now.Date()
			t = time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, now.Location())
		}
		return t, nil
	}
	return time.Time{}, tandem.Errorf(tandem.Invalid,
		"%s %q: write how long ago, such as 90m or 2d, or when, such as 2026-11-23T17:35 or 17:35", flag, text)
}

// want returns how many past lines of each device are wanted; -1 for all.
func (c *logCmd) want() int {
	switch {
	case c.Lines != nil:
		return *c.Lines
	case c.Since != "":
		return -1
	}
	return defaultLines
}

func (c *logCmd) Run(ctx context.Context, s *streams) error {
	f, err := c.filter(time.Now())
	if err != nil {
		return err
	}
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	devices, err := c.devices(ctx, n)
	if err != nil {
		return err
	}
	out := newLineWriter(s)
	out.ids = len(devices) != 1
	for _, d := range devices {
		out.names[tandem.DeviceID(d.ID)] = d.Name
	}
	t := &tail{n: n, filter: f, show: out.entry, seen: map[tandem.DeviceID]*seenLines{}}
	for _, d := range devices {
		t.ids = append(t.ids, d.ID)
	}
	if c.Follow && f.all() && c.want() >= 0 {
		return untilDone(t.follow(ctx, c.want()))
	}
	if err := t.past(ctx, c.want()); err != nil || !c.Follow {
		return err
	}
	return untilDone(t.follow(ctx, catchUp))
}

// devices returns the devices whose logs are wanted.
func (c *logCmd) devices(ctx context.Context, n *node) (list []client.Device, err error) {
	var f client.DeviceFilter
	if f.Product, f.Group, err = n.selected(ctx, c.Product, c.Group); err != nil {
		return nil, err
	}
	if len(c.Devices) == 0 {
		return collect(n.s, "devices", n.Devices(ctx, f))
	}
	for _, name := range c.Devices {
		d, err := n.device(ctx, name)
		if err != nil {
			return nil, err
		}
		if f.Group != "" && (d.Group == nil || d.Group.ID != f.Group) ||
			f.Product != "" && (d.Product == nil || d.Product.ID != f.Product) {
			return nil, tandem.Errorf(tandem.Invalid, "device %s is not in this group or product", shownDevice(d))
		}
		list = append(list, d)
	}
	return list, nil
}

// catchUp is with how many lines of each device a log stream begins that goes on from another: those
// that were shown are left out.
const catchUp = 1000

// Waits between two attempts to reach a node again.
const (
	firstWait   = time.Second
	longestWait = 30 * time.Second
)

// seenLines are the lines of a device that were shown or left out: all before a time, and some of
// that time.
type seenLines struct {
	at    time.Time
	lines []tandem.LogEntry // of that time

	again bool              // a stream may show lines again, up to at
	met   bool              // it has shown one
	skip  []tandem.LogEntry // of lines, those which it has not shown again yet
}

// tail shows logs of devices.
type tail struct {
	n      *node
	ids    []string
	filter *lineFilter
	show   func(tandem.LogEntry)
	seen   map[tandem.DeviceID]*seenLines
}

// take shows a line, unless it has been seen before or is not wanted.
func (t *tail) take(e tandem.LogEntry) {
	if t.know(e) && t.filter.wants(e) {
		t.show(e)
	}
}

// know notes a line, and reports whether it is new.
func (t *tail) know(e tandem.LogEntry) bool {
	s := t.seen[e.Device]
	if s == nil {
		s = &seenLines{}
		t.seen[e.Device] = s
	}
	same := func(x tandem.LogEntry) bool { return x.Type == e.Type && x.Msg == e.Msg }
	missed := s.again && !s.met && e.TS.After(s.at)
	s.met = true
	switch i := slices.IndexFunc(s.skip, same); {
	case e.TS.After(s.at):
		if missed {
			t.n.s.say("Lines of device %s after %s may be missing: tandem log %s --since %s", e.Device,
				at(s.at), e.Device, s.at.Format(time.RFC3339))
		}
		*s = seenLines{at: e.TS}
	case s.again && e.TS.Before(s.at):
		return false
	case s.again && e.TS.Equal(s.at) && i >= 0:
		s.skip = slices.Delete(s.skip, i, i+1)
		return false
	case e.TS.Before(s.at): // a clock was set back
		return true
	}
	s.lines = append(s.lines, e)
	return true
}

// past shows the last lines of each device that are wanted, merged by time; all if want is below 0.
func (t *tail) past(ctx context.Context, want int) error {
	bar := t.n.s.progress("Reading logs", len(t.ids))
	defer bar.end()
	var all []tandem.LogEntry
	for _, id := range t.ids {
		lines, err := t.pastOf(ctx, id, want)
		if err != nil {
			return err
		}
		all = append(all, lines...)
		bar.add(1)
	}
	bar.end()
	slices.SortStableFunc(all, func(a, b tandem.LogEntry) int { return a.TS.Compare(b.TS) })
	for _, e := range all {
		t.show(e)
	}
	return nil
}

// pastOf returns the last lines of a device that are wanted, the oldest first.
func (t *tail) pastOf(ctx context.Context, id string, want int) (wanted []tandem.LogEntry, err error) {
	var newest []tandem.LogEntry // of one time
	for e, err := range t.n.Logs(ctx, id) {
		if err != nil {
			return nil, err
		}
		e.Device = tandem.DeviceID(id)
		if len(newest) == 0 || e.TS.Equal(newest[0].TS) {
			newest = append(newest, e)
		} else if len(wanted) == want || e.TS.Before(t.filter.since) {
			break
		}
		if len(wanted) != want && t.filter.wants(e) {
			wanted = append(wanted, e)
		}
	}
	for _, e := range newest {
		t.know(e)
	}
	slices.Reverse(wanted)
	return wanted, nil
}

// follow shows lines as they come, from the last ones on, until ctx ends. When the connection
// breaks or the node is started again it goes on where it was.
func (t *tail) follow(ctx context.Context, lines int) error {
	wait := firstWait
	var stream *client.Stream
	for first := true; ; first = false {
		began := time.Now()
		err := t.read(ctx, &stream, lines)
		switch {
		case ctx.Err() != nil:
			return nil
		case tandem.KindOf(err) == tandem.NotFound && stream != nil: // the stream is no more
			stream, lines = nil, catchUp
			continue
		case tandem.KindOf(err) != tandem.Unavailable || first && stream == nil:
			return err
		}
		if time.Since(began) > longestWait {
			wait = firstWait
		}
		t.n.s.say("%s; trying again.", inWords(err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = min(2*wait, longestWait)
	}
}

// again expects lines that were shown before.
func (t *tail) again() {
	for _, known := range t.seen {
		known.again, known.met = true, false
		known.skip = slices.Clone(known.lines)
	}
}

// read reads a stream, which it opens if there is none.
func (t *tail) read(ctx context.Context, stream **client.Stream, lines int) error {
	if *stream == nil {
		s, err := t.n.OpenStream(ctx, t.ids, lines)
		if err != nil {
			return err
		}
		*stream = s
		t.again()
	}
	return t.n.ReadStream(ctx, *stream, func(e tandem.LogEntry) error {
		t.take(e)
		return nil
	})
}
