package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-iot/tandem/internal/child"
	"github.com/tandem-iot/tandem/internal/freeaddr"
)

// superuser is the only user of a server. It needs no password.
const superuser = "tandem"

// patience is the limit of the time that a server takes to start or stop.
const patience = 3 * time.Minute

// Server is a PostgreSQL server on 127.0.0.1.
type Server struct {
	Dir  string // of its files
	Port int

	programs string // the directory of PostgreSQL's programs
	output   bytes.Buffer
	process  *os.Process  // nil: it is stopped
	ended    chan error   // gets the result of the process; output can be read then
	made     atomic.Int64 // number of databases made
}

// StartServer starts a server on the files in dir, which it makes when there
// are none. With port 0 it chooses a free one.
func StartServer(dir string, port int) (*Server, error) {
	s := &Server{Dir: dir, Port: port}
	var err error
	if s.programs, err = find(); err != nil {
		return nil, err
	}
	if s.Port == 0 {
		if s.Port, err = freePort(); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(s.data()); errors.Is(err, os.ErrNotExist) {
		if err := s.makeFiles(); err != nil {
			return nil, err
		}
	}
	return s, s.Start()
}

// URL returns the URL of a database of the server.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", superuser, s.Port, database)
}

// Create makes a database, and returns its URL.
func (s *Server) Create(ctx context.Context) (url string, err error) {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	name := fmt.Sprintf("test_%d", s.made.Add(1))
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	return s.URL(name), nil
}

// Start starts a server that is stopped, and waits until it can be used.
func (s *Server) Start() error {
	deadline := time.Now().Add(patience)
	for {
		if err := s.launch(); err != nil {
			return err
		}
		err := s.wait(deadline)
		if err == nil {
			return nil
		}
		// Children of a server that was killed may still be running.
		if s.process != nil || time.Now().After(deadline) ||
			!bytes.Contains(s.output.Bytes(), []byte("shared memory block")) {
			return errors.Join(err, s.Stop(true))
		}
		pause()
	}
}

// Stop stops the server: at once, with kill -9, or with a fast shutdown, which ends its
// connections. It does nothing when the server is stopped.
func (s *Server) Stop(immediate bool) error {
	if immediate {
		return s.end(syscall.SIGKILL)
	}
	return s.end(syscall.SIGINT) // PostgreSQL's "fast"
}

// Quit stops a server whose files are not needed any more. It writes nothing: on a disk that
// has much to do a fast shutdown takes minutes.
func (s *Server) Quit() error { return s.end(syscall.SIGQUIT) } // PostgreSQL's "immediate"

func (s *Server) end(signal syscall.Signal) error {
	if s.process == nil {
		return nil
	}
	err := s.process.Signal(signal)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		return errors.Join(errors.New("PostgreSQL does not stop"), s.process.Kill())
	}
	s.process = nil
	return nil
}

// Copy stops the server, copies its files to dir, which must not exist, and starts it again.
func (s *Server) Copy(dir string) error {
	if err := s.Stop(false); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", s.data(), dir).CombinedOutput(); err != nil {
		return fmt.Errorf("copying %s: %w: %s", s.data(), err, out)
	}
	return s.Start()
}

// Restore kills the server, makes its files those of a copy, which is used up, and starts it
// again.
func (s *Server) Restore(dir string) error {
	if err := s.Stop(true); err != nil {
		return err
	}
	// Children of the server may still be running, and write to the old files.
	old := dir + ".old"
	if err := os.Rename(s.data(), old); err != nil {
		return err
	}
	if err := os.Rename(dir, s.data()); err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	return Remove(old)
}

func (s *Server) data() string { return filepath.Join(s.Dir, "data") }

func pause() { time.Sleep(20 * time.Millisecond) }

// Remove removes the files of a server that is stopped. Children of one that was killed may
// still be running, and make files meanwhile.
func Remove(dir string) error {
	for deadline := time.Now().Add(patience); ; pause() {
		err := os.RemoveAll(dir)
		if !errors.Is(err, syscall.ENOTEMPTY) || time.Now().After(deadline) {
			return err
		}
	}
}

// find returns the directory of PostgreSQL's programs.
func find() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	all, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(all) == 0 {
		return "", errors.Join(errors.New("PostgreSQL is not installed: run apt-get install postgresql"), err)
	}
	return filepath.Dir(all[len(all)-1]), nil
}

func freePort() (int, error) {
	addr, err := freeaddr.Loopback()
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// attributes makes a program end with this process, and run as a user other than root,
// because PostgreSQL refuses to run as root.
func attributes() (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() != 0 {
		return attr, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		if account, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no other user to run it as: %w", err)
		}
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, nil
}

// makeFiles makes the files of a new server.
func (s *Server) makeFiles() error {
	attr, err := attributes()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.data(), 0o700); err != nil {
		return err
	}
	if c := attr.Credential; c != nil {
		for _, dir := range []string{s.Dir, s.data()} {
			if err := os.Chown(dir, int(c.Uid), int(c.Gid)); err != nil {
				return err
			}
		}
	}
	cmd := exec.Command(filepath.Join(s.programs, "initdb"), "--pgdata", s.data(), "--username", superuser,
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = s.Dir, attr
	runtime.LockOSThread() // Pdeathsig is sent when the thread ends
	defer runtime.UnlockOSThread()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s (the user of PostgreSQL must have access to it): %w\n%s", s.Dir, err, out)
	}
	return nil
}

// launch starts the process of the server.
func (s *Server) launch() error {
	attr, err := attributes()
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(s.programs, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	s.output.Reset()
	cmd.Dir = s.Dir
	cmd.SysProcAttr = attr
	cmd.Stdout = &s.output
	cmd.Stderr = &s.output
	cmd.WaitDelay = time.Second // children of a server that was killed keep its output open for a while
	ended, err := child.Start(cmd, syscall.SIGQUIT)
	if err != nil {
		return err
	}
	s.process, s.ended = cmd.Process, ended
	return nil
}

// wait waits until the server accepts connections.
func (s *Server) wait(deadline time.Time) error {
	for {
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			err = conn.Close(ctx)
			cancel()
			return err
		}
		cancel()
		select {
		case <-s.ended:
			s.process = nil
			return fmt.Errorf("PostgreSQL does not start:\n%s", s.output.Bytes())
		default:
		}
		if time.Now().After(deadline) {
			return err
		}
		pause()
	}
}
