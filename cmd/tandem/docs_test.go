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
	list.WriteString(heading + "\nEvery command has these:\n\n| | |\n|---|---|\n")
	for _, f := range newParser(&commands{}).Model.Flags {
		if f.Name != "help" {
			flagRow(&list, f)
		}
	}
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
	if len(command.Positional) == 0 && len(command.Flags) == 0 {
		return
	}
	out.WriteString("\n| | |\n|---|---|\n")
	for _, arg := range command.Positional {
		fmt.Fprintf(out, "| `%s` | %s |\n", arg.Summary(), arg.Help)
	}
	for _, f := range command.Flags {
		if !f.Hidden {
			flagRow(out, f)
		}
	}
}

func flagRow(out *strings.Builder, f *kong.Flag) {
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
	fmt.Fprintf(out, "| `%s` | %s |\n", name, help)
}
