package squirrel_test

import (
	"fmt"
	"os"

	"github.com/tandem-iot/tandem/squirrel"
	"github.com/tandem-iot/tandem/squirrel/compile"
)

// A program with a native function of the host's, bounded in memory and time.
func Example() {
	library := squirrel.Standard()
	library.Func("greet", squirrel.Native{Check: 2, Mask: ".s", Fn: func(c *squirrel.Call) (squirrel.Value, error) {
		return c.VM().NewString("hello, " + c.Str(1)), nil
	}})

	program, err := compile.Compile("example.nut", []byte(`print(greet("world") + "\n"); return 6 * 7;`), compile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	vm := squirrel.New(library, 1<<20) // at most 1 MiB alive
	vm.SetOutput(func(b []byte, isErr bool) { os.Stdout.Write(b) })
	vm.Start(vm.Load(program), vm.Root())
	switch vm.Run(1_000_000) { // about as many instructions
	case squirrel.Done:
		fmt.Println(vm.ToString(vm.Result()))
	case squirrel.Failed:
		fmt.Println(vm.Err())
	default:
		fmt.Println("too much time or memory")
	}
	// Output:
	// hello, world
	// 42
}

// A machine is stopped in the middle of a loop, written down, and goes on as
// another one.
func ExampleVM_Snapshot() {
	library := squirrel.Standard()
	program, err := compile.Compile("count.nut", []byte(`local n = 0; while (n < 100000) n++; return n;`), compile.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	vm := squirrel.New(library, 1<<20)
	vm.Start(vm.Load(program), vm.Root())
	moves := 0
	for vm.Run(50_000) == squirrel.OutOfFuel {
		data, err := vm.Snapshot()
		if err != nil {
			fmt.Println(err)
			return
		}
		find := func([32]byte) *compile.Program { return program }
		if vm, err = squirrel.Restore(library, data, find, 1<<20); err != nil {
			fmt.Println(err)
			return
		}
		moves++
	}
	fmt.Println(vm.ToString(vm.Result()), moves > 2)
	// Output: 100000 true
}
