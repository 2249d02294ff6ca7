// Package squirrel is a virtual machine for Squirrel 3.0.4 in Electric Imp's dialect:
// 32-bit integers and floats, byte strings, bindenv that holds its environment, and the
// table order of the original.
//
// # Use
//
//	lib := squirrel.Standard()                      // once; or NewLibrary and Add…
//	prog, err := compile.Compile("a.nut", src, compile.Options{})
//	vm := squirrel.New(lib, 1<<20)                  // a megabyte may be alive
//	vm.SetOutput(func(b []byte, isErr bool) { … })
//	vm.Start(vm.Load(prog), vm.Root())
//	switch vm.Run(1_000_000) {
//	case squirrel.Done:        // vm.Result()
//	case squirrel.OutOfFuel:   // another Run continues
//	case squirrel.Suspended:   // a native waits: Resume or ResumeThrow, then Run
//	case squirrel.Failed:      // vm.Err() has message and call stack
//	case squirrel.OutOfMemory: // drop it
//	}
//
// An idle machine can Start the next function: a host keeps a program's callbacks in a
// table that only the host sees ([VM.Registry]).
//
// The examples are whole programs: embedding and calling, native functions
// ([Library.Func]), budgets and stopping ([VM.Run]), snapshot and restore
// ([VM.Snapshot]). This package and those below it need only the standard library, so a
// module that imports them gets no other requirements.
//
// # A machine is a value
//
// The whole state of a machine is in one slice of words, without pointers:
// [VM.Snapshot] copies it, [Restore] checks and takes it. That works between two Runs at
// any point of the program: in a constructor, a sort's compare function, a generator, or
// a native that waits. Code is not in the snapshot; Restore asks for programs by hash.
// Native functions are identified by their path in the library, so the library may have
// changed meanwhile.
//
// The same machine with the same calls does the same, byte for byte, moved or not. Only
// the host can introduce differences, by its clock. A program can observe a snapshot
// only by a weak reference, because a snapshot collects.
//
// # Values
//
// A [Value] is a word. A value that refers to an object is valid until the machine runs or
// collects, because objects move then. Natives, during which no collection happens, may
// keep values until they return. Values that must last belong in the registry. Only Run
// runs Squirrel code.
//
// # Native functions
//
// A [Native] gets a [Call] and returns a value, or the result of a method of the call that
// ends it otherwise: Errorf and Throw; Suspend, for work that takes time; TailCall, to
// become another function; CallThen, to call a function and be entered again with its
// result. No native waits for a Squirrel function on the Go stack, so a machine can be
// stopped and saved inside callbacks. Work that grows with its input must be charged with
// Charge.
//
// # Limits
//
// A unit of fuel is about one instruction: jumps backward, calls and natives pay it. Memory
// is counted in live words, including the stack. When more than the limit is alive after
// a collection, Run returns OutOfMemory; between collections at most twice the limit is
// used. A quarter of the memory limits the depth of calls, and beyond it a program gets
// the exception "stack overflow".
//
// # Deviations from 3.0.4
//
// Integer % 0 throws "modulo by zero". A negative string index counts from the end.
// INT_MIN / -1 wraps. Objects print as a number that is the same in every run, not an
// address. Weak references are cleared by a collection, not when the last reference is
// removed. array(-1) and deep recursion throw. There is no error handler to set: the host
// gets the uncaught exception. A trace includes the frames of callbacks.
//
// # The build tag squirrelcheck
//
// With this tag every access to the arena is bounds-checked, and safepoints collect and
// move everything all the time. It is for tests of this package and of natives.
package squirrel
