package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// pkg is a package in the form of go list.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string // without tests, for this system
	Module     *struct{ Path string }
}

// Name returns the import path without the module's path; for the root of the module,
// its last element.
func (p pkg) Name() string {
	if p.Module == nil || p.ImportPath == p.Module.Path {
		return path.Base(p.ImportPath)
	}
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, p.Module.Path), "/")
}

// load returns the packages that match the patterns.
func load(ctx context.Context, patterns []string) (pkgs []pkg, err error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-json=ImportPath,Dir,GoFiles,Module"}, patterns...)...)
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, fmt.Errorf("go list: %s", strings.TrimSpace(string(exit.Stderr)))
		}
		return nil, fmt.Errorf("go list: %w", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return pkgs, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		pkgs = append(pkgs, p)
	}
}

// mutations returns every mutation of the package's files, in source order.
func (p pkg) mutations() (all []mutation, err error) {
	for _, name := range p.GoFiles {
		file := filepath.Join(p.Dir, name)
		src, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		found, err := fileMutations(file, src)
		if err != nil {
			return nil, err
		}
		for i := range found {
			found[i].Func = strings.TrimPrefix(p.Name()+"."+found[i].Func, ".")
		}
		all = append(all, found...)
	}
	return all, nil
}

// fileMutations returns every mutation of one file, in source order.
func fileMutations(path string, src []byte) ([]mutation, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}
	f := finder{path: path, src: src, fset: fset}
	for _, decl := range file.Decls {
		f.name, f.results = "", nil
		if fn, ok := decl.(*ast.FuncDecl); ok {
			f.name, f.results = functionName(fn), fn.Type.Results
		}
		f.inspect(decl)
	}
	slices.SortStableFunc(f.found, func(a, b mutation) int { return a.Start - b.Start })
	return f.found, nil
}

// functionName returns Name or Type.Name.
func functionName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
			continue
		case *ast.IndexExpr:
			t = x.X
			continue
		case *ast.IndexListExpr:
			t = x.X
			continue
		case *ast.Ident:
			return x.Name + "." + fn.Name.Name
		}
		return fn.Name.Name
	}
}

// pick orders mutations so that every prefix of the order is spread over the files, in
// proportion to their mutations.
func pick(all []mutation, seed uint64) []mutation {
	type ranked struct {
		mutation
		rank float64
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	byFile := map[string][]mutation{}
	var files []string
	for _, m := range all {
		if byFile[m.File] == nil {
			files = append(files, m.File)
		}
		byFile[m.File] = append(byFile[m.File], m)
	}
	var order []ranked
	for _, name := range files {
		list := byFile[name]
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		offset := rng.Float64()
		for i, m := range list {
			order = append(order, ranked{m, (float64(i) + offset) / float64(len(list))})
		}
	}
	slices.SortStableFunc(order, func(a, b ranked) int {
		switch {
		case a.rank < b.rank:
			return -1
		case a.rank > b.rank:
			return 1
		}
		return 0
	})
	picked := make([]mutation, len(order))
	for i, r := range order {
		picked[i] = r.mutation
	}
	return picked
}
