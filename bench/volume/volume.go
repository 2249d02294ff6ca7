package volume

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/tandem-iot/tandem/internal/child"
)

// patience limits the time to mount or unmount a file system.
const patience = 20 * time.Second

// Needs returns an error when the machine lacks something for virtual disks.
func Needs() error {
	if os.Geteuid() != 0 {
		return errors.New("it makes loop devices and mounts: run it as root")
	}
	for _, file := range []string{"/dev/fuse", "/dev/loop-control", "/proc/thread-self/children"} {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("it needs Linux with FUSE, loop devices and /proc: %w", err)
		}
	}
	for _, program := range []string{"losetup", "mount", "umount", "mkfs.ext4", "e2fsck"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("install Debian's packages mount and e2fsprogs: %w", err)
		}
	}
	return nil
}

// apartMark is in the environment of a process that has its mounts to itself.
const apartMark = "TANDEM_POWERCUT_APART"

// Apart runs this program again in a mount namespace of its own. Otherwise a mount
// namespace that another process creates meanwhile would copy our mounts and keep them in
// use. The mounts end with the program.
func Apart() error {
	if os.Getenv(apartMark) != "" {
		return nil
	}
	runtime.LockOSThread() // the namespace belongs to the thread, in which the new program runs
	defer runtime.UnlockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return fmt.Errorf("it needs a mount namespace of its own: %w", err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("it needs mounts of its own: %w", err)
	}
	return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), apartMark+"=1"))
}

// Mount is an ext4 file system in a file on a loop device.
type Mount struct {
	Dir string // where it is mounted
	on  bool
}

// Attach sets up a loop device for a file, makes or repairs the file system on it, and
// mounts it. The loop device is removed with the mount.
func (m *Mount) Attach(ctx context.Context, image string, make bool, options string) error {
	out, err := child.Output(ctx, "losetup", "--find", "--show", "--direct-io=on", image)
	if err != nil { // not every file supports direct I/O
		if out, err = child.Output(ctx, "losetup", "--find", "--show", image); err != nil {
			return err
		}
	}
	loop := strings.TrimSpace(out)
	if make {
		_, err = child.Output(ctx, "mkfs.ext4", "-q", "-F", "-E", "nodiscard", loop)
	} else {
		_, err = child.Output(ctx, "e2fsck", "-p", loop)
		var status *exec.ExitError
		if errors.As(err, &status) && status.ExitCode() == 1 { // it has repaired something
			err = nil
		}
	}
	if err == nil {
		_, err = child.Output(ctx, "mount", "-t", "ext4", "-o", options, loop, m.Dir)
		m.on = err == nil
	}
	// This takes effect when it is no longer used.
	_, detachErr := child.Output(context.Background(), "losetup", "--detach", loop)
	return errors.Join(err, detachErr)
}

// Detach undoes Attach, even a partial one. Processes that still use the files keep the
// file system until they end.
func (m *Mount) Detach() error {
	if !m.on {
		return nil
	}
	m.on = false
	err := untilDone(func() error { return syscall.Unmount(m.Dir, 0) })
	if err != nil {
		err = errors.Join(fmt.Errorf("unmount %s: %w", m.Dir, err), syscall.Unmount(m.Dir, syscall.MNT_DETACH))
	}
	return err
}

// Volume is a virtual disk with a file system on it.
type Volume struct {
	Disk   *Disk
	random *rand.Rand
	Base   string // directory of the volume's files
	file   *file
	server *fuse.Server
	Mount
}

// New makes a disk of a size in bytes, formats it and mounts it. Close removes it.
func New(ctx context.Context, size int64, random *rand.Rand) (*Volume, error) {
	base, err := os.MkdirTemp("", "tandem-powercut-")
	if err != nil {
		return nil, err
	}
	v := &Volume{Disk: newDisk(size), random: random, Base: base, Mount: Mount{Dir: filepath.Join(base, "files")}}
	for _, dir := range []string{v.Dir, v.outside()} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, errors.Join(err, v.Close())
		}
	}
	if err := os.Chmod(base, 0o755); err != nil { // PostgreSQL does not run as root
		return nil, errors.Join(err, v.Close())
	}
	if err := v.Boot(ctx, true); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	if err := v.flushesArrive(); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// outside returns the directory of the disk's file.
func (v *Volume) outside() string { return filepath.Join(v.Base, "disk") }

// Boot mounts the disk's file system.
func (v *Volume) Boot(ctx context.Context, make bool) (err error) {
	v.Disk.On()
	v.file = newFile(v.Disk)
	if v.server, err = mountFile(v.outside(), v.file); err != nil {
		return err
	}
	return v.Attach(ctx, filepath.Join(v.outside(), fileName), make, "noatime")
}

// flushesArrive checks that fsync of a file reaches the disk as a flush; otherwise nothing
// would be durable here.
func (v *Volume) flushesArrive() error {
	before := v.Disk.Flushes()
	f, err := os.Create(filepath.Join(v.Dir, "probe"))
	if err != nil {
		return err
	}
	_, err = f.WriteString("probe")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if v.Disk.Flushes() == before {
		return errors.New("fsync of a file on the virtual disk does not reach it as a flush")
	}
	return nil
}

// Sync makes all files durable.
func (v *Volume) Sync(ctx context.Context) error {
	_, err := child.Output(ctx, "sync", "--file-system", v.Dir)
	return err
}

// Cut cuts the power, if it is on, calls kill to kill all processes that use the disk and
// wait to wait for their end, and unmounts the file system. Boot mounts it again.
func (v *Volume) Cut(kill, wait func() error) error {
	v.Disk.Cut(v.random)
	err := kill()
	if v.server == nil {
		return errors.Join(err, wait())
	}
	v.file.bury()
	err = errors.Join(err, wait(), v.Detach())
	server := v.server
	v.server = nil
	if busy := untilDone(server.Unmount); busy != nil {
		err = errors.Join(err, fmt.Errorf("unmount %s: %w", v.outside(), busy),
			syscall.Unmount(v.outside(), syscall.MNT_DETACH))
	}
	return err
}

// Close removes the disk, which must no longer be in use.
func (v *Volume) Close() error {
	nothing := func() error { return nil }
	return errors.Join(v.Cut(nothing, nothing), os.RemoveAll(v.Base))
}

// untilDone repeats an operation that fails while a file is still in use.
func untilDone(do func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := do()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-time.After(50 * time.Millisecond)
	}
}
