//go:build !unix

package admit

// Descriptors returns the number of files that the process may have open.
func Descriptors() int { return 1 << 16 }
