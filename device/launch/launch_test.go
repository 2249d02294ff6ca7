package launch

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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
		if x.help == "" || strings.Contains(x.help, "$") || strings.Contains(x.help, "  ") || x.placeholder == "" && !isSwitch {
			t.Errorf("--%s has the help %q", x.name, x.help)
		}
		if !strings.Contains(text.String(), "\n  "+strings.TrimSpace("--"+x.name+" "+x.placeholder)+"\n") {
			t.Errorf("--%s is not in the help", x.name)
		}
	}
}

func TestIdentity(t *testing.T) {
	const id = "0123456789abcdef"
	file := filepath.Join(t.TempDir(), "identity")
	for _, tc := range []struct {
		name, file string
		o          Options
		want       identity
		wrong      string // a part of the error
	}{
		{"as tandem device add prints it", "ID=" + id + "\nKEY=k\nURL=http://h/a\n", Options{},
			identity{id, "k", DefaultNode}, ""},
		{"as an environment, from Windows", "# kitchen\r\nTANDEM_DEVICE_ID='" + id + "'\r\n" +
			"TANDEM_DEVICE_KEY=\"k=\"\r\nnode = tls://h\r\n", Options{}, identity{id, "k=", "tls://h"}, ""},
		{"options go first", "ID=" + id + "\nKEY=k\nNODE=tls://h", Options{Key: "o", Node: "ws://o"},
			identity{id, "o", "ws://o"}, ""},
		{"a certificate instead of the key", "ID=" + id, Options{trust: trust{ClientCert: "c"}},
			identity{id, "", DefaultNode}, ""},
		{"no key", "ID=" + id, Options{}, identity{}, "give the key"},
		{"no id", "KEY=k", Options{}, identity{}, "give the device's id"},
		{"damaged", "ID=" + id + "\n\x00\x00\n", Options{}, identity{}, file + ":2: "},
		{"no id either", "ID=kitchen\nKEY=k", Options{}, identity{}, `"kitchen"`},
	} {
		if err := os.WriteFile(file, []byte(tc.file), 0o600); err != nil {
			t.Fatal(err)
		}
		tc.o.Identity = file
		who, err := tc.o.identity()
		switch {
		case tc.wrong == "" && (err != nil || who != tc.want):
			t.Errorf("%s: %+v, %v", tc.name, who, err)
		case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)):
			t.Errorf("%s: %v, want %s", tc.name, err, tc.wrong)
		}
	}
}
