// Package syntax parses the source of Squirrel 3.0.4, the dialect that Electric Imp
// runs, into a tree.
//
// [Parse] takes a whole script. It accepts everything that the original compiler
// accepts, even by accident, because existing scripts rely on it:
//
//   - A newline ends a statement only where the next token cannot continue it.
//   - Commas between array elements, table slots and call arguments are
//     optional.
//   - in and instanceof bind as loosely as &&.
//   - 1.2.3 is one number, 5.tostring() is a float and a name, 010 is eight.
//   - Whether an expression can be assigned to is decided by its last operand,
//     so `a == b || c = d` is accepted (see [Assign]).
//   - # starts a comment as // does, and two comments that begin a line are
//     directives.
//
// This package does not decide what a name means (a local, a captured variable, a
// constant, a slot). The compiler reports errors that depend on it.
//
// # Directives
//
// `#line N "file"` says that the next line is line N of that file, `#line N` that it is
// line N of the same file. They determine the places in errors and traces only: see
// [Places]. `#require "…"` is listed in [File] and has no effect here.
//
// # Errors
//
// Every error is an [*Error] with the original's text. Its position is that of the
// original too: where the scanner was when it found the error, which is after the
// offending token. Lines count from 1. Columns count bytes, on the first line from 0 and
// on later lines from 1; a newline inside a comment or a string does not reset them. A
// NUL byte ends the source.
//
// Nesting is limited to [MaxNesting] levels and the depth of the tree to [MaxDepth], so
// that no script exhausts the stack of a program that walks the tree.
package syntax
