// Package squirrel is a virtual machine for Squirrel 3.0.4 as Electric Imp
// speaks it: 32-bit integers and floats, byte strings, bindenv that holds its
// environment, and the table order of the original.
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
//	case squirrel.OutOfFuel:   // Run again goes on
//	case squirrel.Suspended:   // a native waits: Resume or ResumeThrow, then Run
//	case squirrel.Failed:      // vm.Err() has message and call stack
//	case squirrel.OutOfMemory: // drop it
//	}
//
// A machine that is idle can be given the next function to Start: a program's
// callbacks are kept in a table that only the host sees ([VM.Registry]).
//
// The examples are whole programs: embedding and calling, native functions
// ([Library.Func]), budgets and stopping ([VM.Run]), snapshot and restore
// ([VM.Snapshot]). The package and those below it need the standard library
// alone, and a module that imports them gets no other requirements.
//
// # A machine is a value
//
// All that a machine is lies in one slice of words, without pointers:
// [VM.Snapshot] copies it, [Restore] checks and takes it. That works between
// two Runs whatever the program is in the middle of: a constructor, a sort's
// compare function, a generator, a native that waits. Code is not in the
// snapshot; Restore asks for programs by hash. Native functions are known by
// their path in the library, so the library may have changed meanwhile.
//
// The same machine given the same calls does the same, byte for byte, moved or
// not. What could differ between runs comes from the host: the clock. A weak
// reference alone can tell that there was a snapshot, because that collects.
//
// # Values
//
// A [Value] is a word. One that refers to an object is good until the machine
// runs or collects, because objects move then; natives, which no collection
// interrupts, may keep values until they return. What must last is put into
// the registry. Nothing in this package runs Squirrel code except Run.
//
// # Native functions
//
// A [Native] gets a [Call] and returns a value, or what one of the call's
// methods returns that ends it otherwise: Errorf and Throw; Suspend, for what
// takes time; TailCall, to become another function; CallThen, to call one and
// be entered again with its result. No native waits for a Squirrel function on
// the Go stack, so a machine can be stopped and saved inside callbacks. Work
// that grows with its input is paid for with Charge.
//
// # Limits
//
// Fuel is counted in about instructions: jumps backward, calls and natives pay
// it. Memory is counted in words alive, stack included: more than the limit
// after a collection, and Run returns OutOfMemory; between collections at
// most twice the limit is used. The depth of calls is limited by a quarter of
// the memory, and beyond it a program gets the exception "stack overflow".
//
// # Deviations from 3.0.4
//
// Integer % 0 throws "modulo by zero". A negative string index counts from the
// end. INT_MIN / -1 wraps. Objects print as a number that is the same in every
// run, not an address. Weak references are cleared by a collection, not when
// the last reference goes. array(-1) and deep recursion throw. There is no
// error handler to set: the host gets the uncaught exception. A trace shows
// the frames of callbacks too.
//
// # The build tag squirrelcheck
//
// With it every access to the arena is bounds-checked, and safepoints collect
// and move everything all the time: for tests of this package and of natives.
package squirrel
