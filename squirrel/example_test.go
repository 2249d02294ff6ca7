package squirrel_test

import (
	"fmt"
	"os"

	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// start returns a machine that will run a program from its first line.
func start(library *squirrel.Library, source string) (*squirrel.VM, *compile.Program) {
	program, err := compile.Compile("example.nut", []byte(source), compile.Options{})
	if err != nil {
		panic(err) // in an example; a *syntax.Error says where it is in the source
	}
	vm := squirrel.New(library, 1<<20) // 1 MiB may be alive
	vm.Start(vm.Load(program), vm.Root())
	return vm, program
}

// A program defines a function, which the host then calls as often as it likes.
func Example() {
	vm, _ := start(squirrel.Standard(), `
		calls <- 0;
		function area(w, h) { calls++; return w * h; }
		print("ready\n");
	`)
	vm.SetOutput(func(b []byte, isErr bool) { os.Stdout.Write(b) })
	if vm.Run(1_000_000) != squirrel.Done {
		fmt.Println(vm.Err())
		return
	}
	for _, w := range []int32{2, 3} {
		area := vm.Field(vm.Root(), "area") // values are valid until the machine runs
		vm.Start(area, vm.Root(), squirrel.Int(w), squirrel.Float(1.5))
		if vm.Run(1_000_000) != squirrel.Done {
			fmt.Println(vm.Err())
			return
		}
		fmt.Println(vm.Result().AsFloat())
	}
	fmt.Println("calls:", vm.Field(vm.Root(), "calls").AsInt())
	// Output:
	// ready
	// 3
	// 4.5
	// calls: 2
}

// Native functions have their parameters checked, may throw, and may wait: the
// machine stops inside the call, holds no goroutine, and goes on with the result.
func ExampleLibrary_Func() {
	library := squirrel.Standard()
	library.Func("net.get", squirrel.Native{Check: 2, Mask: ".s", Fn: func(c *squirrel.Call) (squirrel.Value, error) {
		if c.Str(1) == "" {
			return c.Errorf("net.get: the name is empty")
		}
		*c.VM().Host().(*string) = c.Str(1)
		return c.Suspend()
	}})

	vm, _ := start(library, `
		local answers = [];
		foreach (name in ["a", "", 7, "b"]) {
			try { answers.append(net.get(name)); } catch (problem) { answers.append(problem); }
		}
		foreach (answer in answers) print(answer + "\n");
	`)
	vm.SetOutput(func(b []byte, isErr bool) { os.Stdout.Write(b) })
	var wanted string
	vm.SetHost(&wanted)
	for vm.Run(1_000_000) == squirrel.Suspended {
		if wanted == "b" {
			vm.ResumeThrow(vm.NewString("no answer from b"))
		} else {
			vm.Resume(vm.NewString("the answer of " + wanted))
		}
	}
	// Output:
	// the answer of a
	// net.get: the name is empty
	// parameter 1 has an invalid type 'integer' ; expected: 'string'
	// no answer from b
}

// Time and memory are bounded. A program that takes too long can go on later or
// be stopped; the machine can run other functions after that. A machine whose
// memory is full cannot be used any further.
func ExampleVM_Run() {
	vm, _ := start(squirrel.Standard(), `
		rounds <- 0;
		function forever() { while (true) rounds++; }
		function hoard() { local all = []; while (true) all.append([all.len()]); }
	`)
	vm.Run(1_000_000)

	vm.Start(vm.Field(vm.Root(), "forever"), vm.Root())
	for slice := 1; vm.Run(10_000) == squirrel.OutOfFuel; slice++ {
		if slice == 3 {
			top := vm.Stack()[0]
			fmt.Printf("stopped in %s, line %d\n", top.Func, top.Line)
			vm.Abort()
		}
	}
	fmt.Println("it has run:", vm.Field(vm.Root(), "rounds").AsInt() > 1_000)
	fmt.Println("fuel used is about 30000:", vm.FuelUsed()/5_000 == 6)

	vm.Start(vm.Field(vm.Root(), "hoard"), vm.Root())
	if vm.Run(100_000_000) == squirrel.OutOfMemory {
		fmt.Println("out of memory at", vm.MemoryLimit(), "bytes")
	}
	// Output:
	// stopped in forever, line 3
	// it has run: true
	// fuel used is about 30000: true
	// out of memory at 1048576 bytes
}

// A machine is stopped in the middle of a loop and goes on as another one,
// possibly in another process: all that it was is in the snapshot, except for
// code, which Restore asks for by its hash.
func ExampleVM_Snapshot() {
	library := squirrel.Standard()
	vm, program := start(library, `local n = 0; while (n < 100000) n++; return n;`)
	find := func(hash [32]byte) *compile.Program {
		if hash == program.Hash() {
			return program
		}
		return nil // Restore then gives an error
	}
	moves := 0
	for vm.Run(50_000) == squirrel.OutOfFuel {
		data, err := vm.Snapshot()
		if err != nil {
			fmt.Println(err)
			return
		}
		if vm, err = squirrel.Restore(library, data, find, 1<<20); err != nil {
			fmt.Println(err)
			return
		}
		moves++
	}
	fmt.Println(vm.ToString(vm.Result()), moves > 2)
	// Output: 100000 true
}
