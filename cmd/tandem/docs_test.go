package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "rewrite the reference in docs/commands.md")

// The reference in docs/commands.md is made from the grammar.
func TestCommandsDocument(t *testing.T) {
	const name, heading = "../../docs/commands.md", "## Reference\n"
	var list strings.Builder
	list.WriteString(heading)
	for _, command := range newParser(&commands{}).Model.Leaves(true) {
		describe(&list, command)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(data), heading)
	want := text + list.String()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(data) != want {
		t.Errorf("%s is not what the commands are: go test ./cmd/tandem -run %s -update", name, t.Name())
	}
	for _, command := range newParser(&commands{}).Model.Leaves(true) {
		if command.Help == "" {
			t.Errorf("%s has no help", command.FullPath())
		}
	}
}

func describe(out *strings.Builder, command *kong.Node) {
	fmt.Fprintf(out, "\n### %s\n\n%s\n", command.FullPath(), command.Help)
	row := func(name, help string) { fmt.Fprintf(out, "| `%s` | %s |\n", name, help) }
	flags := command.AllFlags(true)
	if len(command.Positional) == 0 && len(flags) == 1 { // --help
		return
	}
	out.WriteString("\n| | |\n|---|---|\n")
	for _, arg := range command.Positional {
		row(arg.Summary(), arg.Help)
	}
	for _, group := range flags {
		for _, f := range group {
			if f.Name == "help" {
				continue
			}
			name := "--" + f.Name
			if f.Short != 0 {
				name = "-" + string(f.Short) + ", " + name
			}
			if !f.IsBool() {
				name += " " + f.FormatPlaceHolder()
			}
			help := f.Help
			for _, env := range f.Envs {
				help += " Environment: `" + env + "`."
			}
			row(name, help)
		}
	}
}
