package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/bench/client"
)

// runHTTP runs each target in turn, rounds times, and returns their medians.
func (p plan) runHTTP(ctx context.Context, targets ...httpTarget) ([]client.Sample, error) {
	runs := make([][]client.Sample, len(targets))
	for range p.rounds {
		for i, t := range targets {
			before := t.server.cpu()
			s, err := t.load(ctx, p.inFlight, p.each, body())
			if err != nil {
				return nil, err
			}
			s.CPU = t.server.cpu() - before
			runs[i] = append(runs[i], s)
		}
	}
	medians := make([]client.Sample, len(targets))
	for i := range runs {
		medians[i] = client.Median(runs[i])
	}
	return medians, nil
}

// http compares requests to agents with a plain server's.
func (p plan) http(ctx context.Context, f *fleet, r *report) error {
	// Agents still handle the disconnection of their devices: wait until they are idle.
	if err := client.Pause(ctx, tandem.ReconnectGrace+tandem.HibernateAfterIdle+5*time.Second); err != nil {
		return err
	}
	peer, addr, err := startSelf(ctx, "http-peer")
	if err != nil {
		return err
	}
	defer peer.stop()
	counters := make([]string, p.pairs)
	for i := range counters {
		counters[i] = fmt.Sprintf("/count/%d", i)
	}
	targets := []httpTarget{
		{name: "net/http", server: peer, addr: addr, paths: []string{"/echo/"}, check: equals(body())},
		f.http("echo, one agent", "/echo/", 1, equals(body())),
		f.http("echo, many agents", "/echo/", p.pairs, equals(body())),
		{name: "net/http with a log", server: peer, addr: addr, paths: counters, check: counts},
		f.http("counter, one agent", "/count", 1, counts),
		f.http("counter, many agents", "/count", p.pairs, counts),
	}
	s, err := p.runHTTP(ctx, targets...)
	if err != nil {
		return err
	}
	plain := s[0].PerSecond()
	for i, x := range []struct{ name, what string }{
		{"echo_1_per_s", "HTTP echo of 64 bytes, 1 agent"},
		{"echo_many_per_s", fmt.Sprintf("HTTP echo of 64 bytes, %d agents", p.pairs)},
	} {
		r.add(row{name: x.name, what: x.what, unit: "/s", value: s[i+1].PerSecond(), peer: "net/http echo", peerValue: plain})
	}
	for i, x := range []struct{ name, what string }{
		{"counter_1_per_s", "counter saved before each answer, 1 agent"},
		{"counter_many_per_s", fmt.Sprintf("counter saved before each answer, %d agents", p.pairs)},
	} {
		r.add(row{name: x.name, what: x.what, unit: "/s", value: s[i+4].PerSecond(), peer: "net/http echo", peerValue: plain})
	}
	r.add(
		row{name: "counter_log_per_s", what: "the same counters, beside one shared log", unit: "/s",
			value: s[5].PerSecond(), peer: "net/http + log", peerValue: s[3].PerSecond()},
		row{name: "echo_1_cpu_us", what: "server's processor time per echo, 1 agent", unit: "µs",
			value: s[1].CPUEach(), peer: "net/http echo", peerValue: s[0].CPUEach()},
		row{name: "echo_many_cpu_us", what: "server's processor time per echo, many agents", unit: "µs",
			value: s[2].CPUEach(), peer: "net/http echo", peerValue: s[0].CPUEach()},
		row{name: "counter_many_cpu_us", what: "server's processor time per saved counter, many agents", unit: "µs",
			value: s[5].CPUEach(), peer: "net/http + log", peerValue: s[3].CPUEach()},
		row{name: "echo_many_p50_ms", what: "HTTP echo, many agents, p50", unit: "ms",
			value: s[2].MS(50), peer: "net/http echo", peerValue: s[0].MS(50)},
		row{name: "echo_many_p99_ms", what: "HTTP echo, many agents, p99", unit: "ms",
			value: s[2].MS(99), peer: "net/http echo", peerValue: s[0].MS(99)},
	)
	return nil
}

// mqtt compares device → agent → device with client → broker → client and
// back.
func (p plan) mqtt(ctx context.Context, f *fleet, r *report) error {
	if _, err := findMosquitto(); err != nil {
		r.note("device round trips are not compared: mosquitto is not installed (Debian: apt-get install mosquitto)")
		return nil
	}
	broker, addr, err := startMosquitto(ctx, f.dir)
	if err != nil {
		return err
	}
	defer broker.stop()
	echo, _, err := startSelf(ctx, "mqtt-peer", addr, fmt.Sprint(p.pairs))
	if err != nil {
		return err
	}
	defer echo.stop()
	peer := mqttTarget{name: "mosquitto", addr: addr, servers: []*process{broker, echo}}
	for i := range p.pairs {
		peer.pairs = append(peer.pairs, mqttPair{
			login:   client.Login{ID: fmt.Sprintf("device%d", i)},
			publish: fmt.Sprintf("p/%d/ping", i),
			hear:    fmt.Sprintf("p/%d/pong", i),
		})
	}
	targets := []mqttTarget{f.mqtt("devices", p.pairs), peer}
	var conns [2][]*client.MQTT
	for i, t := range targets {
		if conns[i], err = t.connect(ctx); err != nil {
			return err
		}
		defer hangUp(conns[i])
	}
	for _, load := range []struct {
		name, what string
		active     int
	}{
		{"1", "1 pair", 1},
		{"many", fmt.Sprintf("%d pairs connected, 1 message under way", p.pairs), 0},
		{"many_busy", fmt.Sprintf("%d pairs, 64 messages under way", p.pairs), 64},
	} {
		var s [2]client.Sample
		for i, t := range targets {
			if s[i], err = p.runMQTT(ctx, t, conns[i], load.active); err != nil {
				return err
			}
		}
		r.add(
			row{name: "trip_" + load.name + "_p50_us", what: "device → agent → device, " + load.what + ", p50", unit: "µs",
				value: s[0].MS(50) * 1000, peer: "mosquitto echo", peerValue: s[1].MS(50) * 1000},
			row{name: "trip_" + load.name + "_p99_us", what: "… p99", unit: "µs",
				value: s[0].MS(99) * 1000, peer: "mosquitto echo", peerValue: s[1].MS(99) * 1000},
			row{name: "trip_" + load.name + "_per_s", what: "… round trips", unit: "/s",
				value: s[0].PerSecond(), peer: "mosquitto echo", peerValue: s[1].PerSecond()},
			row{name: "trip_" + load.name + "_cpu_us", what: "… server's processor time each", unit: "µs",
				value: s[0].CPUEach(), peer: "mosquitto echo", peerValue: s[1].CPUEach()},
		)
	}
	return nil
}

// A device may send so many messages at once, and has them again after a pause; see docs/limits.md.
const (
	atOnce      = 450
	atOncePause = time.Second
)

// runMQTT returns the median of several runs. With active 0 all connections take turns,
// one message at a time; with active 1 only the first is used, for as many messages as one
// device may send at once.
func (p plan) runMQTT(ctx context.Context, t mqttTarget, conns []*client.MQTT, active int) (client.Sample, error) {
	rounds, most := p.rounds, 0
	if active == 1 {
		conns, t.pairs = conns[:1], t.pairs[:1]
		rounds, most = 3*p.rounds, atOnce
	}
	var runs []client.Sample
	for range rounds {
		if most > 0 {
			if err := client.Pause(ctx, atOncePause); err != nil {
				return client.Sample{}, err
			}
		}
		before := t.cpu()
		s, err := t.load(ctx, conns, max(active, 1), most, min(p.each, 2*time.Second), body())
		if err != nil {
			return client.Sample{}, err
		}
		s.CPU = t.cpu() - before
		runs = append(runs, s)
	}
	return client.Median(runs), nil
}
