package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tandem-iot/tandem"
)

// lockFile is the file in a node's directory that a running node has locked. It has the
// number of the process, for people.
const lockFile = "lock"

// dirLock is the lock of a data directory. The system releases it when the process ends,
// however it ends.
type dirLock struct {
	file *os.File
	// holder names the lock as the same file on the same running system. The process that has the lock
	// next under this name knows that the process that had it before has ended. "": the system
	// cannot tell.
	holder string
}

// lockDir locks a data directory. It fails with Conflict when another node has it.
func lockDir(dir string) (*dirLock, error) {
	path := filepath.Join(dir, lockFile)
	file, held, err := openLocked(path)
	if err != nil {
		return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "cannot lock the data directory " + dir, Err: err}
	}
	if held {
		by := "another process"
		if data, err := os.ReadFile(path); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
				by = "process " + strconv.Itoa(pid)
			}
		}
		return nil, tandem.Errorf(tandem.Conflict,
			"the data directory %s is in use by %s: stop that node, or give this one a directory of its own with --data",
			dir, by)
	}
	l := &dirLock{file: file, holder: holderOf(file)}
	if err := l.sign(); err != nil {
		_ = file.Close() // nothing of use is in it
		return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "cannot write to the data directory " + dir, Err: err}
	}
	return l, nil
}

// sign writes the process's number into the file.
func (l *dirLock) sign() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// release releases the lock. The file stays, because another process may have it open.
func (l *dirLock) release() error { return l.file.Close() }
