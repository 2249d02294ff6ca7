package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/bench/client"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/server"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// agentCode echoes, counts durably, and answers its device.
const agentCode = `
local saved = server.load();
n <- "n" in saved ? saved.n : 0;
http.onrequest(function(request, response) {
    if (request.path == "/echo/") return response.send(200, request.body);
    n++;
    if (server.save({ n = n }) != 0) return response.send(500, "not saved");
    response.send(200, n.tostring());
});
device.on("ping", function(data) { device.send("pong", data); });
`

// fleet is a node with many agents.
type fleet struct {
	dir     string
	devices []record.Device
	key     string // of all devices
	process *process
	access  central.Access
}

// prepare writes the data of a node that has never run an agent.
func (p plan) prepare(ctx context.Context, dir string) (*fleet, error) {
	s, err := store.Open(ctx, filepath.Join(dir, "tandem.db"))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return populate(ctx, s, dir, agentCode, max(p.agents, p.conns))
}

// populate makes n devices whose agents run the code.
func populate(ctx context.Context, s *store.Store, dir, code string, n int) (*fleet, error) {
	f := &fleet{dir: dir, key: tandem.NewKey()}
	ctx, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	defer func() { stop(); <-ran }()
	owner, err := s.AddAccount(ctx, store.Account{Username: "bench", Email: "bench@localhost"})
	if err != nil {
		return nil, err
	}
	product, err := s.AddProduct(ctx, record.Product{Owner: owner.ID, Creator: owner.ID, Name: "bench"})
	if err != nil {
		return nil, err
	}
	group, err := s.AddGroup(ctx, record.Group{
		Product: product.ID,
		Owner:   owner.ID,
		Creator: owner.ID,
		Type:    tandem.GroupDevelopment,
		Name:    "bench",
	})
	if err != nil {
		return nil, err
	}
	if _, err := s.Deploy(ctx, record.Deployment{Group: group.ID, Creator: owner.ID, AgentCode: code}); err != nil {
		return nil, err
	}
	list := make([]record.Device, n)
	for i := range list {
		list[i] = record.Device{Owner: owner.ID, Group: group.ID, KeyHash: record.Hash(f.key)}
	}
	f.devices, err = s.AddDevices(ctx, list)
	return f, err
}

// start starts the node, with additional arguments.
func (f *fleet) start(ctx context.Context, binary string, args ...string) (err error) {
	f.process, err = start(ctx, binary,
		append([]string{
			"up", "--data", f.dir, "--http", "127.0.0.1:0", "--agents", "127.0.0.1:0", "--mqtt", "127.0.0.1:0",
		}, args...)...)
	if err != nil {
		return err
	}
	file := filepath.Join(f.dir, server.AccessFile)
	err = client.Soon(ctx, func() (err error) {
		f.access, err = central.ReadAccess(file)
		return err
	})
	if err != nil {
		f.process.stop()
		return fmt.Errorf("the node does not start: %w", err)
	}
	return nil
}

// http returns the first n agents as a target.
func (f *fleet) http(name, path string, n int, check func([]byte) error) httpTarget {
	t := httpTarget{
		name:   name,
		server: f.process,
		addr:   string(bytes.TrimPrefix([]byte(f.access.Agents), []byte("http://"))),
		check:  check,
	}
	for _, d := range f.devices[:n] {
		t.paths = append(t.paths, "/"+string(d.Agent)+path)
	}
	return t
}

// mqtt returns the first n devices as a target.
func (f *fleet) mqtt(name string, n int) mqttTarget {
	t := mqttTarget{name: name, addr: f.access.MQTT, servers: []*process{f.process}}
	for _, d := range f.devices[:n] {
		id := string(d.ID)
		who := client.Login{ID: id, User: id, Password: f.key}
		t.pairs = append(t.pairs, mqttPair{login: who, publish: "agent/ping", hear: "device/#"})
	}
	return t
}

// body is the echoed text: 64 bytes that are a JSON string, so that the device's echo can
// be compared, too.
func body() []byte {
	b := bytes.Repeat([]byte("x"), 64)
	b[0], b[63] = '"', '"'
	return b
}

// cold makes requests to agents that have never run, one after the other.
func (p plan) cold(ctx context.Context, f *fleet, r *report) error {
	s, err := f.http("cold agents", "/echo/", p.agents, equals(body())).once(ctx, 1, body())
	if err != nil {
		return err
	}
	r.add(
		row{
			name:      "cold_p50_ms",
			what:      fmt.Sprintf("cold agent, event to first answer, p50 of %d", p.agents),
			unit:      "ms",
			value:     s.MS(50),
			peer:      "workerd, published",
			peerValue: 1.7,
		},
		row{
			name:      "cold_p99_ms",
			what:      "cold agent, p99",
			unit:      "ms",
			value:     s.MS(99),
			peer:      "workerd, published",
			peerValue: 3.7,
		},
	)
	return nil
}

// idleAgents measures the memory of hibernating agents, and the time until they answer
// again.
func (p plan) idleAgents(ctx context.Context, f *fleet, r *report) error {
	if err := client.Pause(ctx, tandem.HibernateAfterIdle+2*time.Second); err != nil {
		return err
	}
	full, ok := f.process.settled(ctx, 60*time.Second)
	if !ok {
		r.note("memory is not measured: this system has no /proc, or was interrupted")
		return ctx.Err()
	}
	empty, err := p.emptyNode(ctx)
	if err != nil {
		return err
	}
	r.add(row{
		name:  "idle_agent_kib",
		what:  fmt.Sprintf("memory per idle agent at %d (node without agents subtracted)", p.agents),
		unit:  "KiB",
		value: (full - empty) / float64(p.agents) / 1024, peer: "workerd, published", peerValue: 231})
	n := min(p.agents, 1000)
	s, err := f.http("hibernated agents", "/echo/", n, equals(body())).once(ctx, 1, body())
	if err != nil {
		return err
	}
	r.add(row{name: "wake_p50_ms", what: "hibernated agent, event to answer, p50", unit: "ms", value: s.MS(50)})
	return nil
}

// emptyNode returns the memory of a node that has no agents.
func (p plan) emptyNode(ctx context.Context) (float64, error) {
	dir, err := os.MkdirTemp("", "tandem-bench-empty")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	f := &fleet{dir: dir}
	if err := f.start(ctx, p.tandem); err != nil {
		return 0, err
	}
	defer f.process.stop()
	size, _ := f.process.settled(ctx, 10*time.Second)
	return size, nil
}

// idleConnections measures the cost of a connected device that sends nothing.
func (p plan) idleConnections(ctx context.Context, f *fleet, r *report) error {
	if p.conns <= 0 {
		r.note("idle connections are not measured: too few file descriptors")
		return nil
	}
	before, ok := f.process.settled(ctx, 20*time.Second)
	if !ok {
		return ctx.Err()
	}
	start := time.Now()
	conns, err := f.mqtt("idle devices", p.conns).connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(conns)
	rate := float64(p.conns) / time.Since(start).Seconds()
	// The agents were told of their devices, and must hibernate again.
	if err := client.Pause(ctx, tandem.HibernateAfterIdle+2*time.Second); err != nil {
		return err
	}
	after, _ := f.process.settled(ctx, 60*time.Second)
	r.add(
		row{name: "idle_connection_kib", what: fmt.Sprintf("memory per idle device connection at %d", p.conns), unit: "KiB",
			value: (after - before) / float64(p.conns) / 1024, peer: "mosquitto, published", peerValue: 1.72},
		row{
			name:      "connects_per_s",
			what:      "connect and subscribe",
			unit:      "/s",
			value:     rate,
			peer:      "mosquitto, published",
			peerValue: 12154,
		},
	)
	return nil
}
