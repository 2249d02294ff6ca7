package imp

import "github.com/tandem-iot/tandem/squirrel"

// IsData reports whether x is a string or a blob, whose content VM.Bytes
// gives. The mask of a parameter of type data lets every instance pass.
func IsData(vm *squirrel.VM, x squirrel.Value) bool { return x.IsString() || vm.IsBlob(x) }
