//go:build unix

package dirlock

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// openLocked opens a file and locks it. Held reports that another process has the lock.
func openLocked(path string) (file *os.File, held bool, err error) {
	file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if readOnly(err) {
		readable, openErr := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe is not waited for
		if openErr != nil {
			return nil, false, err
		}
		file, err = readable, nil
	}
	if err != nil {
		return nil, false, err
	}
	return lock(file)
}

// lockDir locks a directory. It returns nil where that cannot be done, as on a network's disk.
func lockDir(dir string) (file *os.File, held bool, err error) {
	file, err = os.Open(dir)
	if err != nil {
		return nil, false, nil // the file in it says what is wrong
	}
	file, held, err = lock(file)
	if err != nil {
		return nil, false, nil
	}
	return file, held, nil
}

// lock locks a file, which it closes if it cannot.
func lock(file *os.File) (_ *os.File, held bool, err error) {
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return file, false, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, true, file.Close()
	}
	return nil, false, errors.Join(err, file.Close())
}

// readOnly reports whether an error says that a file cannot be made or written, or that something else is
// in its place, though the directory may be usable.
func readOnly(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EISDIR,
		syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP, syscall.ENXIO,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// holderOf names a locked file by the boot of the system, the device and the inode. Only
// Linux says which boot it is.
func holderOf(file *os.File) string {
	if file == nil {
		return ""
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s/%d/%d", strings.TrimSpace(string(boot)), stat.Dev, stat.Ino)
}
