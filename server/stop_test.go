package server

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/internal/pgtest"
)

// TestStopWithoutDatabase: a node whose database is gone stops all the same. Its
// agents cannot be saved, and start again.
func TestStopWithoutDatabase(t *testing.T) {
	dir, err := pgtest.MakeDir()
	if err != nil {
		t.Fatal(err)
	}
	pg, err := pgtest.StartServer(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			pg.Stop(true)
		}
	}()
	url, err := pg.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, url: url, lease: 2 * time.Second}
	n := f.add()
	pairs := f.pairs(4, central.Code{Agent: `
		function tick() { imp.wakeup(0.01, tick); }
		device.on("n", @(x) device.send("ok", x));
		http.onrequest(function(q, r) {
			if (q.path == "/busy") tick();
			r.send(200, "here");
		});`, Device: lenient.Replace(counterDevice)})
	for i, p := range pairs[2:] {
		f.run(filepath.Join(t.TempDir(), fmt.Sprint("device", i)), n, p)
	}
	for i, p := range pairs {
		path := []string{"/busy", "/idle"}[i%2]
		if got := answerOf(t.Context(), "GET", n.Agents.URL(p.agent)+path); got != "200 here" {
			t.Fatal(got)
		}
	}
	n.until("devices are there", func() bool { return n.Host.Online(pairs[2].id) && n.Host.Online(pairs[3].id) })
	stopped = true
	if err := pg.Stop(true); err != nil {
		t.Fatal(err)
	}
	n.until("agents wait for a lease", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return answerOf(ctx, "GET", n.Agents.URL(pairs[0].agent)) != "200 here"
	})
	n.end()
}
