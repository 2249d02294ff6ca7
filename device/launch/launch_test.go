package launch

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/device/enrol"
)

func parse(t *testing.T, args ...string) (*Options, error) {
	t.Helper()
	var o Options
	return &o, o.Parse(flag.NewFlagSet("device", flag.ContinueOnError), args)
}

// TestParse: the command line goes before the environment, and that before the default.
func TestParse(t *testing.T) {
	t.Setenv("TANDEM_DEVICE_NODE", "tls://environment")
	t.Setenv("TANDEM_DEVICE_KEY", "of the environment")
	o, err := parse(t, "--id", "1", "-key=2", "--client-cert", "c", "--ca", "a", "--module", "imp003",
		"--log-level", "warn", "--keep-for", "36h")
	if err != nil {
		t.Fatal(err)
	}
	want := Options{
		ID: "1", Key: "2", Node: "tls://environment", trust: trust{CA: "a", ClientCert: "c"},
		keep: keep{Keep: 64, KeepFor: 36 * time.Hour}, Hardware: Hardware{Module: "imp003"}, LogLevel: "warn",
	}
	if *o != want {
		t.Errorf("got %+v, want %+v", *o, want)
	}
	if o, err := parse(t); err != nil || o.LogLevel != "info" || o.Key != "of the environment" {
		t.Errorf("got %+v, %v", o, err)
	}
	if _, err := parse(t, "--help"); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
}

// TestOptions: each option is a name with a help text in which all words are known.
func TestOptions(t *testing.T) {
	var text strings.Builder
	if err := WriteOptions(&text); err != nil {
		t.Fatal(err)
	}
	for _, x := range new(Options).options() {
		_, isSwitch := x.value.(*bool)
		if x.help == "" || strings.Contains(x.help, "$") || strings.Contains(x.help, "  ") ||
			(x.placeholder == "") != isSwitch {
			t.Errorf("--%s has the help %q", x.name, x.help)
		}
		if !strings.Contains(text.String(), "\n  "+strings.TrimSpace("--"+x.name+" "+x.placeholder)+"\n") {
			t.Errorf("--%s is not in the help", x.name)
		}
	}
}

// TestIdentity: who the device is and where it connects, by its options, the file of --identity and
// its directory, in which it may have enrolled.
func TestIdentity(t *testing.T) {
	const id, other = "0123456789abcdef", "00000000000000ff"
	const enrolled = "tandem:" + id + ":a-key-of-16-signs@https://h"
	file := filepath.Join(t.TempDir(), "identity")
	for _, tc := range []struct {
		name, file, ticket string // the file of --identity, and with what the directory has enrolled
		o                  Options
		want               identity
		node               string // where it connects
		wrong              string // a part of the error
	}{
		{name: "as tandem device add prints it", file: "ID=" + id + "\nKEY=k\nURL=http://h/a\n",
			want: identity{id, "k", ""}, node: DefaultNode},
		{name: "as an environment, from Windows", file: "# kitchen\r\nTANDEM_DEVICE_ID='" + id + "'\r\n" +
			"TANDEM_DEVICE_KEY=\"k=\"\r\nnode = tls://h\r\n", want: identity{id, "k=", "tls://h"}, node: "tls://h"},
		{name: "options go first", file: "ID=" + id + "\nKEY=k\nNODE=tls://h", o: Options{Key: "o", Node: "ws://o"},
			want: identity{id, "o", "ws://o"}, node: "ws://o"},
		{name: "a certificate instead of the key", file: "ID=" + id, o: Options{trust: trust{ClientCert: "c"}},
			want: identity{id, "", ""}, node: DefaultNode},
		{name: "no key", file: "ID=" + id, wrong: "give the key of device " + id},
		{name: "no id", file: "KEY=k", wrong: "give the id of the device with this key"},
		{name: "damaged", file: "ID=" + id + "\n\x00\x00\n", wrong: file + ":2: "},
		{name: "no id either", file: "ID=kitchen\nKEY=k", wrong: `"kitchen"`},
		{name: "nothing", wrong: "has no identity in "},
		{name: "enrolled", ticket: enrolled, node: "wss://h/mqtt"},
		{name: "enrolled, at another node", ticket: enrolled, o: Options{Node: "tls://o"}, want: identity{node: "tls://o"},
			node: "tls://o"},
		{name: "enrolled without a server", ticket: "tandem:" + id + ":a-key-of-16-signs", node: DefaultNode},
		{name: "enrolled, and its id", file: "ID=" + id, ticket: enrolled, want: identity{id: id}, node: "wss://h/mqtt"},
		{name: "enrolled as another", file: "ID=" + other + "\nKEY=k", ticket: enrolled, want: identity{other, "k", ""},
			node: DefaultNode},
		{name: "enrolled as another, and no key", file: "ID=" + other, ticket: enrolled,
			wrong: "give the key of device " + other},
		{name: "a server without a code", o: Options{Enrolling: Enrolling{Server: "https://h"}}, wrong: "give --claim too"},
		{name: "a certificate, no code", o: Options{Enrolling: Enrolling{Certificate: true}}, wrong: "give --claim too"},
		{name: "a code and an id", file: "ID=" + id, o: Options{Claim: "c"}, wrong: "leave out --id, or --claim"},
	} {
		dir := t.TempDir()
		if tc.ticket != "" {
			if _, err := (&enrol.Enrolment{Dir: dir}).Run(t.Context(), tc.ticket); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(file, []byte(tc.file), 0o600); err != nil {
			t.Fatal(err)
		}
		tc.o.Identity = file
		who, err := tc.o.identity()
		node := ""
		if err == nil {
			node, err = tc.o.resolve(who, dir)
		}
		switch {
		case tc.wrong == "" && (err != nil || who != tc.want || node != tc.node):
			t.Errorf("%s: %+v at %s, %v", tc.name, who, node, err)
		case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)):
			t.Errorf("%s: %v, want %s", tc.name, err, tc.wrong)
		}
	}
}

// TestEnrolWhere: no code is used when the device could not connect afterwards.
func TestEnrolWhere(t *testing.T) {
	for _, tc := range []struct{ server, node, wrong string }{
		{"", "", ""},
		{"https://h/tandem", "tls://h", ""},
		{"h", "", `--server: "h" is not the URL of a node`},
		{"wss://h", "", `--server: "wss://h" is not the URL of a node`},
		{"", "h:1883", `--node: "h:1883" is no server address`},
		{"https://h", "https://h", `--node: "https" is no way to reach a server`},
		{"https://h", "tcp://h:99999", "--node: tcp://h:99999: ports are numbers up to 65535"},
	} {
		_, err := (&Enrolling{Server: tc.server}).Enrolment(t.TempDir(), tc.node, nil)
		if (err == nil) != (tc.wrong == "") || err != nil && !strings.HasPrefix(err.Error(), tc.wrong) {
			t.Errorf("--server %s --node %s: %v, want %s", tc.server, tc.node, err, tc.wrong)
		}
	}
}
