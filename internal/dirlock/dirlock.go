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
	dir  *os.File // the directory, which is locked too where the system can; nil where it cannot
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
	locked, file, held, err := lockBoth(dir, path)
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
	l := &Lock{file: file, dir: locked, Holder: holderOf(file)}
	l.sign()
	return l, nil
}

// lockBoth locks the directory, where the system can, and the file in it. A file that was
// removed, or cannot be made, is no way around the lock.
func lockBoth(dir, path string) (locked, file *os.File, held bool, err error) {
	locked, held, err = lockDir(dir)
	if held || err != nil {
		return nil, nil, held, err
	}
	file, held, err = openLocked(path)
	switch {
	case err == nil && !held:
		return locked, file, false, nil
	case locked == nil:
		return nil, nil, held, err
	case held || !readOnly(err):
		return nil, nil, held, errors.Join(err, locked.Close())
	}
	// Nothing can be written here: the directory's own lock is what there is.
	return locked, nil, false, nil
}

// sign writes the process's number into the file, in as many bytes whatever it is: a disk that is
// full has room for that. It is for people, so it does not matter whether it can be written.
func (l *Lock) sign() {
	if l.file != nil {
		_, _ = l.file.WriteAt(fmt.Appendf(nil, "%-11d\n", os.Getpid()), 0)
	}
}

// Release releases the lock. The file stays, because another process may have it open.
func (l *Lock) Release() error {
	var err error
	if l.file != nil {
		err = l.file.Close()
	}
	if l.dir != nil {
		err = errors.Join(err, l.dir.Close())
	}
	return err
}
