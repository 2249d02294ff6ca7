// Package reference is the reference manual of everything that agent and device
// code can call: as entries, as text for a terminal, and as a web site.
//
//	for _, e := range reference.Lookup("server.save") { … }
//	err := reference.Write("public")          // static files, which also work from file://
//	mux.Handle("/docs/", reference.Handler())
//
// The manual is made from the registry: the API tables of packages imp, agent and
// device, which the type checks use, too. The language's own functions, which are
// registered without documentation, are in tables here. Tests compare the manual
// with all names in a running agent and a running device, and fail when an entry
// is missing or has no counterpart; and they run every example.
//
// The site also has the guides and documents of package docs.
package reference
