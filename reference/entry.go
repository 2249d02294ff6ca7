package reference

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/device"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/internal/spelling"
)

// Kind is the kind of an Entry.
type Kind string

// The kinds.
const (
	Function Kind = "function" // called by its path
	Method   Kind = "method"   // called on a value of a type or class
	Class    Kind = "class"    // a native class; Callable when programs can make instances
	Constant Kind = "constant" // the same in every program
	Value    Kind = "value"    // set by the host
)

// Entry documents a function, method, class, constant or value. If it differs
// between the sides, each side has an entry.
type Entry struct {
	Name     string // path such as "server.save"; methods have their type's name first: "string.find"
	Object   string // the object whose page has the entry: "server", "string", or "base" for globals
	Kind     Kind
	On       imp.Sides
	Callable bool
	Params   []imp.Param
	Result   string // type; "" is null
	Throws   []string
	Value    string // of a Constant, as a literal
	Doc      string
	Source   string // URL of the original documentation, or "tandem" when the behaviour is our own
	Example  string // a program
}

// Object is a group of entries.
type Object struct {
	Name    string
	Doc     string
	Group   string // one of Groups
	On      imp.Sides
	Entries []Entry // a class first, constants last
}

// Groups are the groups of objects in the order of the manual.
var Groups = []string{"Agent", "Device", "Both sides", "Language"}

// Entries returns all entries, ordered by object and then by name. The caller
// must not change them.
func Entries() []Entry { return entries() }

// Objects returns the objects in the order of their groups, and by name.
func Objects() []Object { return objects() }

// apis returns the whole registry; imp.Shared is in what device.API returns.
func apis() []imp.API { return append([]imp.API{language(), agent.API}, device.API()...) }

var entries = sync.OnceValue(func() []Entry {
	var all []Entry
	for _, api := range apis() {
		all = append(all, fromAPI(api)...)
	}
	all = append(all, values...)
	slices.SortStableFunc(all, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), strings.Compare(a.Name, b.Name), cmp.Compare(a.On, b.On))
	})
	return mergeConstants(all)
})

// mergeConstants merges the entries of a constant that each side registers by
// itself.
func mergeConstants(all []Entry) (merged []Entry) {
	for _, e := range all {
		if n := len(merged); n > 0 && e.Kind == Constant {
			if last := &merged[n-1]; last.Name == e.Name && last.Value == e.Value && last.Doc == e.Doc {
				last.On |= e.On
				continue
			}
		}
		merged = append(merged, e)
	}
	return merged
}

// fromAPI turns a part of the registry into entries.
func fromAPI(api imp.API) (all []Entry) {
	for _, c := range api.Classes {
		e := Entry{Name: c.Name, Object: c.Name, Kind: Class, On: c.On, Doc: c.Doc}
		// For a class that programs make instances of, the registry has a function
		// of the same name.
		if i := slices.IndexFunc(api.Functions, func(f imp.Function) bool { return f.Name == c.Name }); i >= 0 {
			f := api.Functions[i]
			e.Callable = true
			e.Doc = f.Doc
			e.Params = f.Params
			e.Result = f.Result
			e.Throws = f.Throws
			e.Source = f.Source
			e.Example = f.Example
		} else {
			e.Source, e.Example = classOrigin(api, c)
		}
		all = append(all, e)
	}
	for _, f := range api.Functions {
		if slices.ContainsFunc(api.Classes, func(c imp.Class) bool { return c.Name == f.Name }) {
			continue
		}
		e := Entry{
			Name: f.Name, Object: objectOf(f.Name), Kind: Function, On: f.On, Callable: true,
			Params: f.Params, Result: f.Result, Throws: f.Throws, Doc: f.Doc, Source: f.Source, Example: f.Example,
		}
		isClass := slices.ContainsFunc(api.Classes, func(c imp.Class) bool { return c.Name == e.Object })
		if isClass || languageTypes[e.Object] {
			e.Kind = Method
		}
		all = append(all, e)
	}
	for _, c := range api.Constants {
		object, example := placeConstant(c.Name)
		all = append(all, Entry{
			Name: c.Name, Object: object, Kind: Constant, On: c.On, Value: literal(c.Value),
			Doc: c.Doc, Source: c.Source, Example: example,
		})
	}
	return all
}

// classOrigin returns the source and the example of a class whose instances
// functions return: those of its first method, or of the first such function.
func classOrigin(api imp.API, c imp.Class) (source, example string) {
	for _, f := range api.Functions {
		if f.On&c.On != 0 && (objectOf(f.Name) == c.Name || slices.Contains(strings.Split(f.Result, "|"), c.Name)) {
			return f.Source, f.Example
		}
	}
	return "", ""
}

// objectOf returns the object of a function: its path up to the last point.
func objectOf(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[:i]
	}
	return base
}

func literal(x any) string {
	switch x := x.(type) {
	case string:
		return fmt.Sprintf("%q", x)
	case float64:
		return fmt.Sprintf("%.7g", x)
	}
	return fmt.Sprint(x)
}

// objects groups the entries.
var objects = sync.OnceValue(func() []Object {
	docs := maps.Clone(objectDocs)
	for _, api := range apis() {
		for _, c := range api.Classes {
			docs[c.Name] = c.Doc
		}
	}
	byName := map[string]*Object{}
	for _, e := range Entries() {
		o := byName[e.Object]
		if o == nil {
			o = &Object{Name: e.Object, Doc: docs[e.Object]}
			byName[e.Object] = o
		}
		o.On |= e.On
		o.Entries = append(o.Entries, e)
	}
	var all []Object
	for _, o := range byName {
		o.Group = groupOf(o)
		slices.SortStableFunc(o.Entries, func(a, b Entry) int { return rank(a) - rank(b) })
		all = append(all, *o)
	}
	slices.SortFunc(all, func(a, b Object) int {
		return cmp.Or(slices.Index(Groups, a.Group)-slices.Index(Groups, b.Group), strings.Compare(a.Name, b.Name))
	})
	return all
})

// rank puts the class itself first and constants last.
func rank(e Entry) int {
	switch e.Kind {
	case Class:
		return 0
	case Constant:
		return 2
	}
	return 1
}

func groupOf(o *Object) string {
	switch {
	case languageTypes[o.Name] || languageObjects[o.Name]:
		return "Language"
	case o.On == imp.OnAgent:
		return "Agent"
	case o.On == imp.OnDevice:
		return "Device"
	}
	return "Both sides"
}

// Lookup returns the entries with a name, ignoring case. The name of an object
// gives all of its entries, and the last part of a name, such as "sendasync", all
// entries whose names end with it.
func Lookup(name string) (found []Entry) {
	name = strings.ToLower(strings.TrimSuffix(name, "()"))
	pick := func(good func(e Entry) bool) {
		for _, e := range Entries() {
			if good(e) && !slices.ContainsFunc(found, func(f Entry) bool { return f.Name == e.Name && f.On == e.On }) {
				found = append(found, e)
			}
		}
	}
	pick(func(e Entry) bool { return strings.ToLower(e.Name) == name && !(e.Kind == Class && !e.Callable) })
	pick(func(e Entry) bool { return e.Object == name })
	if len(found) == 0 {
		pick(func(e Entry) bool { return strings.HasSuffix(strings.ToLower(e.Name), "."+name) })
	}
	return found
}

// Suggest returns names that are similar to the given one, the most similar first.
func Suggest(name string) (names []string) {
	const most = 5
	name = strings.ToLower(name)
	type near struct {
		name     string
		distance int
	}
	var all []near
	consider := func(candidate string) {
		low := strings.ToLower(candidate)
		d := spelling.Distance(name, low)
		if _, last, ok := strings.Cut(low, "."); ok {
			d = min(d, spelling.Distance(name, last)+1)
		}
		if spelling.Near(name, d) && !slices.ContainsFunc(all, func(n near) bool { return n.name == candidate }) {
			all = append(all, near{candidate, d})
		}
	}
	for _, o := range Objects() {
		consider(o.Name)
	}
	for _, e := range Entries() {
		consider(e.Name)
	}
	slices.SortStableFunc(all, func(a, b near) int { return a.distance - b.distance })
	for _, n := range all[:min(most, len(all))] {
		names = append(names, n.name)
	}
	return names
}
