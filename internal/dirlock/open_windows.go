package dirlock

import (
	"errors"
	"os"
	"syscall"
)

// openLocked opens a file that no other process can open meanwhile. Held reports that
// another process has it open.
func openLocked(path string) (file *os.File, held bool, err error) {
	const sharingViolation = syscall.Errno(32)
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, false, err
	}
	handle, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE,
		syscall.FILE_SHARE_READ, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharingViolation) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	return os.NewFile(uintptr(handle), path), false, nil
}

// holderOf returns "": the system does not tell its boots apart.
func holderOf(*os.File) string { return "" }

// lockDir does nothing: the system locks files only.
func lockDir(string) (file *os.File, held bool, err error) { return nil, false, nil }

// readOnly is of no use without lockDir.
func readOnly(error) bool { return false }
