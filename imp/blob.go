package imp

import "github.com/tandem-iot/tandem/squirrel"

// IsData reports whether x is a string or a blob, whose content VM.Bytes returns. It
// is needed because the mask of a parameter of type data accepts every instance.
func IsData(vm *squirrel.VM, x squirrel.Value) bool { return x.IsString() || vm.IsBlob(x) }
