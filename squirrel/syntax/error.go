package syntax

import "fmt"

// Error is an error in a script.
type Error struct {
	File string
	Pos  Pos
	Msg  string // in the original's words; see Plain

	Found   string  // the token that is there instead of what should be, in words; "": it says nothing
	Excerpt Excerpt // for people; none if the source is not known

	plain string // "" where Msg says it all

	// AtEnd says that something was missing at the end of the text, which ends with a
	// newline: with more text the script may be valid.
	AtEnd bool
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Pos.Line, e.Pos.Col, e.Msg)
}

// Stock returns the error as the original's console prints it.
func (e *Error) Stock() string {
	return fmt.Sprintf("%s line = (%d) column = (%d) : error %s", e.File, e.Pos.Line, e.Pos.Col, e.Msg)
}
