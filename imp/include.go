package imp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/squirrel/compile"
	"github.com/tandem-iot/tandem/squirrel/syntax"
)

// CheckLibrary returns the reason why a source cannot be a library, or nil.
func CheckLibrary(l tandem.LibraryID, code string) error {
	switch {
	case strings.TrimSpace(code) == "":
		return tandem.Errorf(tandem.Invalid, "the library %s is empty", l)
	case len(code) > tandem.LibrarySize:
		return tandem.Errorf(tandem.Limit, "the library %s has %d bytes, more than %d", l, len(code), tandem.LibrarySize)
	case strings.Contains(code, "\x00"):
		return tandem.Errorf(tandem.Invalid, "the library %s has a NUL byte, which ends a source", l)
	}
	_, err := compile.Compile(l.Name, []byte(code), compile.Options{})
	if err == nil {
		_, _, err = requires(l.Name, code)
	}
	if err != nil {
		return &tandem.Error{Kind: tandem.Invalid, Msg: "the library does not compile", Err: err}
	}
	return nil
}

// requirement is a #require directive and its place.
type requirement struct {
	tandem.LibraryID
	file    string
	pos     syntax.Pos
	excerpt syntax.Excerpt
}

func (r requirement) fail(format string, args ...any) error {
	return &syntax.Error{File: r.file, Pos: r.pos, Msg: fmt.Sprintf(format, args...), Excerpt: r.excerpt}
}

// requires returns the #require directives of a source, and the source without them,
// with the same lines. Its error is a *syntax.Error.
func requires(name, src string) (list []requirement, rest string, err error) {
	if !strings.Contains(src, "#require") && !strings.HasPrefix(src, "\xef\xbb\xbf") {
		return nil, src, nil
	}
	file, err := syntax.Parse(name, []byte(src))
	if err != nil {
		return nil, "", err
	}
	var b strings.Builder
	from := 0
	for _, r := range file.Requires {
		at := requirement{pos: r.Pos, excerpt: syntax.NewExcerpt(name, file.Text, file.Places, r.Begin)}
		at.pos.Col = max(1, at.pos.Col) // the scanner counts from 0 on the first line
		at.file, at.pos.Line = file.Places.At(name, r.Pos.Line)
		quoted := strings.HasPrefix(r.Text, `"`) && strings.HasSuffix(r.Text, `"`) && len(r.Text) > 1
		if at.LibraryID, err = tandem.ParseLibraryID(strings.Trim(r.Text, `"`)); err != nil || !quoted {
			return nil, "", at.fail(`write #require "NAME:VERSION", such as #require "Promise.lib.nut:4.0.0"`)
		}
		list = append(list, at)
		b.Write(file.Text[from:r.Begin])
		from = r.End
	}
	b.Write(file.Text[from:])
	return list, b.String(), nil
}

// Include returns a side's program preceded by the libraries that it requires, and
// those that they require. They come first wherever the directives are, because test
// runners put their own code before that of a user. A program without requirements
// is returned unchanged. A program may have tandem.ProgramSize bytes, its libraries
// included. find returns the source of a library, or an error of kind
// NotFound. The error is a *syntax.Error when the program is at fault.
//
// The result is complete: #line directives in it give the file of each line, and it
// has no #require directives.
func Include(
	ctx context.Context, side tandem.Side, src string, find func(context.Context, tandem.LibraryID) (string, error),
) (string, error) {
	if len(src) > tandem.ProgramSize {
		start := requirement{file: SourceName(side), pos: syntax.Pos{Line: 1, Col: 1}}
		return "", start.fail("the program has %d bytes, more than %d", len(src), tandem.ProgramSize)
	}
	list, rest, err := requires(SourceName(side), src)
	if err != nil || len(list) == 0 {
		return src, err
	}
	in := includer{ctx: ctx, find: find, state: map[string]*included{}}
	for i, r := range list {
		if err := in.add(r); err != nil {
			return "", in.withOthers(err, list[i+1:])
		}
	}
	in.write(SourceName(side), rest)
	if in.out.Len() > tandem.ProgramSize {
		return "", list[0].fail("the program with its libraries has %d bytes, more than %d", in.out.Len(), tandem.ProgramSize)
	}
	return in.out.String(), nil
}

type includer struct {
	ctx   context.Context
	find  func(context.Context, tandem.LibraryID) (string, error)
	state map[string]*included // by name
	path  []string             // libraries that are being read, each required by the one before
	away  bool                 // a library was not found
	out   bytes.Buffer
}

// withOthers adds to the error about a library that was not found which others of the program are
// not found either, so that they can be added at once.
func (in *includer) withOthers(err error, rest []requirement) error {
	bad := new(syntax.Error)
	if !in.away || !errors.As(err, &bad) {
		return err
	}
	var names []string
	for _, r := range rest {
		if _, err := in.find(in.ctx, r.LibraryID); tandem.KindOf(err) == tandem.NotFound {
			names = append(names, r.String())
		}
	}
	if names == nil {
		return err
	}
	more := *bad
	more.Msg += "; these are not here either: " + strings.Join(names, ", ")
	return &more
}

// included is a library that is being added to the program.
type included struct {
	version string
	done    bool
}

// add writes a library after the libraries that it requires.
func (in *includer) add(r requirement) error {
	if have := in.state[r.Name]; have != nil {
		switch {
		case have.version != r.Version:
			return r.fail("the library %s is required in version %s too: a program can have only one version",
				r.LibraryID, have.version)
		case !have.done:
			return r.fail("libraries require each other: %s, %s", strings.Join(in.path, ", "), r.LibraryID)
		}
		return nil
	}
	code, err := in.find(in.ctx, r.LibraryID)
	if tandem.KindOf(err) == tandem.NotFound {
		in.away = true
		return r.fail("there is no library %s here; add it with: tandem library add %s FILE", r.LibraryID, r.LibraryID)
	}
	if err != nil {
		return err
	}
	list, rest, err := requires(r.Name, code)
	if err != nil {
		return err
	}
	have := &included{version: r.Version}
	in.state[r.Name] = have
	in.path = append(in.path, r.String())
	for _, inner := range list {
		if err := in.add(inner); err != nil {
			return err
		}
	}
	in.path, have.done = in.path[:len(in.path)-1], true
	in.write(r.Name, rest)
	if in.out.Len() > tandem.ProgramSize {
		return r.fail("the program with its libraries has more than %d bytes", tandem.ProgramSize)
	}
	return nil
}

// write adds a source. The semicolon before it ends a statement that the source before
// has left open.
func (in *includer) write(name, src string) {
	if in.out.Len() > 0 {
		in.out.WriteString("\n;")
	}
	fmt.Fprintf(&in.out, "\n#line 1 %q\n%s", name, src)
}
