package main

import (
	"errors"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/tandem-iot/tandem"
)

// mistakes are what the library says of a command line, and what people are told. A rule
// is the pattern of a text and, in the next string, what is said instead.
var mistakes = rules(
	`(--\S+): expected u?int value but got "(.*)" \(\w+ flag\).*`, `$1 needs a number, 0 or more; "$2" is none`,
	`(--\S+): expected a valid 64 bit int but got "(.*)"`, `$1 needs a whole number; "$2" is none`,
	`(--\S+): expected a valid 64 bit uint but got "(.*)"`, `$1 needs a whole number, 0 or more; "$2" is none`,
	`(--\S+): expected "<key>=<value>" but got "(.*)"`, `$1 needs NAME=VALUE; "$2" has no =`,
	`(--\S+): expected \w+ value but got "(.*)" \(\w+ flag\).*`, `$1 needs a value; if that is $2, write $1=$2`,
	`(--\S+): bool value must be .* but got "(.*)"`, `$1 needs no value, or true or false; "$2" is neither`,
	`(--\S+): expected duration but got "(.*)":.*`, `$1 needs a time such as 10s; "$2" is none`,
	`--\S+: (--\S+ .*)`, `$1`, // an error of a type of ours names the flag
	`missing flags: (.*)`, `this needs $1`,
	`<(.*)> must be one of (.*) but got (.*)`, `the $1 is one of $2, not $3`,
	`expected one of (.*)`, `say which: one of $1`,
	`expected "(.*)"`, `an argument is missing: $1`,
)

// mistake is a rule of mistakes.
type mistake struct {
	is  *regexp.Regexp
	say string
}

func rules(texts ...string) (all []mistake) {
	for pair := range slices.Chunk(texts, 2) {
		all = append(all, mistake{regexp.MustCompile("^" + pair[0] + "$"), pair[1]})
	}
	return all
}

// misused returns what is wrong with a command line, and where to read on.
func misused(err error) string {
	text := err.Error()
	for _, m := range mistakes {
		if m.is.MatchString(text) {
			text = m.is.ReplaceAllString(text, m.say)
			break
		}
	}
	help := "tandem --help lists the commands"
	if at := new(kong.ParseError); errors.As(err, &at) && at.Context.Selected() != nil {
		help = at.Context.Selected().FullPath() + " --help shows how it is used"
	}
	return text + " (" + help + ")"
}

// checkFlags looks at the flags that are addresses.
func checkFlags(command *kong.Context) error {
	for _, f := range command.Flags() {
		text, isText := command.FlagValue(f).(string)
		if !isText || !f.Set {
			continue
		}
		if f.PlaceHolder == "ADDR" && !isAddress(text) {
			return tandem.Errorf(tandem.Invalid, "--%s needs an address such as 127.0.0.1:7880; %q is none",
				f.Name, text)
		}
	}
	return nil
}

// isAddress reports whether text is a host, which may be left out, and a port.
func isAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil || strings.ContainsAny(host, " /") {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}
