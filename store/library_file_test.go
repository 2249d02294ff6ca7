package store

import (
	"path/filepath"
	"testing"

	"github.com/tandem-iot/tandem"
)

// TestLibraryIn: a library can be read while another has the database open.
func TestLibraryIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tandem.db")
	s := openFile(t, path)
	id := tandem.LibraryID{Name: "Greeter.lib.nut", Version: "1.0.0"}
	if _, err := LibraryIn(t.Context(), path, id); tandem.KindOf(err) != tandem.NotFound {
		t.Errorf("before it is added: %v", err)
	}
	if _, err := s.AddLibrary(t.Context(), id, "x <- 1;"); err != nil {
		t.Fatal(err)
	}
	if code, err := LibraryIn(t.Context(), path, id); code != "x <- 1;" || err != nil {
		t.Errorf("while the store is open: %q, %v", code, err)
	}
	if _, err := LibraryIn(t.Context(), path+"x", id); err == nil {
		t.Error("a database that does not exist has a library")
	}
}
