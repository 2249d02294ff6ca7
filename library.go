package tandem

import "strings"

// LibraryID identifies a library, as programs name it in #require "NAME:VERSION".
// The source of a LibraryID never changes.
type LibraryID struct{ Name, Version string }

func (l LibraryID) String() string { return l.Name + ":" + l.Version }

// Most characters of the parts of a LibraryID.
const (
	maxLibraryName    = 80
	maxLibraryVersion = 32
)

// ParseLibraryID reads NAME:VERSION: letters, digits and a few signs, of which a name begins
// with a letter or digit and a version with a digit.
func ParseLibraryID(text string) (LibraryID, error) {
	name, version, ok := strings.Cut(text, ":")
	if !ok || !libraryWord(name, "_.-", maxLibraryName) || !libraryWord(version, "_.+-", maxLibraryVersion) ||
		version[0] > '9' {
		const msg = "%q is not the name and version of a library, such as Promise.lib.nut:4.0.0"
		return LibraryID{}, Errorf(Invalid, msg, text)
	}
	return LibraryID{name, version}, nil
}

// libraryWord reports whether a text begins with a letter or digit and has only these and signs.
func libraryWord(text, signs string, most int) bool {
	if text == "" || len(text) > most || strings.IndexByte(signs, text[0]) >= 0 {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool {
		plain := r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		return !plain && !strings.ContainsRune(signs, r)
	})
}
