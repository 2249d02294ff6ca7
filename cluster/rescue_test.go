package cluster

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/store/record"
)

// keeper saves what it is told, and keeps a message for its device.
const keeper = `
http.onrequest(function(q, r) {
	switch (q.path) {
	case "/load": r.send(200, "n" in server.load() ? server.load().n : "none"); break;
	case "/post": tandem.post("note", q.body); r.send(200, "ok"); break;
	default: r.send(server.save({ n = q.path.slice(1) }) == 0 ? 200 : 500, "");
	}
});
device.on("n", function(x) { server.save({ n = x.tostring() }); });`

// newServer starts a server with a database.
func newServer(t *testing.T) (server *pgtest.Server, url string) {
	t.Helper()
	server, err := pgtest.StartServer(pgtest.Dir(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Quit(); err != nil {
			t.Error(err)
		}
	})
	url, err = server.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return server, url
}

// TestWentBack: the database goes back to a backup while the nodes run. Every node notices, and
// what the agents have saved since the backup is there, and so are the messages that they have
// kept for their devices.
func TestWentBack(t *testing.T) {
	server, url := newServer(t)
	backup := filepath.Join(server.Dir, "backup")
	const lease = 15 * time.Second // no node is to be lost because the server restarts slowly
	f := newFleetAt(t, url, lease, 2, 16, keeper)
	f.save("first")
	f.must(server.Copy(backup))
	f.answers()
	f.save("first")
	for _, n := range f.nodes {
		if h := n.Store.Health(); h.WentBack != 0 {
			t.Fatalf("%s believes that the database went back, and it was stopped only", n.Info.ID)
		}
	}
	// One agent restarts, so that its incarnation is one that the backup does not have; one
	// moves, one saves by a message, one was enrolled since.
	f.insist(func() error { return f.nodes[0].RestartAgent(t.Context(), f.devices[0].ID) })
	var fresh []record.Device
	f.insist(func() (err error) {
		enrolled := record.Device{Owner: f.devices[0].Owner, Group: f.group.ID, KeyHash: record.Hash("key")}
		fresh, err = f.nodes[0].Store.AddDevices(t.Context(), []record.Device{enrolled})
		return err
	})
	f.devices = append(f.devices, fresh...)
	f.save("second")
	for _, d := range f.devices {
		f.nodes[1].get(d, "/post")
	}
	deployed, err := f.nodes[0].Store.Deploy(t.Context(), record.Deployment{Group: f.group.ID, AgentCode: keeper + "\n"})
	f.must(err)
	f.must(f.nodes[0].Deployed(t.Context(), f.group.ID, ""))
	f.answers()
	before := f.newestEpoch()
	f.devices = f.devices[:len(f.devices)-1]
	f.must(server.Restore(backup))
	for _, n := range f.nodes {
		n.until("it notices", func() bool { return n.Store.Health().WentBack == 1 })
	}
	f.answers()
	for _, d := range f.devices {
		if got := f.nodes[0].get(d, "/load"); got != "second" {
			t.Errorf("agent %s has %q after the database went back", d.Agent, got)
		}
		posts, err := f.nodes[0].Store.Posts(t.Context(), d.Agent)
		if err != nil || len(posts) != 1 {
			t.Errorf("agent %s: %d messages wait for its device, %v", d.Agent, len(posts), err)
		}
	}
	f.save("third")
	if after := f.newestEpoch(); after <= before {
		t.Errorf("epochs up to %d after the database went back, and up to %d before", after, before)
	}
	if _, err := f.nodes[0].Store.Deployment(t.Context(), deployed.ID); err == nil {
		t.Error("the restored database has the newest deployment")
	}
	for _, n := range f.nodes {
		if h := n.Store.Health(); h.WentBack != 1 || h.Damaged != 0 || h.Failing != nil {
			t.Errorf("%s: %+v", n.Info.ID, h)
		}
	}
}

// insist does something with the database, again when a connection was broken since it was used
// last.
func (f *fleet) insist(do func() error) {
	f.t.Helper()
	var err error
	f.nodes[0].until("the database answers", func() bool {
		err = do()
		return tandem.KindOf(err) != tandem.Unavailable
	})
	f.must(err)
}

// save has all agents save a text, as often as it takes: a connection to the database may be
// broken.
func (f *fleet) save(text string) {
	f.t.Helper()
	for _, d := range f.devices {
		f.nodes[0].until("the agent saves", func() bool {
			r, err := f.nodes[0].Request(f.t.Context(), d.Agent, &tandem.Request{Method: "GET", Path: "/" + text})
			return err == nil && r.Status == 200
		})
	}
}

// answers waits until all agents answer by way of all nodes.
func (f *fleet) answers() {
	f.t.Helper()
	f.settle(len(f.nodes))
	for _, n := range f.nodes {
		for _, d := range f.devices {
			n.get(d, "/load")
		}
	}
}

func (f *fleet) newestEpoch() (epoch int64) {
	f.t.Helper()
	var m *record.Membership
	f.insist(func() (err error) {
		m, err = f.nodes[0].Store.Membership(f.t.Context(), -1)
		return err
	})
	for _, s := range m.Shards {
		epoch = max(epoch, s.Epoch)
	}
	return epoch
}
