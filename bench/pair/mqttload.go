package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
)

// mqttPair is a client with the topic that it publishes to and the topic of the echo.
type mqttPair struct {
	login         client.Login
	publish, hear string
}

// mqttTarget is a server with an echoing client or agent.
type mqttTarget struct {
	name    string
	addr    string
	servers []*process // that take processor time for it
	pairs   []mqttPair
}

// cpu is the processor time that the servers have used.
func (t mqttTarget) cpu() (sum time.Duration) {
	for _, s := range t.servers {
		sum += s.cpu()
	}
	return sum
}

// connect opens and subscribes every client, 32 at a time.
func (t mqttTarget) connect(ctx context.Context) ([]*client.MQTT, error) {
	conns := make([]*client.MQTT, len(t.pairs))
	errs := make([]error, 32)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := w; i < len(t.pairs) && ctx.Err() == nil; i += len(errs) {
				if conns[i], errs[w] = client.DialMQTT(ctx, t.addr, t.pairs[i].login); errs[w] != nil {
					return
				}
				if errs[w] = conns[i].Subscribe(t.pairs[i].hear); errs[w] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	if err := firstError(t.name, errs); err != nil {
		hangUp(conns)
		return nil, err
	}
	return conns, ctx.Err()
}

func hangUp(conns []*client.MQTT) {
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
}

// load keeps one message on a round trip in at most active pairs at a time, and changes
// the pair after every round trip. most limits the round trips of each; 0: no limit.
func (t mqttTarget) load(
	ctx context.Context, conns []*client.MQTT, active, most int, d time.Duration, payload []byte,
) (client.Sample, error) {
	active = min(active, len(conns))
	took := make([][]time.Duration, active)
	errs := make([]error, active)
	var wg sync.WaitGroup
	start := time.Now()
	for w := range active {
		wg.Go(func() {
			for i := w; ctx.Err() == nil && time.Since(start) < d; i += active {
				if most > 0 && len(took[w]) == most {
					return
				}
				// Every worker uses its own connections.
				if i >= len(conns) {
					i = w
				}
				begin := time.Now()
				if errs[w] = conns[i].Publish(t.pairs[i].publish, payload); errs[w] != nil {
					return
				}
				answer, err := conns[i].Receive()
				if err != nil || string(answer) != string(payload) {
					errs[w] = fmt.Errorf("echo %q: %w", answer, err)
					return
				}
				took[w] = append(took[w], time.Since(begin))
			}
		})
	}
	wg.Wait()
	return client.NewSample(time.Since(start), took...), firstError(t.name, errs)
}
