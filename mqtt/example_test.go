package mqtt_test

import (
	"fmt"
	"time"

	"github.com/tandem-iot/tandem/mqtt"
)

// A device sends a message to a gateway. Two buffers take the place of the socket;
// everything else is as it would be with one.
func Example() {
	now := time.Now()
	device, err := mqtt.NewClient(now, nil, &mqtt.Connect{
		Version: mqtt.V5, ClientID: "0123456789abcdef", CleanStart: true, KeepAlive: 60,
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	gateway := mqtt.NewServer(now, nil)

	toGateway, toDevice := device.Output(nil), []byte(nil)
	for len(toGateway)+len(toDevice) > 0 {
		for more := true; more; {
			n, ev, err := gateway.Feed(now, toGateway)
			if err != nil {
				fmt.Println(err)
				return
			}
			toGateway, more = toGateway[n:], ev != nil
			switch ev := ev.(type) {
			case *mqtt.Connect:
				fmt.Println("gateway: connect", ev.ClientID)
				err = gateway.Accept(now, nil, nil)
			case *mqtt.Publish:
				fmt.Printf("gateway: %s %s\n", ev.Topic, ev.Payload)
				err = gateway.Ack(ev.PacketID, mqtt.Success) // the handler has completed
			}
			if err != nil {
				fmt.Println(err)
			}
		}
		toDevice = gateway.Output(toDevice)
		for more := true; more; {
			n, ev, err := device.Feed(now, toDevice)
			if err != nil {
				fmt.Println(err)
				return
			}
			toDevice, more = toDevice[n:], ev != nil
			switch ev := ev.(type) {
			case *mqtt.Connack:
				fmt.Println("device:", ev.Code)
				_, err = device.Publish(&mqtt.Publish{Topic: "agent/reading", QoS: 1, Payload: []byte(`{"c":21.5}`)})
			case *mqtt.Delivered:
				fmt.Println("device: delivered", ev.PacketID)
			}
			if err != nil {
				fmt.Println(err)
			}
		}
		toGateway = device.Output(toGateway)
	}
	// Output:
	// gateway: connect 0123456789abcdef
	// device: success
	// gateway: agent/reading {"c":21.5}
	// device: delivered 1
}
