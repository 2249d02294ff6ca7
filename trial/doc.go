// Package trial rehearses a pair: it looks for the failure that was not thought of. It runs the
// pair of a project under faults, in the worlds of package rehearsal, and says what goes wrong.
//
//	p, err := trial.Open("fridge", libraries)
//	found, err := trial.Search(ctx, p, trial.Options{Seeds: 1000})
//	trial.WriteFinding(os.Stdout, found)
//
// What goes wrong is what the project's rehearse.nut says, and what is wrong for any pair: see
// Judge. A Story is all that a run depends on; the same story is the same run, to the byte. Tell
// plays one. Search plays the stories with a single fault first, at each point of the fault-free
// run, and then those of seeds, with several; what it finds it makes as short as it can.
//
// DESIGN.md has the data, what always holds, and what is judged how.
package trial
