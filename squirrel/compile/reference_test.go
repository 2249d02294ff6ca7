package compile

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the table in docs/opcodes.md")

// The table in docs/opcodes.md is made from the operations' comments and
// shapes.
func TestOpcodeReference(t *testing.T) {
	const name, heading = "../../docs/opcodes.md", "## The operations\n"
	meanings := opcodeComments(t)
	var b strings.Builder
	b.WriteString(heading + "\n| | operation | operands | |\n|---|---|---|---|\n")
	for op := range OpCount {
		if meanings[op] == "" {
			t.Errorf("%s has no comment that says what it does", op)
		}
		meaning := strings.ReplaceAll(meanings[op], "|", `\|`)
		fmt.Fprintf(&b, "| %d | `%s` | %s | %s |\n", op, op, operandNames(shapes[op]), meaning)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(data), heading)
	want := text + b.String()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(data) != want {
		t.Errorf("%s is not what the operations are: go test ./squirrel/compile -run %s -update", name, t.Name())
	}
}

// operandNames shows a shape as a disassembly shows the operands.
func operandNames(shape string) string {
	var names []string
	for _, field := range strings.Fields(shape) {
		names = append(names, "`"+field[:1]+"` "+operandKinds[field[1]])
	}
	return strings.Join(names, ", ")
}

var operandKinds = map[byte]string{
	'r': "register", 'x': "register or none", 'f': "callee", 'q': "first of four registers", 'n': "number", 'k': "string",
	's': "number, −128…127", 'o': "captured variable", 'z': "float", 'p': "function", 'y': "whether",
	'j': "jump", 'w': "first register",
}

// opcodeComments returns the comment behind each constant of type Op.
func opcodeComments(t *testing.T) (meanings [OpCount]string) {
	file, err := parser.ParseFile(token.NewFileSet(), "opcode.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		decl, ok := n.(*ast.GenDecl)
		if !ok || decl.Tok != token.CONST || len(decl.Specs) < int(OpCount) {
			return true
		}
		for i, spec := range decl.Specs[:OpCount] {
			meanings[i] = strings.TrimSpace(spec.(*ast.ValueSpec).Comment.Text())
		}
		return false
	})
	return meanings
}
