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
	if err != nil {
		return nil, false, err
	}
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

// holderOf names a locked file by the boot of the system, the device and the inode. Only
// Linux says which boot it is.
func holderOf(file *os.File) string {
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
