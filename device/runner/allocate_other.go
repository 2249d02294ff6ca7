//go:build !linux

package runner

import "os"

// allocate gives a file blocks of its own.
func allocate(f *os.File, size int64) error { return writeZeros(f, size) }
