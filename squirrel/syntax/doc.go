// Package syntax reads Squirrel 3.0.4 source, the dialect that Electric Imp
// runs, into a tree.
//
// [Parse] takes a whole script. It accepts what the original compiler accepts,
// its accidents included, because scripts in the field lean on them:
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
// What a name means (a local, a captured variable, a constant, a slot) is not
// decided here, so errors that depend on it are the compiler's to report.
//
// # Directives
//
// `#line N "file"` says that the next line is line N of that file, `#line N`
// that it is line N of the same. They decide what errors and traces say, and
// nothing else: see [Places]. What `#require "…"` means is for others to know,
// so they are only listed, in [File].
//
// # Errors
//
// Every error is an [*Error] with the original's text. Its position is that of
// the original too: where the scanner stood when it noticed, which is after
// the offending token. Lines count from 1. Columns count bytes; on the first
// line from 0, on every later one from 1, and a newline inside a comment or a
// string does not start again. A NUL byte ends the source.
//
// Nesting is limited to [MaxNesting] levels and the depth of the tree to
// [MaxDepth], so that no script exhausts the stack of a program that walks it.
package syntax
