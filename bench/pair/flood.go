package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-iot/tandem/bench/client"
)

// floodLoad is devices that send as fast as they can beside a quiet one.
type floodLoad struct {
	plan
	devices int
	length  time.Duration
}

func newFlood(p plan, args []string) (*floodLoad, error) {
	f := &floodLoad{plan: p}
	flags := flag.NewFlagSet("pair flood", flag.ContinueOnError)
	flags.IntVar(&f.devices, "n", 1, "number of devices that flood")
	flags.DurationVar(&f.length, "for", 5*time.Second, "length of each of the two runs")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if f.devices < 1 || f.length < time.Second {
		return nil, fmt.Errorf("-n must be at least 1, -for at least 1s")
	}
	f.agents, f.conns = f.devices+1, f.devices+1
	return f, nil
}

// measure compares the round trips of a quiet device, one every 5 ms, alone and beside the flood.
func (f *floodLoad) measure(ctx context.Context, r *report) error {
	dir, err := os.MkdirTemp("", "tandem-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	node, err := f.prepare(ctx, dir)
	if err != nil {
		return fmt.Errorf("preparing the data: %w", err)
	}
	if err := node.start(ctx, f.tandem); err != nil {
		return err
	}
	defer node.process.stop()
	t := node.mqtt("devices", f.devices+1)
	conns, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer hangUp(conns)
	quiet, err := t.trips(ctx, conns[0], f.length)
	if err != nil {
		return err
	}
	var sent atomic.Int64
	var flooding sync.WaitGroup
	stop := make(chan struct{})
	for i, c := range conns[1:] {
		flooding.Go(func() { flood(c, t.pairs[i+1].publish, &sent, stop) })
	}
	before := node.process.cpu()
	beside, err := t.trips(ctx, conns[0], f.length)
	cpu := node.process.cpu() - before
	close(stop)
	hangUp(conns[1:])
	flooding.Wait()
	if err != nil {
		return err
	}
	for _, percent := range []float64{50, 99} {
		r.add(row{
			name: fmt.Sprintf("flood_p%v_ms", percent), what: fmt.Sprintf("quiet device beside the flood, p%v", percent),
			unit: "ms", value: beside.MS(percent), peer: "without it", peerValue: quiet.MS(percent),
		})
	}
	r.add(
		row{name: "flood_sent", what: "messages written by the flood, QoS 0", unit: "", value: float64(sent.Load())},
		row{name: "flood_cpu", what: "processors that the node used", unit: "",
			value: cpu.Seconds() / beside.Elapsed.Seconds()},
	)
	return nil
}

// trips makes a round trip every 5 ms.
func (t mqttTarget) trips(ctx context.Context, c *client.MQTT, d time.Duration) (client.Sample, error) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var took []time.Duration
	start := time.Now()
	for time.Since(start) < d {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return client.Sample{}, ctx.Err()
		}
		begin := time.Now()
		if err := c.Publish(t.pairs[0].publish, body()); err != nil {
			return client.Sample{}, err
		}
		if _, err := c.Receive(); err != nil {
			return client.Sample{}, err
		}
		took = append(took, time.Since(begin))
	}
	return client.NewSample(time.Since(start), took), nil
}

// flood writes messages with QoS 0, a hundred at a time, and reads nothing, until the connection
// ends or stop is closed.
func flood(c *client.MQTT, topic string, sent *atomic.Int64, stop <-chan struct{}) {
	packet := client.AppendText(nil, topic)
	packet = append([]byte{0x30, byte(len(packet) + 1)}, append(packet, '1')...)
	const count = 100
	for raw := bytes.Repeat(packet, count); ; sent.Add(count) {
		select {
		case <-stop:
			return
		default:
		}
		if _, err := c.Write(raw); err != nil {
			return
		}
	}
}
