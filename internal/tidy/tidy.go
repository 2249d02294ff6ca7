// Package tidy holds no code: its tests check the house rules of this repository. A
// rule is thus a failing test with the remedy in its message, and not a paragraph to
// remember.
//
//   - [TestLayers]: which package may import which.
//   - [TestReach]: which packages must never be linked into which, directly or not.
//   - [TestEmbedding]: squirrel needs none of our required modules.
//   - [TestModules]: the Makefile's commands go through all modules.
//   - [TestHouseRules]: sizes of functions and files, names and comments of
//     packages, no init, no sleeping in tests, no package "log", nothing left
//     to do, tests in every package, few and small interfaces.
//   - [TestDependencies]: few modules, each with its reason in RATIONALE.md.
//   - [TestDocLinks]: relative links in the documents lead somewhere.
//   - [TestNamedFiles]: Go files that documents name exist.
//   - [TestReferences]: packages, paths and identifiers that documents name exist.
//   - [TestRatchet]: counts of long lines, of assignments of three or more
//     values and of mannered words in each directory only fall.
//
// The exceptions are lists in the test files. Changing one is a decision for
// review, never a way to make a build pass.
package tidy
