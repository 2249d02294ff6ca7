package central

import (
	"context"
	"net/http"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/store"
)

// AddLibrary adds a library to the installation, for every program that has
// #require "NAME:VERSION" from then on. It cannot be changed or deleted.
func (s *Service) AddLibrary(ctx context.Context, id tandem.LibraryID, code string) (store.Library, error) {
	if err := imp.CheckLibrary(id, code); err != nil {
		return store.Library{}, err
	}
	return s.Store.AddLibrary(ctx, id, code)
}

// library returns a library in the form in which it is sent, with all its versions.
func (c *call) library(name string, versions []ref) map[string]any {
	return map[string]any{
		"type": "library", "id": name, "links": c.self("libraries", name),
		"attributes":    map[string]any{"name": name, "supported": true},
		"relationships": map[string]any{"versions": versions},
	}
}

const libraryVersion = "library_version"

func (c *call) listLibraries() error {
	list, err := c.Store.Libraries(c.ctx)
	if err != nil {
		return err
	}
	var names []string // in the order of the list
	versions := map[string][]ref{}
	for _, l := range list {
		if versions[l.Name] == nil {
			names = append(names, l.Name)
		}
		versions[l.Name] = append(versions[l.Name], ref{libraryVersion, l.ID})
	}
	show := func(name string) any { return c.library(name, versions[name]) }
	number, page := c.page()
	return sendPart(c, number, page, names, show)
}

func (c *call) addLibrary() error {
	var in struct{ Name, Version, Code string }
	if _, err := c.readAs(shape{types: []string{"library"}}, &in); err != nil {
		return err
	}
	id, err := tandem.ParseLibraryID(in.Name + ":" + in.Version)
	if err != nil {
		return err
	}
	l, err := c.AddLibrary(c.ctx, id, in.Code)
	if err != nil {
		return err
	}
	return c.send(http.StatusCreated, map[string]any{"data": c.library(l.Name, []ref{{libraryVersion, l.ID}})})
}
