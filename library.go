package tandem

import "regexp"

// LibraryID is what programs ask for with #require "NAME:VERSION". It means the
// same source for ever.
type LibraryID struct{ Name, Version string }

func (l LibraryID) String() string { return l.Name + ":" + l.Version }

var libraryForm = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9_.-]{0,79}):([0-9][A-Za-z0-9_.+-]{0,31})$`)

// ParseLibraryID reads NAME:VERSION.
func ParseLibraryID(text string) (LibraryID, error) {
	m := libraryForm.FindStringSubmatch(text)
	if m == nil {
		return LibraryID{}, Errorf(Invalid, "%q is not the name and version of a library, such as Promise.lib.nut:4.0.0", text)
	}
	return LibraryID{m[1], m[2]}, nil
}
