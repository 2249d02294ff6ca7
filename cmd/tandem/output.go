package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"path"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central/client"
)

// say writes a message for people. It is no result, so scripts do not get it.
func (s *streams) say(format string, args ...any) {
	if !s.quiet && !s.json {
		fmt.Fprintf(s.err, format+"\n", args...)
	}
}

// encode writes a value as a line of JSON.
func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// result writes what a command has made or found: as JSON, or as text.
func (s *streams) result(v any, text string) error {
	if s.json {
		return encode(s.out, v)
	}
	_, err := io.WriteString(s.out, text)
	return err
}

// made writes an object that a command has made or changed, for people its id.
func (s *streams) made(v any, id string) error { return s.result(v, id+"\n") }

// gone is the JSON of an object that is no more.
type gone struct {
	ID string `json:"id"`
}

// failed makes a command fail with a text for people, or with an error of this text in JSON.
func (s *streams) failed(text string) error {
	if s.json {
		return tandem.Errorf(tandem.Invalid, "%s", strings.TrimSpace(text))
	}
	fmt.Fprintln(s.err, strings.TrimSuffix(text, "\n"))
	return errSilent
}

// report writes the error of a command. kind is for scripts.
func (s *streams) report(kind, text string, err error) {
	if !s.json {
		fmt.Fprintf(s.err, "tandem: %s\n", text)
		return
	}
	type said struct {
		Kind    string         `json:"kind"`
		Message string         `json:"message"`
		Places  []client.Place `json:"places,omitempty"`
	}
	out := said{Kind: kind, Message: text}
	var bad *client.NotCompiled
	if errors.As(err, &bad) {
		out.Places = bad.Places
	}
	_ = encode(s.err, map[string]said{"error": out}) // there is no other place to say that it failed
}

// textLines turns what is written into lines of JSON, {"text": "…"}.
type textLines struct{ w io.Writer }

func (t textLines) Write(b []byte) (int, error) {
	return len(b), encode(t.w, map[string]string{"text": string(b)})
}

// text is where a command writes text that is its result, such as the output of a program.
func (s *streams) text() io.Writer {
	if s.json {
		return textLines{s.out}
	}
	return s.out
}

// listFlags select and order the rows of a list.
type listFlags struct {
	Filter  []string `placeholder:"COLUMN=PATTERN" sep:"none" help:"${help_filter}"`
	Sort    string   `placeholder:"COLUMN" help:"Order the list by a column."`
	Reverse bool     `help:"The other way round."`
}

// column is a column of a list of objects.
type column[T any] struct {
	name string // in lower case
	text func(T) string
}

// listed writes a list: as a table for people, its first column for --quiet, the objects as JSON.
func listed[T any](s *streams, f listFlags, all []T, columns []column[T]) error {
	all, err := chosen(f, all, columns)
	if err != nil {
		return err
	}
	switch {
	case s.json && all == nil:
		return encode(s.out, []T{})
	case s.json:
		return encode(s.out, all)
	case s.quiet:
		for _, x := range all {
			fmt.Fprintln(s.out, printable(columns[0].text(x)))
		}
		return nil
	}
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = strings.ToUpper(c.name)
	}
	fmt.Fprintln(t, strings.Join(heads, "\t"))
	for _, x := range all {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = strings.ReplaceAll(printable(c.text(x)), "\n", " ")
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// chosen returns the rows of a list that its flags select, in the order that they say.
func chosen[T any](f listFlags, all []T, columns []column[T]) ([]T, error) {
	for _, text := range f.Filter {
		name, pattern, ok := strings.Cut(text, "=")
		if !ok {
			return nil, tandem.Errorf(tandem.Invalid, "--filter %s: write COLUMN=PATTERN, or COLUMN!=PATTERN", text)
		}
		name, not := strings.CutSuffix(name, "!")
		c, err := columnNamed("--filter", name, columns)
		if err != nil {
			return nil, err
		}
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, tandem.Errorf(tandem.Invalid, "--filter %s: the pattern has a [ without a ]", text)
		}
		all = slices.DeleteFunc(slices.Clone(all), func(x T) bool {
			// A slash is a letter like any other.
			same, _ := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(c.text(x), "/", "\x00"))
			return same == not
		})
	}
	if f.Sort != "" {
		c, err := columnNamed("--sort", f.Sort, columns)
		if err != nil {
			return nil, err
		}
		all = slices.Clone(all)
		slices.SortStableFunc(all, func(a, b T) int { return ordered(c.text(a), c.text(b)) })
	}
	if f.Reverse {
		slices.Reverse(all)
	}
	return all, nil
}

func columnNamed[T any](flag, name string, columns []column[T]) (column[T], error) {
	names := make([]string, len(columns))
	for i, c := range columns {
		if strings.EqualFold(c.name, name) {
			return c, nil
		}
		names[i] = c.name
	}
	msg := fmt.Sprintf("%s: there is no column %s", flag, name)
	if near := nearest(name, names); near != "" {
		msg += "; did you mean " + near + "?"
	}
	return column[T]{}, tandem.Errorf(tandem.NotFound, "%s The columns are %s", msg, strings.Join(names, ", "))
}

// ordered compares two texts of a column: numbers by their values.
func ordered(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

// when shows a time to people; "" is for none.
func when(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// called shows a related object to people: its name, or its id when that is not known.
func called(r *client.Ref) string {
	if r == nil {
		return ""
	}
	return cmp.Or(r.Name, r.ID)
}

// described writes one object: as JSON, or its members, a line each. --quiet has its id alone.
func described(s *streams, v any, id string) error {
	if s.json {
		return encode(s.out, v)
	}
	if s.quiet {
		_, err := fmt.Fprintln(s.out, id)
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	members := json.NewDecoder(strings.NewReader(string(data)))
	_, _ = members.Token() // the brace of the object that was just written
	for members.More() {
		name, err := members.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := members.Decode(&value); err != nil {
			return err
		}
		if text := memberText(value); text != "" {
			fmt.Fprintf(t, "%s\t%s\n", strings.ReplaceAll(name.(string), "_", " "), printable(text))
		}
	}
	return t.Flush()
}

// memberText shows a member of an object to people; "" is for none.
func memberText(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return when(&t)
		}
		return text
	}
	var yes bool
	if json.Unmarshal(value, &yes) == nil && string(value) != "null" {
		return yesNo(yes)
	}
	var r client.Ref
	if json.Unmarshal(value, &r) == nil && r.ID != "" {
		if r.Name != "" {
			return r.Name + " (" + r.ID + ")"
		}
		return r.ID
	}
	var list []string
	if json.Unmarshal(value, &list) == nil {
		return strings.Join(list, ", ")
	}
	return string(value)
}

// yesFlag is of commands that destroy something.
type yesFlag struct {
	Yes bool `short:"y" help:"Do not ask first."`
}

// confirm asks before something is destroyed. what says what happens.
func (f yesFlag) confirm(s *streams, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if f.Yes {
		return nil
	}
	if s.json || !isTerminal(s.in) {
		return tandem.Errorf(tandem.Invalid, "%s: say --yes if you mean it, for there is no terminal to ask at", what)
	}
	fmt.Fprintf(s.err, "%s. Go on? [y/N] ", what)
	line, err := bufio.NewReader(s.in).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return tandem.Errorf(tandem.Invalid, "nothing was changed")
	}
	return nil
}

// remove asks, removes the object with an id, and says that it is gone. what says what happens.
func (f yesFlag) remove(s *streams, id string, remove func() error, what string, args ...any) error {
	if err := f.confirm(s, what, args...); err != nil {
		return err
	}
	if err := remove(); err != nil {
		return err
	}
	return s.made(gone{id}, id)
}

// barAfter is how long a command may take before it shows how far it is.
const barAfter = 500 * time.Millisecond

// progress shows on a terminal how far a command is.
type progress struct {
	w           io.Writer // nil: it is not shown
	what        string
	done, total int // total is 0 when it is not known
	began, last time.Time
}

func (s *streams) progress(what string, total int) *progress {
	p := &progress{what: what, total: total, began: time.Now()}
	if isTerminal(s.err) && !s.quiet && !s.json {
		p.w = s.err
	}
	return p
}

// add counts n more, and shows them now and then.
func (p *progress) add(n int) { p.show(p.done+n, time.Now()) }

func (p *progress) show(done int, now time.Time) {
	p.done = done
	if p.w == nil || now.Sub(p.began) < barAfter || now.Sub(p.last) < barAfter/5 {
		return
	}
	p.last = now
	fmt.Fprintf(p.w, "\r\x1b[K%s", p.text())
}

func (p *progress) text() string {
	if p.total == 0 {
		return fmt.Sprintf("%s: %d", p.what, p.done)
	}
	const width = 30
	full := min(width*p.done/p.total, width)
	bar := strings.Repeat("█", full) + strings.Repeat("░", width-full)
	return fmt.Sprintf("%s  %s  %d of %d", p.what, bar, p.done, p.total)
}

// end takes the bar away.
func (p *progress) end() {
	if p.w != nil && !p.last.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// collect reads a whole list of the API.
func collect[T any](s *streams, what string, list iter.Seq2[T, error]) (all []T, err error) {
	bar := s.progress("Reading "+what, 0)
	defer bar.end()
	for x, err := range list {
		if err != nil {
			return nil, err
		}
		all = append(all, x)
		bar.add(1)
	}
	return all, nil
}

// logHandler returns a handler for a program's own log.
func (s *streams) logHandler(w io.Writer, level slog.Level) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	if s.json {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}
