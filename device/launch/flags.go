package launch

import (
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
)

// option is a field of Options as its tag describes it.
type option struct {
	name, placeholder, env, help, otherwise string
	enum                                    []string // of the values; nil: any
	value                                   any      // a pointer to the field
}

// options returns the options in the order of the fields.
func (o *Options) options() []option { return optionsOf(reflect.ValueOf(o).Elem(), Words()) }

func optionsOf(v reflect.Value, words map[string]string) (list []option) {
	for field, at := range v.Fields() {
		if field.Anonymous {
			list = append(list, optionsOf(at, words)...)
			continue
		}
		tag := field.Tag.Get
		if tag("kong") == "-" {
			continue // it is no option
		}
		x := option{name: tag("name"), placeholder: tag("placeholder"), env: tag("env"), otherwise: tag("default")}
		if x.name == "" {
			x.name = flagName(field.Name)
		}
		if values := tag("enum"); values != "" {
			x.enum = strings.Split(values, ",")
		}
		x.help = os.Expand(tag("help"), func(name string) string {
			if name == "default" {
				return x.otherwise
			}
			return words[name]
		})
		x.value = at.Addr().Interface()
		list = append(list, x)
	}
	return list
}

// flagName returns a field's name as a flag: words in lower case with dashes.
func flagName(field string) string {
	var b strings.Builder
	lower := false // the letter before
	for _, r := range field {
		upper := r >= 'A' && r <= 'Z'
		if upper && lower {
			b.WriteByte('-')
		}
		lower = !upper
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

// Parse reads a command line and, for what it does not say, the environment. flags may have
// further flags of the program. Its errors are for people, and flag.ErrHelp when they have asked
// for help.
func (o *Options) Parse(flags *flag.FlagSet, args []string) error {
	list := o.options()
	for _, x := range list {
		if err := x.register(flags); err != nil {
			return err
		}
	}
	flags.SetOutput(io.Discard) // the caller says it
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return tandem.Errorf(tandem.Invalid, "unexpected argument %s", flags.Arg(0))
	}
	for _, x := range list {
		if value := flags.Lookup(x.name).Value.String(); x.enum != nil && !slices.Contains(x.enum, value) {
			return tandem.Errorf(tandem.Invalid, "--%s must be one of %s, not %q", x.name,
				strings.Join(x.enum, ", "), value)
		}
	}
	return nil
}

// register makes a flag, with the value of the environment or else the default.
func (x *option) register(flags *flag.FlagSet) error {
	switch value := x.value.(type) {
	case *string:
		flags.StringVar(value, x.name, "", x.help)
	case *int:
		flags.IntVar(value, x.name, 0, x.help)
	case *bool:
		flags.BoolVar(value, x.name, false, x.help)
	case *time.Duration:
		flags.DurationVar(value, x.name, 0, x.help)
	default:
		panic(fmt.Sprintf("launch: --%s is a %T", x.name, value))
	}
	value := x.otherwise
	if said := os.Getenv(x.env); x.env != "" && said != "" {
		value = said
	}
	if value == "" {
		return nil
	}
	if err := flags.Set(x.name, value); err != nil {
		return tandem.Errorf(tandem.Invalid, "%s=%s: %v", x.env, value, err)
	}
	return nil
}

// WriteOptions writes the options with their help.
func WriteOptions(w io.Writer) error {
	var b strings.Builder
	for _, x := range new(Options).options() {
		fmt.Fprintf(&b, "\n  %s\n", strings.TrimSpace("--"+x.name+" "+x.placeholder))
		help := x.help
		if x.env != "" {
			help += " Environment: " + x.env + "."
		}
		for _, line := range wrap(help, 92) {
			fmt.Fprintf(&b, "        %s\n", line)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks a text into lines of at most width characters, where its words allow.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
