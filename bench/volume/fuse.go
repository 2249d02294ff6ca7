package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

const fileName = "disk"

// mountFile shows a disk as the one file, fileName, of a file system at dir. A
// loop device on it turns the kernel's flushes into fsyncs.
func mountFile(dir string, f *file) (*fuse.Server, error) {
	server, err := fs.Mount(dir, &root{file: f}, &fs.Options{MountOptions: fuse.MountOptions{
		FsName: "tandem-powercut", Name: "tandem", DirectMountStrict: true, DisableXAttrs: true,
	}})
	if err != nil {
		return nil, err
	}
	if err := keepConnections(); err != nil {
		return nil, errors.Join(err, server.Unmount())
	}
	return server, nil
}

// keepConnections keeps the programs that we start from inheriting the file system's
// connection to the kernel. Otherwise the kernel would not notice that we were killed, and
// processes that use the disk would wait for ever.
func keepConnections() error {
	const dir = "/proc/self/fd"
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range list {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil || target != "/dev/fuse" {
			continue // it may have been closed meanwhile
		}
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			return err
		}
		syscall.CloseOnExec(fd)
	}
	return nil
}

type root struct {
	fs.Inode
	file *file
}

func (r *root) OnAdd(ctx context.Context) {
	r.AddChild(fileName, r.NewPersistentInode(ctx, r.file, fs.StableAttr{Mode: syscall.S_IFREG}), false)
}

// file shows a disk as a file, for the duration of one machine.
type file struct {
	fs.Inode
	disk *Disk

	once   sync.Once
	buried chan struct{} // closed when the machine's processes have been killed
}

func newFile(d *Disk) *file { return &file{disk: d, buried: make(chan struct{})} }

// bury makes the flushes fail that a cut has left hanging. It is called after the
// processes have been killed, so that they can end without seeing the failure.
func (f *file) bury() { f.once.Do(func() { close(f.buried) }) }

func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o600, uint64(f.disk.size)
	return 0
}

func (f *file) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0 // the kernel must not cache the disk
}

func (f *file) Read(_ context.Context, _ fs.FileHandle, p []byte, offset int64) (fuse.ReadResult, syscall.Errno) {
	p = p[:max(0, min(int64(len(p)), f.disk.size-offset))]
	if err := f.disk.Read(p, offset); err != nil {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(p), 0
}

// Write also accepts writes of a machine without power, and drops them.
func (f *file) Write(_ context.Context, _ fs.FileHandle, p []byte, offset int64) (uint32, syscall.Errno) {
	if err := f.disk.Write(p, offset); err != nil && err != errOff {
		return 0, syscall.EIO
	}
	return uint32(len(p)), 0
}

// Fsync is a flush. A flush after the cut is not answered while a process could receive
// the answer.
func (f *file) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	if f.disk.Flush() != nil {
		<-f.buried
		return syscall.EIO
	}
	return 0
}
