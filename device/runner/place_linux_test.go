package runner

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tandem-iot/tandem/device/core"
	"github.com/tandem-iot/tandem/device/enrol"
	"github.com/tandem-iot/tandem/device/identity"
)

// inPlace are the things that may stand in the place of a file.
var inPlace = map[string]func(path string) error{
	"a pipe":               func(path string) error { return syscall.Mkfifo(path, 0o600) },
	"a pipe to read":       func(path string) error { return syscall.Mkfifo(path, 0o400) },
	"a device without end": func(path string) error { return os.Symlink("/dev/zero", path) },
	"a directory":          func(path string) error { return os.MkdirAll(filepath.Join(path, "full"), 0o700) },
	"a link to nothing":    func(path string) error { return os.Symlink("/nowhere/at/all", path) },
	"a link to itself":     func(path string) error { return os.Symlink(path, path) },
	"a socket": func(path string) error {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return err
		}
		l.SetUnlinkOnClose(false)
		return l.Close()
	},
}

// TestInPlaceOfFiles: whatever stands in the place of any file of a directory, the directory is opened without
// waiting, what is there counts as damaged, and it can be put aside for a file.
func TestInPlaceOfFiles(t *testing.T) {
	names := []string{"counters", "state", "code.json", "flash", "lock", "posts/0000000000000001.log", "state.tmp"}
	for what, put := range inPlace {
		for _, name := range append(names, identity.Files[:]...) {
			dir := t.TempDir()
			d := &disk{dir: dir}
			if err := d.makePosts(); err != nil {
				t.Fatal(err)
			}
			if err := put(d.path(name)); err != nil {
				t.Fatal(err)
			}
			if name == identity.Files[0] || name == identity.Files[1] {
				i, err := enrol.Load(dir)
				if i.Device != "" || err == nil && what != "a link to nothing" { // that is none yet
					t.Errorf("%s as %s is read: %+v, %v", what, name, i, err)
				}
				continue
			}
			d, err := openDisk(dir)
			if err != nil {
				t.Errorf("%s as %s: %v", what, name, err)
				continue
			}
			c := d.read()
			for _, f := range c.Files {
				if f.Err == nil {
					t.Errorf("%s as %s is read", what, name)
				}
			}
			f := d.openFlash()
			if f.file == nil || core.Kept(name) && len(c.Files) != 1 {
				t.Errorf("%s as %s: the flash is %+v, %d files", what, name, f, len(c.Files))
			}
			if core.Kept(name) {
				if err := d.setAside(name); err != nil {
					t.Errorf("%s as %s: %v", what, name, err)
				}
				if err := d.write(name, []byte("new")); err != nil {
					t.Errorf("%s as %s: %v", what, name, err)
				}
			}
			if err := d.reserve("state", 4096); err != nil {
				t.Errorf("%s as %s: state cannot be made: %v", what, name, err)
			}
			f.close()
			if err := d.close(); err != nil {
				t.Error(err)
			}
		}
	}
}
