package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun: what the command says, and its exit statuses.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	who := filepath.Join(dir, "identity")
	if err := os.WriteFile(who, []byte("ID=0123456789abcdef\nKEY=secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args   string
		status int
		out    string // a part of either output
	}{
		{"--help", 0, "\n  --client-cert FILE\n"},
		{"-h", 0, "\n  --version\n"},
		{"--version", 0, "tandem-device "},
		{"--colour", 2, "-colour (tandem-device --help lists the options)"},
		{"now", 2, "unexpected argument now"},
		{"--log-level loud", 2, "debug, info, warn, error"},
		{"", 1, "--identity FILE"},
		{"", 1, "enrol it with --claim CODE"},
		{"--help", 0, "\n  --claim CODE\n"},
		{"--help", 0, "\n  --server URL\n"},
		{"--help", 0, "\n  --certificate\n"},
		{"--claim 7K3M --dir " + dir + "/state", 1, "--claim: a claim code has 12 letters and digits"},
		{"--claim 7K3M-Q0D4-X9TW --server host --dir " + dir + "/state", 1, "--server: \"host\" is not the URL of a node"},
		{"--claim 7K3M-Q0D4-X9TW --node host --dir " + dir + "/state", 1, "--node: \"host\" is no server address"},
		{"--claim 7K3M-Q0D4-X9TW --identity " + who, 1, "leave out --id, or --claim"},
		{"--server https://localhost", 1, "give --claim too"},
		{"--certificate", 1, "give --claim too"},
		{"--id kitchen --key k", 1, "is not a device id"},
		{"--id 0123456789abcdef", 1, "give the key of device 0123456789abcdef"},
		{"--identity " + dir + "/none", 1, dir + "/none"},
		{"--identity " + who + " --node host:1883", 1, "is no server address"},
		{"--identity " + who + " --ca " + who, 1, "use tls:// or wss://"},
		{"--identity " + who + " --node tls://localhost --ca " + who, 1, "no certificate in PEM"},
		{"--identity " + who + " --board " + dir + "/none", 1, "--board: open " + dir + "/none"},
		{"--identity " + who + " --code " + dir + "/none --dir " + dir, 1, dir + "/none"},
	} {
		var out, errs strings.Builder
		status := run(t.Context(), strings.Fields(tc.args), &out, &errs)
		if status != tc.status || !strings.Contains(out.String()+errs.String(), tc.out) {
			t.Errorf("%q: status %d\n%s%s", tc.args, status, out.String(), errs.String())
		}
		if (status == 0) != (errs.Len() == 0) {
			t.Errorf("%q: status %d, and on standard error: %s", tc.args, status, errs.String())
		}
	}
}
