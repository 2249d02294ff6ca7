package main

import (
	"bytes"
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
)

// patience limits the time to mount or unmount a file system.
const patience = 20 * time.Second

// needs returns an error when the machine lacks something for virtual disks.
func needs() error {
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

// apart runs this program again in a mount namespace of its own. Otherwise a mount
// namespace that another process creates meanwhile would copy our mounts and keep them in
// use. The mounts end with the program.
func apart() error {
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

// mount is an ext4 file system in a file on a loop device.
type mount struct {
	dir string // where it is mounted
	on  bool
}

// attach sets up a loop device for a file, makes or repairs the file system on it, and
// mounts it. The loop device is removed with the mount.
func (m *mount) attach(ctx context.Context, image string, make bool, options string) error {
	out, err := command(ctx, "losetup", "--find", "--show", "--direct-io=on", image)
	if err != nil { // not every file supports direct I/O
		if out, err = command(ctx, "losetup", "--find", "--show", image); err != nil {
			return err
		}
	}
	loop := strings.TrimSpace(out)
	if make {
		_, err = command(ctx, "mkfs.ext4", "-q", "-F", "-E", "nodiscard", loop)
	} else {
		_, err = command(ctx, "e2fsck", "-p", loop)
		var status *exec.ExitError
		if errors.As(err, &status) && status.ExitCode() == 1 { // it has repaired something
			err = nil
		}
	}
	if err == nil {
		_, err = command(ctx, "mount", "-t", "ext4", "-o", options, loop, m.dir)
		m.on = err == nil
	}
	_, detachErr := command(context.Background(), "losetup", "--detach", loop) // takes effect when it is no longer used
	return errors.Join(err, detachErr)
}

// detach undoes attach, even a partial one. Processes that still use the files keep the
// file system until they end.
func (m *mount) detach() error {
	if !m.on {
		return nil
	}
	m.on = false
	err := untilDone(func() error { return syscall.Unmount(m.dir, 0) })
	if err != nil {
		err = errors.Join(fmt.Errorf("unmount %s: %w", m.dir, err), syscall.Unmount(m.dir, syscall.MNT_DETACH))
	}
	return err
}

// volume is a virtual disk with a file system on it.
type volume struct {
	disk   *disk
	random *rand.Rand
	base   string // directory of the volume's files
	file   *file
	server *fuse.Server
	mount
}

// newVolume makes a disk of a size in bytes, formats it and mounts it. close removes it.
func newVolume(ctx context.Context, size int64, random *rand.Rand) (*volume, error) {
	base, err := os.MkdirTemp("", "tandem-powercut-")
	if err != nil {
		return nil, err
	}
	v := &volume{disk: newDisk(size), random: random, base: base, mount: mount{dir: filepath.Join(base, "files")}}
	for _, dir := range []string{v.dir, v.outside()} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, errors.Join(err, v.close())
		}
	}
	if err := os.Chmod(base, 0o755); err != nil { // PostgreSQL does not run as root
		return nil, errors.Join(err, v.close())
	}
	if err := v.boot(ctx, true); err != nil {
		return nil, errors.Join(err, v.close())
	}
	if err := v.flushesArrive(); err != nil {
		return nil, errors.Join(err, v.close())
	}
	return v, nil
}

// outside returns the directory of the disk's file.
func (v *volume) outside() string { return filepath.Join(v.base, "disk") }

// boot mounts the disk's file system.
func (v *volume) boot(ctx context.Context, make bool) (err error) {
	v.disk.On()
	v.file = newFile(v.disk)
	if v.server, err = mountFile(v.outside(), v.file); err != nil {
		return err
	}
	return v.attach(ctx, filepath.Join(v.outside(), fileName), make, "noatime")
}

// flushesArrive checks that fsync of a file reaches the disk as a flush; otherwise nothing
// would be durable here.
func (v *volume) flushesArrive() error {
	before := v.disk.Flushes()
	f, err := os.Create(filepath.Join(v.dir, "probe"))
	if err != nil {
		return err
	}
	_, err = f.WriteString("probe")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if v.disk.Flushes() == before {
		return errors.New("fsync of a file on the virtual disk does not reach it as a flush")
	}
	return nil
}

// sync makes all files durable.
func (v *volume) sync(ctx context.Context) error {
	_, err := command(ctx, "sync", "--file-system", v.dir)
	return err
}

// cut cuts the power, if it is on, calls kill to kill all processes that use the disk and
// wait to wait for their end, and unmounts the file system. boot mounts it again.
func (v *volume) cut(kill, wait func() error) error {
	v.disk.Cut(v.random)
	err := kill()
	if v.server == nil {
		return errors.Join(err, wait())
	}
	v.file.bury()
	err = errors.Join(err, wait(), v.detach())
	server := v.server
	v.server = nil
	if busy := untilDone(server.Unmount); busy != nil {
		err = errors.Join(err, fmt.Errorf("unmount %s: %w", v.outside(), busy),
			syscall.Unmount(v.outside(), syscall.MNT_DETACH))
	}
	return err
}

// close removes the disk, which must no longer be in use.
func (v *volume) close() error {
	nothing := func() error { return nil }
	return errors.Join(v.cut(nothing, nothing), os.RemoveAll(v.base))
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

// command runs a program and returns what it prints.
func command(ctx context.Context, name string, args ...string) (string, error) {
	var messages bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = &messages
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err,
			bytes.TrimSpace(append(messages.Bytes(), out...)))
	}
	return string(out), err
}
