package main

import (
	"bytes"
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
	"COLUMN":   {"nosuch"},
	"CONTEXT":  {"nosuch"},
	"CODE":     {"x", "7K3M-Q0D4-X9TX", "tandem:x:y@http://localhost", "tandem:7K3M-Q0D4-X9TW@localhost"},
	"DEVICE":   {"nosuch"},
	"DIR":      {"file"},
	"DOMAIN":   {"a b", "-x-"},
	"DURATION": {"x", "5"},
	"FILE":     {"nofile", "."},
	"GROUP":    {"nosuch", "de"},
	"ID":       {"x", ""},
	"KEY":      {""},
	"MIB":      {"0", "x", "-1", "99999999"},
	"MB":       {"0", "x", "-1"},
	"N":        {"-3", "x", "1e99", ""},
	"NAME":     {},
	"PRODUCT":  {"nosuch", "de"},
	"PROOF":    {"x", "ANY"},
	"SEED":     {"x", "-1", "1.x", "2.1", "1.99999999"},
	"REGEXP":   {"(", "a**"},
	"TEXT":     {},
	"TIME":     {"x", "-5h"},
	"SIZE":     {"x", "-1", "1", "5XB", "0"},
	"SPAN":     {"x", "5", "0 days", "-1 day", "31 years", ""},
	"TYPE":     {"imp009"},
	"URL":      {"nonsense", "ftp://x", "http://[::1", "tcp://127.0.0.1:99999"},

	"DEPLOYMENT":     {"nosuch", "../devices"},
	"COLUMN=PATTERN": {"x", "nosuch=1", "=", ""},
	"NAME=VALUE":     {"x", "=1"},
	"WHEN":           {"x", "-5h", "5", "17:99", "2026-13-01"},

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
	"email": {"nosuch", ""}, "claim": {"nosuch", "a b", "../devices"}, "product": {"nosuch", "de", ""},
	"group":      {"nosuch", "de", ""},
	"deployment": {"nosuch", "a b", "../devices", ""}, "webhook": {"nosuch", "a b", "../devices", ""},
	"login-key": {"nosuch", "../devices", ""}, "account": {"nosuch", "operatr"}, "context": {"nosuch", "locl"},
	"event": {"nosuch", ""}, "url": {"nonsense", "ftp://x"}, "shell": {"sh", ""}, "project": {"pair", "file"},
	"description": {strings.Repeat("x", 300)}, "fingerprint": {"nosuch", ""},
	"line": {"x", "pin1 = often"}, "role": {"king", ""}, "role-id": {"nosuch", "../devices", ""},
	"invitation": {"nosuch", "../devices", ""}, "link": {"nonsense", "http://x/", "ftp://x/join?token=y"},
	"code": {"x", "7K3M-Q0D4-X9TX", "tandem:x:y@http://localhost"},
}

// wrongFor are those of arguments that take other values in a command, by the command and the argument.
var wrongFor = map[string][]string{
	"device add name": {}, "account add name": {"", " ", "a\nb"}, "product add name": {"", " ", "a\nb", "dev"},
	"group add name": {"", "a\nb", "dev"}, "login url": {"nonsense", "ftp://x"},
	"account invitation add role": {"king"},
}

// unsaid are arguments that an error calls by their name, and does not repeat.
var unsaid = []string{
	"account add name", "device enrol code", "product add name", "group add name", "key add description",
	"key change description",
}

// rightArguments are arguments of commands, by their names; thingsAtNode adds those that a node makes.
var rightArguments = map[string]string{
	"dir": "pair", "name:version": "x:1.0.0", "file": "file", "device": "d", "devices": "d", "side": "agent",
	"files": "file", "node": "n", "name": "x", "email": "x@example.com", "fingerprint": strings.Repeat("0", 64),
	"line": "pin1=1", "role": "viewer",
	"product": "dev", "group": "dev", "account": "operator", "event": "deployment", "url": "http://127.0.0.1:1/",
	"description": "x", "shell": "bash", "context": "local",
}

// password is that of the accounts in tests.
const password = "correct-horse"

// thingsAtNode makes what commands need at the node of TANDEM_DATA.
func thingsAtNode(t *testing.T) {
	t.Helper()
	make := func(args ...string) string {
		t.Helper()
		status, out, errs := within(t, password+"\n", args...)
		if status != 0 {
			t.Fatalf("tandem %q: %d %s", args, status, errs)
		}
		return strings.TrimSpace(out)
	}
	make("account", "password")
	make("device", "add", "d", "--group", "dev", "--product", "dev")
	rightArguments["login-key"] = make("key", "add", "of tests")
	rightArguments["deployment"], _, _ = strings.Cut(make("deployment", "list", "--quiet"), "\n")
	rightArguments["webhook"] = strings.Fields(make("webhook", "add", "deployment", "http://127.0.0.1:1/"))[0][len("ID="):]
	make("device", "claim", "add", "--quiet")
	make("account", "add", "ann", "ann@example.com")
	rightArguments["role-id"] = make("account", "role", "add", "ann", "viewer")
	rightArguments["link"] = make("account", "invitation", "add", "viewer")
	rightArguments["invitation"] = make("account", "invitation", "list", "--quiet")
	rightArguments["claim"] = make("device", "claim", "list", "--quiet")
}

// within runs a command to its end in this process, which takes less time than a process of its own.
func within(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	s := &streams{in: strings.NewReader(stdin), out: &out, err: &errs, stop: &stopper{cancel: func() {}}}
	status = run(t.Context(), args, s)
	return status, out.String(), errs.String()
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
	t.Setenv("TANDEM_CONFIG", filepath.Join(t.TempDir(), "contexts.json"))
	t.Chdir(t.TempDir())
	if err := os.Mkdir("pair", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join("pair", "agent.nut"), "")
	write(t, filepath.Join("pair", "x.test.nut"), "class X extends ImpTestCase { function testX() {} }")
	write(t, "file", "")
	write(t, "devices.csv", "id,key\n0123456789abcdef,0123456789abcdef\n")
	thingsAtNode(t)
	walkMistakes(t, func(name, wrong string, args ...string) {
		status, _, errs := within(t, password+"\n", args...)
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
	})
}

// walkMistakes calls try for each mistake: with the name of what is wrong, its value, and the command
// line.
func walkMistakes(t *testing.T, try func(name, wrong string, args ...string)) {
	tried := map[string]bool{}
	for _, leaf := range newParser(&commands{}).Model.Leaves(false) {
		command := strings.Fields(leaf.Path())
		right := rightOf(leaf)
		for _, f := range leaf.Flags {
			list := wrongOf(t, f)
			if same := f.Name + f.Help; tried[same] && len(list) > 0 {
				list = list[:1] // many commands have it; one of them was tried with all values
			} else {
				tried[same] = true
			}
			for _, wrong := range list {
				flag := "--" + f.Name
				if !slices.Contains(harmless, flag+" "+wrong) {
					try(flag, wrong, slices.Concat(command, needs(leaf, f), right, []string{flag, wrong})...)
				}
			}
		}
		for i, p := range leaf.Positional {
			own := needs(leaf, &kong.Flag{Value: &kong.Value{}})
			list, ok := wrongArguments[p.Name]
			if !ok {
				t.Errorf("%s has an argument %s: name wrong ones", leaf.Path(), p.Name)
			}
			if others, ok := wrongFor[leaf.Path()+" "+p.Name]; ok {
				list = others
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
				try(name, wrong, slices.Concat(command, own, args[:max(i+1, len(right))])...)
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
	if leaf.Name == "login" {
		return []string{"http://127.0.0.1:1"}
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
		case slices.Contains([]string{"http", "agents", "mqtt"}, other.Name):
			all = append(all, "--"+other.Name, "127.0.0.1:0") // those of other programs may be in use
		case other.Name == "group" && other.Required:
			all = append(all, "--group", "dev")
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
