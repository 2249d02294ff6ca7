package agent

import "github.com/tandem-iot/tandem/imp"

// during returns what the program is called for by an event. A timer's is set when it
// fires, and an event that ends a wait goes on with that of the event before.
func during(ev Event) imp.During {
	switch ev := ev.(type) {
	case *DeviceMessage:
		return imp.During{Call: "device.on", Message: ev.Message.Name}
	case *DeviceConnected:
		return imp.During{Call: handlerConnect}
	case *DeviceDisconnected:
		return imp.During{Call: handlerDisconnect}
	case *PeerStarted:
		return imp.During{Call: "tandem.onpeerstart"}
	case *Request:
		return imp.During{Call: handlerRequest, Verb: ev.Request.Method, Path: ev.Request.Path}
	case *Fetched, *FetchedPart:
		return imp.During{Call: "httprequest.sendasync"}
	case *Uploaded:
		return imp.During{Call: "httpstream.send"}
	case *MQTTConnected:
		return imp.During{Call: "mqttclient.onconnect"}
	case *MQTTMessage:
		return imp.During{Call: "mqttclient.onmessage", Name: ev.Topic}
	case *MQTTDone:
		return imp.During{Call: "a callback"}
	case *MQTTLost:
		return imp.During{Call: "mqttclient.onconnectionlost"}
	case *Handled:
		return imp.During{Call: "tandem.post"}
	case *Shutdown:
		return imp.During{Call: "server.onshutdown"}
	}
	return imp.During{}
}
