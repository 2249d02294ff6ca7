package host

import (
	"context"
	"net"
	"time"

	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/egress/broker"
)

// connection is an agent's connection to an MQTT broker. It is there for as long
// as the program believes in it, also while the machine is frozen.
type connection struct {
	*broker.Conn
	id uint64 // the program's number for it
}

// connectMQTT makes the agent's connection.
func (p *pair) connectMQTT(e *agent.MQTTConnect) {
	p.leaveMQTT()
	c := &connection{id: e.ID}
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
			p.heardMQTT(c, item{event: &agent.MQTTConnected{ID: e.ID, Code: code, Why: why}})
		},
		Message: func(topic string, payload []byte, handled func()) {
			p.heardMQTT(c, item{event: &agent.MQTTMessage{ID: e.ID, Topic: topic, Payload: payload}, handled: handled})
		},
		Done: func(request uint64, code int, qos byte) {
			p.heardMQTT(c, item{event: &agent.MQTTDone{ID: e.ID, Request: request, Code: code, QoS: qos}})
		},
		Lost: func(why string) {
			p.heardMQTT(c, item{event: &agent.MQTTLost{ID: e.ID, Why: why}})
		},
	})
	p.mqtt = c
	p.host.spawn(func() { c.Run(context.Background()) }) // until Close
}

// heardMQTT passes on what comes of a connection, unless nobody wants it any
// more.
func (p *pair) heardMQTT(c *connection, it item) {
	p.command(func() {
		if p.mqtt != c {
			return
		}
		switch ev := it.event.(type) {
		case *agent.MQTTLost:
			p.mqtt = nil
		case *agent.MQTTConnected:
			if ev.Code != 0 {
				p.mqtt = nil
			}
		}
		p.enqueue(it)
	})
}

// doMQTT does what the program wants of its connection. A request that comes
// when that is gone has failed already: MQTTLost is on its way.
func (p *pair) doMQTT(e agent.Effect) {
	c := p.mqtt
	if c == nil {
		return
	}
	switch e := e.(type) {
	case *agent.MQTTPublish:
		c.Publish(e.Request, e.Message)
	case *agent.MQTTSubscribe:
		c.Subscribe(e.Request, e.Filter, e.QoS)
	case *agent.MQTTUnsubscribe:
		c.Unsubscribe(e.Request, e.Filter)
	case *agent.MQTTClose:
		p.leaveMQTT()
	}
}

// leaveMQTT ends the connection in good order.
func (p *pair) leaveMQTT() {
	if p.mqtt != nil {
		p.mqtt.Close()
		p.mqtt = nil
	}
}

// lostMQTT tells the program that its connection is gone, which has stayed
// where the agent was before.
func (p *pair) lostMQTT(id uint64) {
	p.enqueue(item{event: &agent.MQTTLost{ID: id, Why: "the agent has moved"}})
}
