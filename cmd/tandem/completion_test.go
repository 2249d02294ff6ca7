package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompletion: a command line is completed by commands, flags, words of a choice, names of what
// the node has, and files, and each shell's script asks for that.
func TestCompletion(t *testing.T) {
	_, access := atNode(t)
	login := []string{"--url", access.URL, "--login-key", access.Key}
	within(t, "", append([]string{"device", "add", "kitchen"}, login...)...)
	within(t, "", "login", access.URL, "--login-key", access.Key, "--context", "home")
	bin := t.TempDir()
	exe, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nTANDEM_TEST_COMMAND=1 exec " + exe + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "tandem"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, tc := range []struct{ line, want string }{ // the want are words, the first of all
		{"dep", "deploy deployment"},
		{"device sh", "show"},
		{"device nosuch", ""},
		{"log ki", "kitchen"},
		{"log kitchen ki", "kitchen"},
		{"device show kitchen k", ""},
		{"deploy --group d", "dev"},
		{"deploy --product d", "dev"},
		{"--json deploy --group d", "dev"},
		{"restart ag", "agent"},
		{"restart agent k", "kitchen"},
		{"log --level er", "error"},
		{"log --sin", "--since"},
		{"context use lo", "local"},
		{"deploy --context ho", "home"},
		{"completion b", "bash"},
		{"account show oper", "operator"},
		{"deploy pa", filesWord},
		{"deploy --cacert x", filesWord},
	} {
		_, out, errs := within(t, "", append([]string{completeWord}, strings.Split(tc.line, " ")...)...)
		var words []string
		for line := range strings.Lines(out) {
			word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			words = append(words, word)
		}
		if got := strings.Join(words, " "); got != tc.want || errs != "" {
			t.Errorf("%s: %q %s, want %q", tc.line, got, errs, tc.want)
		}
	}
	for shell, ask := range map[string]string{
		"bash": `source <(tandem completion bash); COMP_WORDS=(tandem device sho); COMP_CWORD=2; _tandem; echo "${COMPREPLY[@]}"
			COMP_WORDS=(tandem log kit); COMP_CWORD=2; _tandem; echo "${COMPREPLY[@]}"
			COMP_WORDS=(tandem deploy pai); COMP_CWORD=2; _tandem; echo "${COMPREPLY[@]}"`,
		"fish": `source (tandem completion fish | psub); for l in "device sho" "log kit" "deploy pai"
			complete -C "tandem $l" | string replace -r '[\t/].*' ''; end`,
		"zsh": `compdef() { :; }; source <(tandem completion zsh); _describe() { print -l ${described%%:*}; }; _files() { print pair; }
			for l in sho kit pai; do words=(tandem $l); case $l in sho) words=(tandem device sho);; kit) words=(tandem log kit);;
			pai) words=(tandem deploy pai);; esac; CURRENT=$#words; _tandem; done`,
	} {
		t.Run(shell, func(t *testing.T) {
			var errs bytes.Buffer
			cmd := exec.Command(shell, "-c", ask)
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != "show kitchen pair" {
				t.Errorf("got %q, %v, %s", got, err, errs.String())
			}
		})
	}
}
