package tandem

import "regexp"

// LibraryID identifies a library, as programs name it in #require "NAME:VERSION".
// The source of a LibraryID never changes.
type LibraryID struct{ Name, Version string }

func (l LibraryID) String() string { return l.Name + ":" + l.Version }

var libraryForm = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9_.-]{0,79}):([0-9][A-Za-z0-9_.+-]{0,31})$`)

// ParseLibraryID reads NAME:VERSION.
func ParseLibraryID(text string) (LibraryID, error) {
	m := libraryForm.FindStringSubmatch(text)
	if m == nil {
		const msg = "%q is not the name and version of a library, such as Promise.lib.nut:4.0.0"
		return LibraryID{}, Errorf(Invalid, msg, text)
	}
	return LibraryID{m[1], m[2]}, nil
}
