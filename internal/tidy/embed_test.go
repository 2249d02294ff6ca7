package tidy

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const embedder = `// Command embedder has packages of ours as other programs do.
package main

import (
	"fmt"

	"` + module + `/squirrel"
	"` + module + `/squirrel/compile"
	_ "` + module + `/squirrel/regexp"
	_ "` + module + `/squirrel/syntax"
	_ "` + module + `/squirrel/text"
)

func main() {
	program, err := compile.Compile("a.nut", []byte("return 6 * 7"), compile.Options{})
	if err != nil {
		panic(err)
	}
	vm := squirrel.New(squirrel.Standard(), 1<<20)
	vm.Start(vm.Load(program), vm.Root())
	vm.Run(1_000)
	fmt.Println(vm.ToString(vm.Result()))
}
`

// TestEmbedding: a module that uses squirrel and its parts needs none of our
// requirements: not their code, their go.mod files, or their checksums. Go reads
// go.mod files of what a module requires only as far as imports lead there, so
// squirrel does not have to be a module of its own.
func TestEmbedding(t *testing.T) {
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	mod := "module embedder.example\n\ngo 1.26.0\n\n" +
		"require " + module + " v0.0.0\n\nreplace " + module + " => " + here + "\n"
	dir, cache := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"go.mod": mod, "go.sum": "", "main.go": embedder} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := func(args ...string) string {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		// A cache of its own: what happens to be downloaded here must not help.
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "GOMODCACHE="+cache)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
		}
		return strings.TrimSpace(string(out))
	}
	linked := command("list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	for pkg := range strings.FieldsSeq(linked) {
		if pkg != "embedder.example" && !matches(module+"/squirrel/...", pkg) {
			t.Errorf("%s is linked into a program that has squirrel alone", pkg)
		}
	}
	if out := command("run", "."); out != "42" {
		t.Errorf("the program prints %q", out)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "go.mod")); err != nil || string(after) != mod {
		t.Errorf("go.mod has become\n%s%v", after, err)
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) || len(sums) > 0 {
		t.Errorf("go.sum has become\n%s%v", sums, err)
	}
}
