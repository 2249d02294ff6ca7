package device

import (
	"cmp"

	"github.com/tandem-iot/tandem/imp"
)

// during returns what the code is called for by an event. A timer's is set when it fires,
// and an event that ends a wait goes on with that of the event before.
func during(ev Event) imp.During {
	switch ev := ev.(type) {
	case *AgentMessage:
		return imp.During{Call: "agent.on", Message: ev.Message.Name}
	case *Handled:
		return imp.During{Call: "tandem.post"}
	case *Changed:
		return imp.During{Call: "the callback of", Path: cmp.Or(ev.Pin, ev.Bus)}
	case *Shutdown:
		return imp.During{Call: onShutdown}
	case *PeerStarted:
		return imp.During{Call: "tandem.onpeerstart"}
	case *Idle:
		return imp.During{Call: onIdle}
	}
	return imp.During{}
}

// duringLater returns what the code is called for by a callback that waited.
func duringLater(c callback) imp.During {
	if c.Bus != "" {
		return imp.During{Call: "the callback of", Path: c.Bus}
	}
	return imp.During{Call: c.Handler}
}
