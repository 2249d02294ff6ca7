// Package reference is the reference manual of all that agent and device code
// can call: as entries, as text for a terminal, and as a web site.
//
//	for _, e := range reference.Lookup("server.save") { … }
//	err := reference.Write("public")          // static files, good from file://
//	mux.Handle("/docs/", reference.Handler())
//
// What is documented is what is registered: the API tables of packages imp,
// agent and device, from which the type checks are made too. The language's own
// functions, which are registered without documentation, are in tables here.
// Tests walk through all that a running agent and a running device have, and
// fail when something is missing here or is there no more; and they run every
// example.
//
// The site also has the guides and documents of package docs.
package reference
