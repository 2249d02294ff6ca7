package store

import (
	"testing"

	"github.com/tandem-iot/tandem"
)

func TestLibraries(t *testing.T) { onBoth(t, testLibraries) }

func testLibraries(t *testing.T, open opener) {
	s, ctx := open(t), t.Context()
	if list, err := s.Libraries(ctx); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	first := must[Library](t)(
		s.AddLibrary(ctx, tandem.LibraryID{Name: "Promise.lib.nut", Version: "4.0.0"}, "class Promise {}"))
	must[Library](t)(s.AddLibrary(ctx, tandem.LibraryID{Name: "Bullwinkle.class.nut", Version: "2.3.2"}, "// ü"))
	must[Library](t)(
		s.AddLibrary(ctx, tandem.LibraryID{Name: "Promise.lib.nut", Version: "3.0.1"}, "class Promise { old = true }"))

	again := must[Library](t)(
		s.AddLibrary(ctx, tandem.LibraryID{Name: "Promise.lib.nut", Version: "4.0.0"}, "class Promise {}"))
	if again != first {
		t.Errorf("added again, it is %+v, not %+v", again, first)
	}
	_, err := s.AddLibrary(ctx, tandem.LibraryID{Name: "Promise.lib.nut", Version: "4.0.0"}, "class Promise { }")
	wantKind(t, err, tandem.Conflict, "add this one as a new version")

	newest := tandem.LibraryID{Name: "Promise.lib.nut", Version: "4.0.0"}
	if code := must[string](t)(s.LibraryCode(ctx, newest)); code != "class Promise {}" {
		t.Errorf("the source is %q", code)
	}
	_, err = s.LibraryCode(ctx, tandem.LibraryID{Name: "Promise.lib.nut", Version: "5.0.0"})
	wantKind(t, err, tandem.NotFound, "no such library")

	list, err := s.Libraries(ctx)
	if err != nil || len(list) != 3 || list[0].ID != "Bullwinkle.class.nut:2.3.2" || list[1].ID != first.ID ||
		list[2].Version != "3.0.1" || list[1].Code != "" || list[1].Created.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
}
