package board

import (
	"fmt"
	"strings"
	"time"

	"github.com/tandem-iot/tandem/internal/span"
)

// Script is what happens at a board over time: lines of Command, between which `wait 10 s` lets time
// pass. A last line `repeat` begins again from the first.
type Script struct {
	steps  []Step
	repeat bool
	length time.Duration // of one round
}

// Step is a line for Command, and when it is due since the beginning of the round.
type Step struct {
	At   time.Duration
	Text string
	Line int // from 1
}

// ParseScript reads a script. The error says what is wrong with a line, whose number it returns. check
// says what else is wrong with one; it may be nil.
func ParseScript(text string, check func(line string) error) (s *Script, line int, err error) {
	s = &Script{}
	scratch := New()
	for l := range strings.Lines(text) {
		line++
		l = strings.TrimSpace(l)
		word, rest, _ := strings.Cut(l, " ")
		switch {
		case l == "" || l[0] == '#':
		case s.repeat:
			return nil, line, fmt.Errorf("nothing comes after `repeat`, which begins again from the first line")
		case word == "wait":
			d, err := span.Parse(rest)
			if err != nil {
				return nil, line, fmt.Errorf("wait: %w", err)
			}
			if s.length += d; s.length > span.Longest {
				return nil, line, fmt.Errorf("the script takes longer than 30 years")
			}
		case l == "repeat":
			if s.length < shortestRound {
				return nil, line, fmt.Errorf("`repeat` needs a `wait` before it, such as `wait 10 s`")
			}
			s.repeat = true
		default:
			if err := scratch.Command(l); err != nil {
				return nil, line, err
			}
			if check != nil {
				if err := check(l); err != nil {
					return nil, line, err
				}
			}
			s.steps = append(s.steps, Step{s.length, l, line})
		}
	}
	return s, 0, nil
}

// shortestRound is how long a script takes at least that is repeated.
const shortestRound = time.Millisecond

// Play is a script that is played from a time on.
type Play struct {
	script *Script
	began  time.Time // of the round
	next   int
}

// Play returns the script as played from a time on.
func (s *Script) Play(now time.Time) *Play { return &Play{script: s, began: now} }

// Take returns the steps that are due until a time and have not been taken, and when the next one is
// due. more is false when there is none. Rounds of which nothing was taken in time are left out.
func (p *Play) Take(now time.Time) (due []Step, next time.Time, more bool) {
	s := p.script
	for {
		for ; p.next < len(s.steps); p.next++ {
			step := s.steps[p.next]
			if at := p.began.Add(step.At); at.After(now) {
				return due, at, true
			}
			due = append(due, step)
		}
		if !s.repeat || len(s.steps) == 0 {
			return due, time.Time{}, false
		}
		end := p.began.Add(s.length)
		if end.After(now) {
			return due, end, true
		}
		p.next = 0
		p.began = end.Add(now.Sub(end) / s.length * s.length)
	}
}
