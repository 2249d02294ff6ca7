package host

import (
	"context"
	"net"
	"time"

	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/egress/broker"
	"github.com/tandem-iot/tandem/life"
)

// connection is an agent's connection to an MQTT broker. It lasts as long as the
// program uses it, even while the machine is frozen.
type connection struct {
	*broker.Conn
	number uint64 // the life's number of the connection
}

// connectMQTT makes the agent's connection.
func (p *pair) connectMQTT(order *life.ConnectMQTT) {
	e, cause := order.Connect, p.life.Number()
	c := &connection{number: order.Conn}
	heard := func(ev agent.Event, done func()) {
		p.bring(arrival{event: &life.MQTT{Conn: order.Conn, Event: ev}, cause: cause, done: done})
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		select {
		case <-time.After(e.Wait):
			return p.host.Fetcher.DialBroker(ctx, e.URL)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	c.Conn = broker.New(dial, e.Connect, broker.Events{
		Connected: func(code int, why string) {
			heard(&agent.MQTTConnected{ID: e.ID, Code: code, Why: why}, nil)
		},
		Message: func(topic string, payload []byte, handled func()) {
			heard(&agent.MQTTMessage{ID: e.ID, Topic: topic, Payload: payload}, handled)
		},
		Done: func(request uint64, code int, qos byte) {
			heard(&agent.MQTTDone{ID: e.ID, Request: request, Code: code, QoS: qos}, nil)
		},
		Lost: func(why string) {
			heard(&agent.MQTTLost{ID: e.ID, Why: why}, nil)
		},
	})
	p.broker = c
	p.host.spawn(func() { c.Run(context.Background()) }) // until Close
}

// heardMQTT forgets a connection that has ended.
func (p *pair) heardMQTT(ev *life.MQTT) {
	if p.broker == nil || p.broker.number != ev.Conn {
		return
	}
	switch x := ev.Event.(type) {
	case *agent.MQTTLost:
		p.broker = nil
	case *agent.MQTTConnected:
		if x.Code != 0 {
			p.broker = nil
		}
	}
}

// doMQTT carries out an operation of the program on its connection.
func (p *pair) doMQTT(order *life.DoMQTT) {
	c := p.broker
	if c == nil || c.number != order.Conn {
		return // the connection has ended: MQTTLost is on its way to the life
	}
	switch e := order.Effect.(type) {
	case *agent.MQTTPublish:
		c.Publish(e.Request, e.Message)
	case *agent.MQTTSubscribe:
		c.Subscribe(e.Request, e.Filter, e.QoS)
	case *agent.MQTTUnsubscribe:
		c.Unsubscribe(e.Request, e.Filter)
	}
}

// closeMQTT closes a connection with a DISCONNECT.
func (p *pair) closeMQTT(number uint64) {
	if c := p.broker; c != nil && c.number == number {
		c.Close()
		p.broker = nil
	}
}
