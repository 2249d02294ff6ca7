package pgtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func query(t *testing.T, url, text string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return err
	}
	defer func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	_, err = conn.Exec(t.Context(), text)
	return err
}

func TestFreshDatabases(t *testing.T) {
	for range 2 {
		if err := query(t, Start(t), "CREATE TABLE t (a INT)"); err != nil {
			t.Error(err)
		}
	}
}

// TestKill checks that what was committed outlives kill -9.
func TestKill(t *testing.T) {
	s, err := StartServer(Dir(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	url, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := query(t, url, "CREATE TABLE t (a INT)"); err != nil {
		t.Error(err)
	}
	for _, immediate := range []bool{true, false} {
		if err := s.Stop(immediate); err != nil {
			t.Fatal(err)
		}
		if err := query(t, url, "SELECT 1"); err == nil {
			t.Error("the server is stopped and answers")
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		if err := query(t, url, "INSERT INTO t VALUES (1)"); err != nil {
			t.Error(err)
		}
	}
	if err := s.Quit(); err != nil {
		t.Error(err)
	}
}

// TestRestore checks that a server goes back to a copy.
func TestRestore(t *testing.T) {
	s, err := StartServer(Dir(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	url, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := query(t, url, "CREATE TABLE early (a INT)"); err != nil {
		t.Error(err)
	}
	dir := filepath.Join(s.Dir, "copy")
	if err := s.Copy(dir); err != nil {
		t.Fatal(err)
	}
	if err := query(t, url, "CREATE TABLE late (a INT)"); err != nil {
		t.Error(err)
	}
	if err := s.Restore(dir); err != nil {
		t.Fatal(err)
	}
	if err := query(t, url, "SELECT FROM early"); err != nil {
		t.Error(err)
	}
	if err := query(t, url, "SELECT FROM late"); err == nil {
		t.Error("what was made after the copy is in the copy")
	}
	if err := s.Quit(); err != nil {
		t.Error(err)
	}
}
