package protocol

import (
	"reflect"
)

// Mistakes returns the names of the mistakes that Break knows.
func Mistakes() (names []string) {
	t := reflect.TypeFor[bugs]()
	for i := range t.NumField() {
		names = append(names, t.Field(i).Name)
	}
	return names
}

// Break switches a mistake on in a core: a *Link, *Guests, *Calls, *Moves, *Member or
// *News. Only simulations call it, to show that they notice the mistake. Names that are
// not in Mistakes have no effect.
func Break(core any, name string) {
	field := reflect.ValueOf(core).Elem().FieldByName("bugs").FieldByName(name)
	if field.IsValid() {
		*(*bool)(field.Addr().UnsafePointer()) = true
	}
}
