package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-iot/tandem/bench/node"
	"github.com/tandem-iot/tandem/bench/volume"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/store"
)

const diskSize = 512 << 20 // bytes; only written blocks take memory

// Limits of the length of a round's load.
const (
	shortest = 200 * time.Millisecond
	longest  = 1500 * time.Millisecond
)

// The power is cut after a number of written blocks, at most unflushed, because between
// two saves there is nothing to lose. If the disk is idle for this long, the power is cut
// then.
const (
	unflushed = 40
	idle      = time.Second
)

// world is a machine with a disk, with a node that uses SQLite on it, or with PostgreSQL
// on it for a node elsewhere.
type world struct {
	name   string
	random *rand.Rand
	volume *volume.Volume
	pg     *pgtest.Server // nil: SQLite
	load   *load
}

// newSQLite makes a machine that runs a node.
func newSQLite(ctx context.Context, tandem string, random *rand.Rand) (*world, error) {
	w := &world{name: "SQLite", random: random}
	var err error
	if w.volume, err = volume.New(ctx, diskSize, random); err != nil {
		return nil, err
	}
	if err = w.populate(ctx, tandem, filepath.Join(w.volume.Dir, "node"), ""); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// newPostgres makes a machine that runs PostgreSQL, durably or not.
func newPostgres(ctx context.Context, tandem string, random *rand.Rand, fsync bool) (*world, error) {
	w := &world{name: "PostgreSQL", random: random}
	if !fsync {
		w.name = "PostgreSQL with fsync=off"
	}
	var err error
	if w.volume, err = volume.New(ctx, diskSize, random); err != nil {
		return nil, err
	}
	url := ""
	if w.pg, url, err = startPostgres(ctx, filepath.Join(w.volume.Dir, "postgres"), fsync); err == nil {
		err = w.populate(ctx, tandem, filepath.Join(w.volume.Base, "node"), url)
	}
	if err == nil {
		err = w.volume.Sync(ctx) // initdb does not sync
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// startPostgres starts a server with new files and a database. Together with an error it
// returns the server if that must be stopped.
func startPostgres(ctx context.Context, dir string, fsync bool) (pg *pgtest.Server, url string, err error) {
	if pg, err = pgtest.StartServer(dir, 0); err != nil {
		return nil, "", err
	}
	if !fsync {
		if err := withoutFsync(pg); err != nil {
			return pg, "", err
		}
	}
	url, err = pg.Create(ctx)
	return pg, url, err
}

func withoutFsync(pg *pgtest.Server) error {
	if err := pg.Stop(false); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(pg.Dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\nfsync = off\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return pg.Start()
}

// populate starts the node and creates its agents.
func (w *world) populate(ctx context.Context, tandem, data, database string) error {
	n, err := node.NewMachine(tandem, data, filepath.Join(w.volume.Base, "log"), database)
	if err != nil {
		return err
	}
	w.load = newLoad(n, nil)
	if err := n.Up(ctx); err != nil {
		return err
	}
	ids, err := deploy(ctx, n, w.volume.Base)
	w.load = newLoad(n, ids)
	return err
}

// deploy creates the agents, and returns their ids. Their devices never connect.
func deploy(ctx context.Context, n *node.Machine, dir string) (ids []string, err error) {
	if err := n.Deploy(ctx, filepath.Join(dir, "program"), map[string]string{"agent.nut": code}); err != nil {
		return nil, err
	}
	for i := range agents {
		d, err := n.AddDevice(ctx, fmt.Sprint("desk ", i))
		if err != nil {
			return nil, err
		}
		ids = append(ids, d.URL[strings.LastIndexByte(d.URL, '/')+1:])
	}
	return ids, nil
}

// close stops all processes and removes the disk.
func (w *world) close() error {
	return errors.Join(w.volume.Cut(w.kill, w.wait), w.volume.Close())
}

// kill kills all processes and does not wait for them, because some may hang in the disk.
func (w *world) kill() error {
	pids, err := children("self")
	if err != nil {
		return err
	}
	for _, pid := range pids {
		of, err := children(pid) // PostgreSQL's child processes, which outlive it for a while
		if err != nil {
			return err
		}
		pids = append(pids, of...)
	}
	for _, word := range pids {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// children returns the ids of a process's children.
func children(pid string) (pids []string, err error) {
	files, err := filepath.Glob("/proc/" + pid + "/task/*/children")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		list, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ESRCH) { // the process may have ended
			return nil, err
		}
		pids = append(pids, strings.Fields(string(list))...)
	}
	return pids, nil
}

func (w *world) wait() error {
	if w.load != nil {
		w.load.node.Wait()
	}
	if w.pg != nil {
		return w.pg.Stop(true)
	}
	return nil
}

// round runs a load, cuts the power at some moment, starts everything again, and checks.
func (w *world) round(ctx context.Context) (tally, error) {
	during, stop := context.WithCancel(ctx)
	defer stop()
	loaded := make(chan error, 1)
	go func() { loaded <- w.load.run(during, true) }()
	length := shortest + time.Duration(w.random.Int64N(int64(longest-shortest)))
	select {
	case <-time.After(length):
	case <-ctx.Done():
	}
	deaf := func() { w.load.cut.Store(true) }
	select {
	case <-w.volume.Disk.CutAfter(1+w.random.IntN(unflushed), w.random, deaf):
	case <-time.After(idle): // the disk is idle: cut now
		deaf()
	case <-ctx.Done():
		deaf()
	}
	err := w.volume.Cut(w.kill, w.wait)
	stop()
	failed := <-loaded
	if err := errors.Join(err, ctx.Err()); err != nil {
		return tally{}, err
	}
	if failed != nil { // not a violation: a save that fails is not acknowledged
		fmt.Printf("%s: a request failed before the cut: %v\n", w.name, failed)
	}
	if err := w.restart(ctx); err != nil {
		return tally{}, err
	}
	t, err := w.check(ctx)
	if err == nil && t.Saves == 0 {
		err = errors.New("no save was acknowledged before the cut")
	}
	if err == nil {
		lost, kept := w.volume.Disk.Outcome()
		fmt.Printf(
			"%s: power cut after %d ms, of %d unflushed blocks %d are left in part or whole; %d acknowledged saves "+
				"and %d posts, %d lost\n",
			w.name, length.Milliseconds(), lost+kept, kept, t.Saves, t.Posts, t.Lost)
	}
	return t, err
}

func (w *world) restart(ctx context.Context) error {
	if err := w.volume.Boot(ctx, false); err != nil {
		return err
	}
	if w.pg != nil {
		if err := w.pg.Start(); err != nil {
			return err
		}
	}
	return w.load.node.Up(ctx)
}

// check compares the saved state with the acknowledged saves and posts. The node runs
// before and after.
func (w *world) check(ctx context.Context) (tally, error) {
	t, err := w.load.check(ctx)
	if err != nil {
		return t, err
	}
	n := w.load.node
	var db *store.Store
	if w.pg != nil {
		db, err = store.OpenPostgres(ctx, n.Database)
	} else {
		n.Kill() // the database file can be open in one process only
		db, err = store.Open(ctx, filepath.Join(n.Data, "tandem.db"))
	}
	if err != nil {
		return t, err
	}
	posts, err := w.load.checkPosts(ctx, db)
	t.Posts, t.Lost = posts.Posts, t.Lost+posts.Lost
	if err := errors.Join(err, db.Close()); err != nil || w.pg != nil {
		return t, err
	}
	return t, n.Up(ctx)
}
