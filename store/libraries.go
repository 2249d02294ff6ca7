package store

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
)

// A Library is source that deployments require by its name and version. It is
// never changed and never deleted, so that a deployment always means the same,
// on every node.
type Library struct {
	ID      string // name:version
	Name    string
	Version string
	Created time.Time
	Code    string // empty in a list
}

// libraryHeads is the table without the code.
var libraryHeads = table[Library]{
	name: "libraries", noun: "library", order: "name, rowid",
	columns: "id, name, version, created",
	fields: func(l *Library) []any {
		return []any{&l.ID, &l.Name, &l.Version, (*milli)(&l.Created)}
	},
}

var libraries = table[Library]{
	name: libraryHeads.name, noun: libraryHeads.noun, order: libraryHeads.order,
	columns: libraryHeads.columns + ", code",
	covered: 4, coded: true,
	fields: func(l *Library) []any {
		return append(libraryHeads.fields(l), &l.Code)
	},
}

// AddLibrary adds a library. Adding it again with the same source changes
// nothing.
func (s *Store) AddLibrary(ctx context.Context, id tandem.LibraryID, code string) (Library, error) {
	l := Library{ID: id.String(), Name: id.Name, Version: id.Version, Created: s.stamp(), Code: code}
	err := s.do(ctx, func() error {
		have, err := libraries.one(s.inside(), s.write, where("id = ?", l.ID))
		switch {
		case tandem.KindOf(err) == tandem.NotFound:
			return libraries.insert(s, &l)
		case err != nil:
			return err
		case have.Code != code:
			return tandem.Errorf(tandem.Conflict,
				"the library %s exists already with different source, and a version never changes; add this one as a new version",
				l.ID)
		}
		l = have
		return nil
	})
	return l, err
}

// LibraryCode returns the source of a library.
func (s *Store) LibraryCode(ctx context.Context, id tandem.LibraryID) (string, error) {
	l, err := libraries.one(ctx, s.read, where("id = ?", id.String()))
	return l.Code, s.describe(err)
}

// Libraries returns all libraries without their source, by name, the versions
// of each in the order in which they were added.
func (s *Store) Libraries(ctx context.Context) ([]Library, error) {
	list, _, err := libraryHeads.list(ctx, s, condition{}, Page{})
	return list, err
}
