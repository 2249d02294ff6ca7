package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/hlc"
	"github.com/tandem-iot/tandem/host"
	"github.com/tandem-iot/tandem/internal/freeaddr"
	"github.com/tandem-iot/tandem/internal/pgtest"
	"github.com/tandem-iot/tandem/logbook"
	"github.com/tandem-iot/tandem/mesh"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// patience is how long a test waits for something that must happen.
const patience = 3 * time.Minute

// fleet is nodes with one database. It has no doors: a test is the
// gateways, the ingress and the operator.
type fleet struct {
	t       *testing.T
	url     string // of the database
	lease   time.Duration
	nodes   []*node
	group   record.Group
	devices []record.Device
	logger  *slog.Logger // of the nodes that are added; nil: discard
	cables  bool         // the nodes that are added reach each other by cables, which can be cut
}

// node is one node of a fleet.
type node struct {
	*Cluster
	t       *testing.T
	fetches chan *fetch
	cable   *cable       // nil: none
	stop    func() error // ends the node without moving its agents; the error is of Run
}

// newFleet starts nodes, and makes devices that run the code.
func newFleet(t *testing.T, nodes, devices int, code string) *fleet {
	t.Helper()
	return newFleetAt(t, pgtest.Start(t), 0, nodes, devices, code)
}

// newFleetAt is newFleet on a database, with the nodes' lease.
func newFleetAt(t *testing.T, url string, lease time.Duration, nodes, devices int, code string) *fleet {
	t.Helper()
	f := &fleet{t: t, url: url, lease: lease}
	for range nodes {
		f.add()
	}
	f.settle(nodes)
	f.populate(devices, code)
	return f
}

func (f *fleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// populate makes devices that run the code, by way of the first node.
func (f *fleet) populate(devices int, code string) {
	f.t.Helper()
	ctx, s := f.t.Context(), f.nodes[0].Store
	owner, err := s.AddAccount(ctx, store.Account{Username: "o", Email: "o@localhost"})
	f.must(err)
	product, err := s.AddProduct(ctx, record.Product{Owner: owner.ID, Creator: owner.ID, Name: "p"})
	f.must(err)
	f.group, err = s.AddGroup(ctx, record.Group{
		Product: product.ID, Owner: owner.ID, Creator: owner.ID, Type: tandem.GroupDevelopment, Name: "g",
	})
	f.must(err)
	list := make([]record.Device, devices)
	for i := range list {
		list[i] = record.Device{Owner: owner.ID, Group: f.group.ID, KeyHash: record.Hash("key")}
	}
	f.devices, err = s.AddDevices(ctx, list)
	f.must(err)
	f.deploy(f.nodes[0], code)
}

// deploy gives the group code, at a node.
func (f *fleet) deploy(at *node, code string) {
	f.t.Helper()
	d := record.Deployment{Group: f.group.ID, AgentCode: code, DeviceCode: "// device"}
	_, err := at.Store.Deploy(f.t.Context(), d)
	f.must(err)
	f.must(at.Deployed(f.t.Context(), f.group.ID, ""))
}

// add starts another node; the test's end ends it.
func (f *fleet) add() *node {
	f.t.Helper()
	n := &node{t: f.t, fetches: make(chan *fetch, 10)}
	name := fmt.Sprintf("n%d", len(f.nodes)+1)
	s, err := store.OpenPostgres(f.t.Context(), f.url)
	f.must(err)
	clock := new(hlc.Clock)
	log, err := logbook.Open(f.t.Context(), f.t.TempDir(), logbook.Options{Clock: clock})
	f.must(err)
	h := &host.Host{
		Store: s, Log: log, Fetcher: n, Grace: 50 * time.Millisecond,
		URL: func(id tandem.AgentID) string { return "http://localhost/" + string(id) },
	}
	var net *mesh.Network
	net, n.cable = f.network(s, name)
	n.Cluster = &Cluster{
		Store: s, Host: h, Net: net, Clock: clock, Log: log, Logger: f.logger, Lease: f.lease,
		Info: record.Node{ID: name, MQTT: name + ":1883", URL: "http://" + name, Version: "v1"},
	}
	h.Join(n.Cluster, name, s.Shards())
	log.Join(n.Cluster)
	f.nodes = append(f.nodes, n)
	n.start(f)
	return n
}

// network opens the port of a node for the others, and claims the node's name.
func (f *fleet) network(s *store.Store, name string) (n *mesh.Network, c *cable) {
	f.t.Helper()
	id, err := mesh.NewIdentity()
	f.must(err)
	o := mesh.ListenOptions{Identity: id, Listen: freeAddr(f.t), Logger: f.logger}
	if f.cables {
		c = newCable(f.t)
		o.Advertise = c.listener.Addr().String()
		c.run(f.t, o.Listen)
	}
	n, err = mesh.Listen(f.t.Context(), o)
	f.must(err)
	f.must(s.Claim(f.t.Context(), record.Claim{Node: name, Key: id.Key(), Address: n.Addr()}, DefaultLease))
	return n, c
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := freeaddr.Loopback()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// start runs the node's parts until its end.
func (n *node) start(f *fleet) {
	f.t.Helper()
	var stops [4]context.CancelFunc
	var ended [4]chan error
	for i, run := range []func(context.Context) error{n.Cluster.Run, n.Host.Run, n.Log.Run, n.Store.Run} {
		ctx, stop := context.WithCancel(context.Background())
		stops[i], ended[i] = stop, make(chan error, 1)
		go func() { ended[i] <- run(ctx) }()
	}
	n.stop = sync.OnceValue(func() error {
		stops[1]()
		f.must(<-ended[1])
		stops[0]()
		err := <-ended[0]
		for _, i := range []int{2, 3} {
			stops[i]()
			f.must(<-ended[i])
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		f.must(errors.Join(n.Leave(ctx), n.Log.Close(), n.Store.Close()))
		return err
	})
	f.t.Cleanup(func() { f.must(n.Net.Close()) })
	f.t.Cleanup(func() {
		if err := n.stop(); err != nil && !f.t.Failed() {
			f.t.Error(err)
		}
	})
	select {
	case <-n.Ready():
	case <-time.After(patience):
		f.t.Fatalf("%s is not part of the cluster", n.Info.ID)
	}
}

// until waits until something is so.
func (n *node) until(what string, ok func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			n.t.Fatalf("%s: not within %v; %s sees %+v", what, patience, n.Info.ID, n.Status())
		}
		<-time.After(2 * time.Millisecond)
	}
}

// settle waits until all nodes see so many nodes, each with its share of the shards
// and those that are drained with none.
func (f *fleet) settle(nodes int) {
	f.t.Helper()
	for _, n := range f.nodes {
		n.until("the shards are in place", func() bool {
			st := n.Status()
			placed := 0
			for _, x := range st.Nodes {
				if x.Leaving == 0 && x.Alive && (x.Draining && x.Shards == 0 || 11*x.Shards > 10*st.Shards/nodes) {
					placed++
				}
			}
			return st.Orphan == 0 && placed == nodes && placed == len(st.Nodes)
		})
	}
}

// at returns the devices whose agents are at the node, of which there are two at least.
func (f *fleet) at(n *node) (list []record.Device) {
	f.t.Helper()
	for _, d := range f.devices {
		if n.Host.Has(d.Agent) {
			list = append(list, d)
		}
	}
	if len(list) < 2 {
		f.t.Fatalf("%d agents of %d are at %s", len(list), len(f.devices), n.Info.ID)
	}
	return list
}

// get asks an agent by way of the node; the answer must come and be 200.
func (n *node) get(d record.Device, path string) string {
	n.t.Helper()
	r, err := n.Request(n.t.Context(), d.Agent, &tandem.Request{Method: "GET", Path: path})
	if err != nil || r.Status != 200 {
		n.t.Fatalf("%s at %s: %+v, %v", path, n.Info.ID, r, err)
	}
	return string(r.Body)
}

// line is a device's connection at a node's gateway, which writes down what it gets.
type line struct {
	at     *node
	device tandem.DeviceID
	ref    tandem.LinkRef
	seq    uint64
	sent   chan string
	closed chan string
	parked chan bool // has one for each request that waits for ever

	refuses atomic.Bool // it takes no message for the device
	refused chan string // topic of one
}

var refs atomic.Uint64

// connect connects a device at the node.
func (n *node) connect(d record.Device) *line {
	n.t.Helper()
	l := &line{
		at: n, device: d.ID, ref: tandem.LinkRef{Node: n.Info.ID, ID: refs.Add(1)},
		sent: make(chan string, 1000), closed: make(chan string, 10),
		parked: make(chan bool, 10), refused: make(chan string, 1),
	}
	if err := n.Connect(n.t.Context(), d.ID, l, 1, "192.0.2.7"); err != nil {
		n.t.Fatal(err)
	}
	return l
}

func (l *line) Ref() tandem.LinkRef { return l.ref }
func (l *line) Close(why string)    { l.closed <- why }
func (l *line) Send(topic string, m tandem.Message) bool {
	if l.refuses.Load() {
		select {
		case l.refused <- topic:
		default:
		}
		return false
	}
	if topic == "device/parked" {
		l.parked <- true
	}
	text := m.Data
	if m.Format == tandem.FormatCompact {
		var err error
		if text, err = codec.TranscodeJSON(m.Data); err != nil {
			l.at.t.Error(err)
		}
	}
	l.sent <- strings.TrimPrefix(topic, "device/") + " " + string(text)
	return true
}

// say publishes a message of the device; handled is closed when it is acknowledged.
func (l *line) say(name, data string) (handled chan struct{}) {
	l.at.t.Helper()
	l.seq++
	handled = make(chan struct{})
	err := l.at.FromDevice(l.at.t.Context(), l.device, l.ref, l.seq, "agent/"+name,
		tandem.Message{Data: []byte(data)}, func() { close(handled) })
	if err != nil {
		l.at.t.Fatal(err)
	}
	return handled
}

// expect waits for what the device is to get, whatever else comes before it.
func (l *line) expect(want string) {
	l.at.t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case got := <-l.sent:
			if strings.HasPrefix(got, want) {
				return
			}
		case <-timeout:
			l.at.t.Fatalf("the device does not get %q", want)
		}
	}
}

// leave ends the connection, as a device does that says goodbye.
func (l *line) leave() {
	l.at.t.Helper()
	if err := l.at.Disconnect(l.at.t.Context(), l.device, l.ref, tandem.LinkEnd{Clean: true}); err != nil {
		l.at.t.Error(err)
	}
}

func await[T any](t *testing.T, what string, c <-chan T) (x T) {
	t.Helper()
	select {
	case x = <-c:
	case <-time.After(patience):
		t.Fatalf("%s: not within %v", what, patience)
	}
	return x
}

// fetch is an outgoing request of an agent. The test answers it.
type fetch struct {
	*tandem.Fetch
	ctx  context.Context
	done func(*tandem.Response)
}

func (n *node) Fetch(ctx context.Context, f *tandem.Fetch, part func([]byte), done func(*tandem.Response)) {
	var once sync.Once
	answer := func(r *tandem.Response) { once.Do(func() { done(r) }) }
	context.AfterFunc(ctx, func() { answer(&tandem.Response{Status: tandem.FetchTimeout}) })
	n.fetches <- &fetch{f, ctx, answer}
}

func (*node) DialBroker(context.Context, string) (net.Conn, error) {
	return nil, errors.New("there is no broker")
}
