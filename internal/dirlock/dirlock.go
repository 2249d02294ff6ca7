// Package dirlock locks directories that only one process may use at a time.
//
//	l, err := dirlock.Take("/var/lib/tandem")
//	defer l.Release()
package dirlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/tandem-iot/tandem"
)

// name is the file in a directory that the process which uses the directory has locked. It
// has the number of the process, for people.
const name = "lock"

// Lock is the lock of a directory. The system releases it when the process ends, however it
// ends.
type Lock struct {
	file *os.File
	// Holder names the lock as the same file on the same running system. The process that has the lock
	// next under this name knows that the process that had it before has ended. "": the system
	// cannot tell.
	Holder string
}

// InUse is the error for a directory that another process has locked. Its kind is Conflict.
type InUse struct {
	Dir string
	By  string // "process 123", or "another process"
}

func (e *InUse) Error() string { return fmt.Sprintf("the directory %s is in use by %s", e.Dir, e.By) }

// Unwrap gives the error its kind.
func (e *InUse) Unwrap() error { return &tandem.Error{Kind: tandem.Conflict} }

// Take locks a directory, which must exist. It fails with an *InUse when it is locked.
func Take(dir string) (*Lock, error) {
	path := filepath.Join(dir, name)
	file, held, err := openLocked(path)
	if err != nil {
		return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "cannot lock the directory " + dir, Err: err}
	}
	if held {
		in := &InUse{Dir: dir, By: "another process"}
		if data, err := os.ReadFile(path); err == nil {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
				in.By = "process " + strconv.Itoa(pid)
			}
		}
		return nil, in
	}
	l := &Lock{file: file, Holder: holderOf(file)}
	if err := l.sign(); err != nil {
		return nil, &tandem.Error{
			Kind: tandem.Invalid, Msg: "cannot write to the directory " + dir, Err: errors.Join(err, file.Close()),
		}
	}
	return l, nil
}

// sign writes the process's number into the file.
func (l *Lock) sign() error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// Release releases the lock. The file stays, because another process may have it open.
func (l *Lock) Release() error { return l.file.Close() }
