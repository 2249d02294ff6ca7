// Command hostile tries to hurt a quiet agent, its device and a user of the API by what one
// program, stranger, device or peer can do, on the real node:
//
//	go run ./hostile -tandem ../bin/tandem
//	go run ./hostile -tandem ../bin/tandem -only 'regexp|slow'
//	go run ./hostile -tandem ../bin/tandem -short
//
// Each row of the table is an attack. It has a new node (or cluster) for itself, on which
// three quiet users work all the time: a client of a quiet agent, whose requests are
// saved; that agent's device, with messages there and back; and a user of the API. The first
// phase is without the attack, the second with it. While it goes on, the operator restarts
// the culprit, or, where the attacker has no agent, another agent. A row fails when
//
//   - the p99 of a quiet user is more than twice that of the first phase,
//   - a request, message or call of a quiet user fails,
//   - a node's memory passes its target, or the node ends,
//   - the quiet agent restarts, loses a save, or its device is disconnected,
//   - no line of the culprit's log, or of the node's, says what it did,
//   - the restart takes more than 5 s.
//
// Programs attack from inside of the node, which decides what they get. All other attackers
// are processes of their own: on one processor, of which they get what others leave, and pausing as soon
// as they have used a quarter of it. The table says what they used.
//
// With -short, a sample of the attacks runs, many at a time, one batch after the other on the same node, and
// times do not count: what is checked is restarts, memory, log lines, and that every request
// of a quiet user is answered.
//
// It prints a table in Markdown, and as its last line the same as a JSON object. Attacks on
// clusters need PostgreSQL's programs. Everything stays on loopback and is limited in time
// and number, and all started processes are stopped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	tandem string
	each   time.Duration
	only   string
	memory int
	short  bool
	list   bool
	keep   bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 3 && args[0] == role {
		return attackAs(ctx, args[1], args[2])
	}
	var o options
	flags := flag.NewFlagSet("hostile", flag.ContinueOnError)
	flags.StringVar(&o.tandem, "tandem", "../bin/tandem", "the tandem binary")
	flags.DurationVar(&o.each, "each", 4*time.Second, "length of each phase of a row")
	flags.StringVar(&o.only, "only", "", "regular expression for the attacks' names or targets")
	flags.IntVar(&o.memory, "memory", 512, "memory target of a node, in MiB")
	flags.BoolVar(&o.short, "short", false, "many attacks at a time; times do not count")
	flags.BoolVar(&o.list, "list", false, "list the attacks")
	flags.BoolVar(&o.keep, "keep", false, "keep the nodes' directories")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.short {
		o.each = min(o.each, 2*time.Second)
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	rows, err := attacks()
	if err != nil {
		return err
	}
	var chosen []attack
	for _, a := range rows {
		if only.MatchString(a.name) || only.MatchString(a.on) {
			chosen = append(chosen, a)
		}
	}
	if o.short {
		chosen = sample(chosen)
	}
	if o.list {
		for _, a := range chosen {
			fmt.Printf("%s\t%s\t%s\n", a.kind, a.on, a.name)
		}
		return nil
	}
	if len(chosen) == 0 || o.each <= 0 || o.memory <= 0 {
		return errors.New("there must be a row, and -each and -memory must be positive")
	}
	verdicts, err := perform(ctx, o, chosen)
	if err == nil {
		err = failed(verdicts)
	}
	return errors.Join(report(os.Stdout, o, verdicts), err)
}

// sample returns the first attack on each family of natives and kind of message between
// nodes, and the first two on each listener.
func sample(all []attack) (list []attack) {
	count := map[string]int{}
	for _, a := range all {
		most := 1
		if slices.Contains(listeners, a.on) {
			most = 2
		}
		if count[a.on]++; count[a.on] <= most {
			list = append(list, a)
		}
	}
	return list
}

// perform runs the attacks: one at a time, each on a new site, or many at a time on one that
// stays.
func perform(ctx context.Context, o options, rows []attack) (verdicts []verdict, err error) {
	var s *site
	defer func() {
		if s != nil {
			err = errors.Join(err, s.close(o.keep))
		}
	}()
	for _, batch := range batches(o, rows) {
		if s != nil && (!o.short || s.kind != batch[0].site || !s.runs()) {
			if err := s.close(o.keep); err != nil {
				return verdicts, err
			}
			s = nil
		}
		if s == nil {
			if s, err = newSite(ctx, o, batch[0].site); err != nil {
				return verdicts, err
			}
		}
		list, err := attempt(ctx, o, s, batch)
		verdicts = append(verdicts, list...)
		if err != nil {
			return verdicts, err
		}
	}
	return verdicts, nil
}

// How many attacks -short makes at a time, of programs fewer, because they share half of the
// processors and each has to use some time before a log names it; and how many kinds of
// messages between nodes are sent at a time otherwise.
const (
	atATime     = 12
	fewPrograms = 6
	fewMessages = 10
)

// batches divides attacks into those that run at the same time. All attacks of a batch
// need the same kind of site. The many kinds of messages between nodes are always sent
// many at a time.
func batches(o options, rows []attack) (list [][]attack) {
	type class struct {
		site    siteKind
		kind    kind
		message bool
	}
	var order []class
	of := map[class][]attack{}
	for _, a := range rows {
		c := class{a.site, a.kind, strings.HasPrefix(a.on, "message ")}
		if of[c] == nil {
			order = append(order, c)
		}
		of[c] = append(of[c], a)
	}
	for _, c := range order {
		most := 1
		switch {
		case o.short && c.kind == program:
			most = fewPrograms
		case o.short:
			most = atATime
		case c.message:
			most = fewMessages
		}
		for rest := of[c]; len(rest) > 0; {
			n := min(most, len(rest))
			list = append(list, rest[:n])
			rest = rest[n:]
		}
	}
	return list
}
