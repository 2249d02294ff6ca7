// Package impunit runs the tests of a project in virtual time: files of classes that extend
// ImpTestCase, as impUnit has them, on the agent, on the device, or beside the pair. Each file has
// a world of its own (package rehearsal), in which its tests run one after the other. With Options.Real
// it has a node and a device of its own, in real time (package stand).
//
//	project, err := impunit.Find("examples/thermostat", find)
//	for _, file := range project.Files {
//		result := project.Run(ctx, file, impunit.Options{})
//	}
//
// impunit.nut is what a test sees: ImpTestCase, Promise and world. It is put before the program,
// and talks to this package by reports of package rehearsal.
//
// DESIGN.md has how a test ends that does not end by itself, and what differs from impUnit.
package impunit
