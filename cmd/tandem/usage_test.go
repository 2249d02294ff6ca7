package main

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// wrongValues are values that no flag with a placeholder takes.
var wrongValues = map[string][]string{
	"ADDR":     {"x", ":x", "127.0.0.1", "127.0.0.1:99999", "a b:1"},
	"CIDR":     {"x", "10.0.0.0/33"},
	"CODE":     {"x", "7K3M-Q0D4-X9TX", "tandem:x:y@http://localhost", "tandem:7K3M-Q0D4-X9TW@localhost"},
	"DEVICE":   {"nosuch"},
	"DIR":      {"file"},
	"DOMAIN":   {"a b", "-x-"},
	"DURATION": {"x", "5"},
	"FILE":     {"nofile", "."},
	"ID":       {"x", ""},
	"KEY":      {""},
	"MIB":      {"0", "x", "-1", "99999999"},
	"MB":       {"0", "x", "-1"},
	"N":        {"-3", "x", "1e99", ""},
	"NAME":     {},
	"PROOF":    {"x", "ANY"},
	"SEED":     {"x", "-1", "1.x", "2.1", "1.99999999"},
	"TIME":     {"x", "-5h"},
	"SIZE":     {"x", "-1", "1", "5XB", "0"},
	"SPAN":     {"x", "5", "0 days", "-1 day", "31 years", ""},
	"TYPE":     {"imp009"},
	"URL":      {"nonsense", "ftp://x", "http://[::1", "tcp://127.0.0.1:99999"},

	"FILE[:CASE][::METHOD]": {"nofile", "nofile:Case::test", ".", "../pair/x.test.nut"},
	"PREFIX=DIR":            {"x", "", "x=nodir", "x=file", "x="},
	"NAME:VERSION=FILE":     {"x", "x=file", "a b:1.0.0=file", "x:1.0.0=nofile", "x:1.0.0=."},
}

// harmless are flags that are right with some of these values, or are not looked at.
var harmless = []string{"--login-key ", "--out nofile", "--junit nofile", "--coverage nofile", "--include "}

// wrongArguments are arguments that no command takes, by their names in its usage.
var wrongArguments = map[string][]string{
	"dir": {"nodir", "file"}, "name:version": {"x", "a b:1.0.0"}, "file": {"nofile", "."}, "device": {"nosuch"},
	"devices": {"nosuch"}, "side": {"both"}, "files": {"nofile", "."}, "name": {"nosuch.x"}, "node": {"nosuch"},
	"email": {"nosuch", ""}, "claim": {"nosuch", "a b", "../devices"}, "fingerprint": {"nosuch", ""},
	"code": {"x", "7K3M-Q0D4-X9TX", "tandem:x:y@http://localhost"},
}

// wrongNames are names that a command does not take which makes something of any other name.
var wrongNames = map[string][]string{"device add": {}, "account add": {"", " ", "a\nb"}}

// unsaid are arguments that an error calls by their name, and does not repeat.
var unsaid = []string{"account add name", "device claims revoke claim", "device enrol code"}

// rightArguments are arguments of commands, by their names.
var rightArguments = map[string]string{
	"dir": "pair", "name:version": "x:1.0.0", "file": "file", "device": "d", "side": "agent", "files": "file", "node": "n",
	"name": "x", "email": "x@example.com", "claim": "x", "fingerprint": strings.Repeat("0", 64),
}

// libraryWords are what libraries say, and people should not have to read.
var libraryWords = regexp.MustCompile(`64 bit|\w+ value but got|perhaps try|short flag|dial tcp|listen tcp|lookup |` +
	`open \w|mkdir |parse "|invalid argument|invalid URL|no such file|is a directory$|strconv|tls: |x509: |EOF|` +
	`missing flags|bool value|<\w|failed to `)

// TestMistakes walks every flag and every argument of every command with values that it
// does not take. Each time the command fails, and says in words what is wrong with what.
func TestMistakes(t *testing.T) {
	if status, _, errs := runCommand(t, "", "up", "--http", "nonsense"); status != 2 {
		t.Errorf("an address that is none: %d %s", status, errs)
	}
	node := startDev(t, map[string]string{"agent.nut": ""})
	t.Setenv("TANDEM_DATA", filepath.Join(node.dir, ".tandem", "node"))
	t.Chdir(t.TempDir())
	if err := os.Mkdir("pair", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join("pair", "agent.nut"), "")
	write(t, filepath.Join("pair", "x.test.nut"), "class X extends ImpTestCase { function testX() {} }")
	write(t, "file", "")
	write(t, "devices.csv", "id,key\n0123456789abcdef,0123456789abcdef\n")
	try := func(name, wrong string, args ...string) {
		status, _, errs := runCommand(t, "", args...)
		head, _, _ := strings.Cut(wrong, ":")
		switch first, more, _ := strings.Cut(strings.TrimPrefix(errs, "tandem: "), "\n"); {
		case status == 0:
			t.Errorf("tandem %q is right", args)
		case strings.Contains(first, "this node is alone") && args[0] == "cluster":
		case !strings.Contains(first, strings.TrimLeft(name, "-")) && (head == "" || !strings.Contains(first, head)):
			t.Errorf("tandem %q does not say what is wrong: %s", args, errs)
		case libraryWords.MatchString(first) || more != "":
			t.Errorf("tandem %q: %s", args, errs)
		}
	}
	for _, leaf := range newParser(&commands{}).Model.Leaves(false) {
		command := strings.Fields(leaf.Path())
		right := rightOf(leaf)
		for _, f := range leaf.Flags {
			for _, wrong := range wrongOf(t, f) {
				flag := "--" + f.Name
				if !slices.Contains(harmless, flag+" "+wrong) {
					try(flag, wrong, slices.Concat(command, needs(leaf, f), right, []string{flag, wrong})...)
				}
			}
		}
		for i, p := range leaf.Positional {
			list, ok := wrongArguments[p.Name]
			if !ok {
				t.Errorf("%s has an argument %s: name wrong ones", leaf.Path(), p.Name)
			}
			if own, ok := wrongNames[leaf.Path()]; ok && p.Name == "name" {
				list = own
			}
			for _, wrong := range list {
				args := slices.Clone(right)
				for len(args) <= i {
					args = append(args, "")
				}
				args[i] = wrong
				name := cmp.Or(wrong, `""`)
				if slices.Contains(unsaid, leaf.Path()+" "+p.Name) {
					name = p.Name
				}
				try(name, wrong, slices.Concat(command, args[:max(i+1, len(right))])...)
			}
		}
		try("nosuch", "", slices.Concat(command, right, []string{"--nosuch"})...)
	}
	try("nosuch", "", "nosuch")
}

// rightOf returns arguments that a command takes.
func rightOf(leaf *kong.Node) (right []string) {
	if leaf.Name == "dev" || leaf.Name == "deploy" || leaf.Name == "test" || leaf.Name == "rehearse" {
		return []string{"pair"}
	}
	for _, p := range leaf.Positional {
		if p.Required {
			right = append(right, rightArguments[p.Name])
		}
	}
	return right
}

// wrongOf returns values that a flag does not take.
func wrongOf(t *testing.T, f *kong.Flag) []string {
	switch {
	case f.Name == "help":
		return nil
	case f.IsBool():
		return nil // it takes no value
	case f.Enum != "":
		return []string{"nonsense"}
	}
	list, ok := wrongValues[f.PlaceHolder]
	if !ok {
		t.Errorf("--%s takes %s: name wrong values", f.Name, f.PlaceHolder)
	}
	return list
}

// needs returns the flags that a command needs beside the one that is tried.
func needs(leaf *kong.Node, f *kong.Flag) (all []string) {
	for _, other := range leaf.Flags {
		run := leaf.Name == "run" && f.Name != "claim"
		switch {
		case other.Name == f.Name:
		case other.Name == "id" && run:
			all = append(all, "--id", "0123456789abcdef")
		case other.Name == "key" && run:
			all = append(all, "--key", "k")
		case other.Name == "node" && leaf.Name == "run" && (f.Name == "ca" || strings.HasPrefix(f.Name, "client-")):
			all = append(all, "--node", "tls://127.0.0.1:1")
		case other.Name == "login-key" && f.Name == "url":
			all = append(all, "--login-key", "k")
		case other.Name == "in" && f.Name != "count":
			all = append(all, "--in", "devices.csv")
		case other.Name == "out" && f.Name == "count":
			all = append(all, "--out", "made")
		}
	}
	return all
}
