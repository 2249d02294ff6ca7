package agent

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/mqtt"
	"github.com/tandem-iot/tandem/squirrel"
)

// The payload of an mqttclient is an array, as is that of an mqttmessage.
const (
	clientConnect = iota // the handlers of onconnect,
	clientLost           // onconnectionlost,
	clientMessage        // and onmessage
	clientLink           // the number of its connection; null: none
	clientFields
)

const (
	messageClient = iota // the payload of its client
	messageTopic
	messageBody
	messageQoS
	messageRetain
	messageRequest // number of the request, or of the timer that reports a failure; null: not sent
	messageFields
)

// broker is the agent's connection to an MQTT broker.
type broker struct {
	ID       uint32        `cbor:"1,keyasint,omitempty"` // 0: no connection; else the key of the client's payload
	Open     bool          `cbor:"2,keyasint,omitempty"` // the broker has accepted it
	Requests []mqttRequest `cbor:"3,keyasint,omitempty"` // without an answer, the oldest first
}

// mqttRequest is a message, a subscription or an unsubscription without an
// answer. The registry keeps its callback under its ID.
type mqttRequest struct {
	ID   uint32 `cbor:"1,keyasint"`
	Size int    `cbor:"2,keyasint,omitempty"`
	Sub  bool   `cbor:"3,keyasint,omitempty"`
}

// Limits of the connection.
const (
	maxMQTTRequests = 64 // without an answer
	maxMQTTUnsent   = 512 << 10
	maxClientID     = 255
	maxOption       = 65535 // bytes of a string option of connect, which is the limit of MQTT
	minKeepAlive    = 30    // seconds
	maxKeepAlive    = 65535
	usualKeepAlive  = 60
)

// What callbacks get in place of 0, beside the codes of MQTTDone.
const (
	mqttNotConnected = -1
	mqttTooMuch      = -2
)

// thisMQTT returns the payload of the mqttclient or mqttmessage that a method
// is called on.
func thisMQTT(call *squirrel.Call, class string) (squirrel.Value, error) {
	if err := call.Charge(nativeCost); err != nil {
		return squirrel.Null, err
	}
	if !call.VM().IsNative(call.This(), class) {
		_, err := call.Errorf("this is not a %s", class)
		return squirrel.Null, err
	}
	return call.VM().Payload(call.This()), nil
}

func mqttCreateClient(call *squirrel.Call) (squirrel.Value, error) {
	if err := call.Charge(nativeCost); err != nil {
		return squirrel.Null, err
	}
	vm := call.VM()
	p := vm.NewArray()
	for range clientFields {
		vm.Append(p, squirrel.Null)
	}
	return vm.NewNative(mqttClientClass, p), nil
}

// clientHandler sets one of the client's handlers.
func clientHandler(field int) squirrel.NativeFunc {
	return func(call *squirrel.Call) (squirrel.Value, error) {
		payload, err := thisMQTT(call, mqttClientClass)
		if err == nil {
			call.VM().SetIndex(payload, field, imp.CoreOf(call).Callback(call, 1))
		}
		return squirrel.Null, err
	}
}

// linked reports whether the open connection belongs to client.
func (m *Machine) linked(client squirrel.Value) bool {
	x := m.core.VM.Index(client, clientLink)
	return m.broker.ID != 0 && !x.IsNull() && uint32(x.AsInt()) == m.broker.ID
}

func mqttConnect(call *squirrel.Call) (squirrel.Value, error) {
	m, vm := machineOf(call), call.VM()
	client, err := thisMQTT(call, mqttClientClass)
	if err != nil {
		return squirrel.Null, err
	}
	if m.broker.ID != 0 {
		return call.Errorf("mqttclient.connect: the agent has a connection already; disconnect it first")
	}
	if n := vm.Len(call.Arg(2)); n == 0 || n > maxClientID {
		return call.Errorf("mqttclient.connect: the client ID has 1 to %d bytes, not %d", maxClientID, n)
	}
	if n := vm.Len(call.Arg(1)); n > maxOption {
		return call.Errorf("mqttclient.connect: the URL has %d bytes, more than %d", n, maxOption)
	}
	url, id := call.Str(1), call.Str(2)
	c := &mqtt.Connect{Version: mqtt.V311, CleanStart: true, ClientID: id, KeepAlive: usualKeepAlive}
	if options := call.Arg(3); !options.IsNull() {
		if err := connectOptions(call, options, c); err != nil {
			return call.Errorf("mqttclient.connect: %v", err)
		}
	}
	n := len(url) + len(c.Username) + len(c.Password)
	if c.Will != nil {
		n += len(c.Will.Payload)
	}
	if !m.room(n) {
		return call.Errorf("mqttclient.connect: %s", noRoom)
	}
	if err := call.Charge(n / 8); err != nil {
		return squirrel.Null, err
	}
	m.broker = broker{ID: m.core.Keep(client)}
	vm.SetIndex(client, clientLink, squirrel.Int(int32(m.broker.ID)))
	// A program that connects again on every failure must not flood the broker
	// with attempts.
	wait, _ := m.sending.take(m.core.Now, 1)
	m.effects = append(m.effects, &MQTTConnect{
		ID: uint64(m.broker.ID), URL: url, Wait: time.Duration(wait * float64(time.Second)),
		Connect: c,
	})
	return squirrel.Null, nil
}

// connectOptions copies the options of connect to c.
func connectOptions(call *squirrel.Call, options squirrel.Value, c *mqtt.Connect) error {
	vm := call.VM()
	data := func(name string) (b []byte, set bool, err error) {
		x := vm.Field(options, name)
		if !x.IsNull() && !imp.IsData(vm, x) {
			return nil, false, fmt.Errorf("%s must be a string or a blob", name)
		}
		if n := len(vm.Bytes(x)); n > maxOption {
			return nil, false, fmt.Errorf("%s has %d bytes, more than %d", name, n, maxOption)
		}
		if err := call.Charge(8 + len(vm.Bytes(x))/4); err != nil {
			return nil, false, err
		}
		return slices.Clone(vm.Bytes(x)), !x.IsNull(), nil
	}
	username, set, err := data("username")
	if err != nil {
		return err
	}
	c.Username, c.HasUsername = string(username), set
	if c.Password, c.HasPassword, err = data("password"); err != nil {
		return err
	}
	if c.HasPassword && !c.HasUsername {
		return errors.New("a password needs a username")
	}
	if x := vm.Field(options, "keepalive"); !x.IsNull() {
		n := x.AsInt()
		if !x.IsInt() || n != 0 && (n < minKeepAlive || n > maxKeepAlive) {
			return fmt.Errorf("keepalive is 0 or %d to %d seconds", minKeepAlive, maxKeepAlive)
		}
		c.KeepAlive = uint16(n)
	}
	topic, set, err := data("willtopic")
	if err != nil || !set {
		return err
	}
	if !validTopic(string(topic)) {
		return errors.New("willtopic is not a valid topic")
	}
	c.Will = &mqtt.Will{Topic: string(topic)}
	if c.Will.Payload, _, err = data("willmessage"); err != nil {
		return err
	}
	c.Will.QoS, err = qosOf(vm.Field(options, "willqos"))
	c.Will.Retain = vm.Field(options, "willretain").Truthy()
	return err
}

// topicOf returns the first argument, a topic; "", which is none, when it is too long.
func topicOf(call *squirrel.Call) (string, error) {
	n := call.VM().Len(call.Arg(1))
	if n > maxOption {
		return "", nil
	}
	if err := call.Charge(n / 2); err != nil {
		return "", err
	}
	return call.Str(1), nil
}

func validTopic(topic string) bool { return mqtt.ValidTopic(topic) && utf8.ValidString(topic) }

// qosOf returns the quality of service for a value of the program.
func qosOf(x squirrel.Value) (byte, error) {
	n := x.AsInt()
	if !x.IsNull() && (!x.IsInt() || n < 0 || n > 2) {
		return 0, errors.New("the QoS is mqtt.AT_MOST_ONCE, mqtt.AT_LEAST_ONCE or mqtt.EXACTLY_ONCE")
	}
	return byte(n), nil
}

func mqttDisconnect(call *squirrel.Call) (squirrel.Value, error) {
	m := machineOf(call)
	client, err := thisMQTT(call, mqttClientClass)
	if err != nil {
		return squirrel.Null, err
	}
	if m.linked(client) {
		m.effects = append(m.effects, &MQTTClose{ID: uint64(m.broker.ID)})
		m.forgetBroker()
	}
	if !call.Arg(1).IsNull() {
		return m.later(call, 1)
	}
	return squirrel.Null, nil
}

// forgetBroker removes the connection. Its requests fail, and their callbacks
// are called later. It reports whether the program waits for one of them.
func (m *Machine) forgetBroker() (waits bool) {
	vm := m.core.VM
	client := m.core.Kept(m.broker.ID)
	m.core.Drop(m.broker.ID)
	vm.SetIndex(client, clientLink, squirrel.Null)
	for _, r := range m.broker.Requests {
		waits = waits || m.core.Waiting() == waitMQTT && r.ID == m.syncID
		if fn := m.core.Kept(r.ID); !fn.IsNull() {
			m.answerMQTT(fn, r, mqttNotConnected, 0)
		}
		m.core.Drop(r.ID)
	}
	m.broker = broker{}
	return waits
}

// answerMQTT calls the callback of a request after the running handler. It
// returns the timer that calls it, 0 when there are too many timers.
func (m *Machine) answerMQTT(fn squirrel.Value, r mqttRequest, code, qos int32) (timer uint32) {
	args := []squirrel.Value{squirrel.Int(code)}
	if r.Sub && m.core.Params(fn) != 1 {
		args = append(args, squirrel.Int(qos))
	}
	timer, ok := m.core.After(0, fn, args...)
	if !ok {
		m.core.Complain("an MQTT callback was not called: too many timers and results are pending", fn)
	}
	return timer
}

func mqttIsConnected(call *squirrel.Call) (squirrel.Value, error) {
	m := machineOf(call)
	client, err := thisMQTT(call, mqttClientClass)
	return squirrel.Bool(err == nil && m.linked(client) && m.broker.Open), err
}

// submit adds a request of r.Size bytes and returns its id. When it cannot, code
// says why, and id is the timer that tells the callback; 0 if the callback is null.
func (m *Machine) submit(client, fn squirrel.Value, r mqttRequest) (id uint32, code int32) {
	used := r.Size
	for _, other := range m.broker.Requests {
		used += other.Size
	}
	switch {
	case !m.linked(client) || !m.broker.Open:
		code = mqttNotConnected
	case len(m.broker.Requests) >= maxMQTTRequests || used > maxMQTTUnsent || !m.room(r.Size):
		code = mqttTooMuch
	default:
		r.ID = m.core.Keep(fn)
		m.broker.Requests = append(m.broker.Requests, r)
		return r.ID, 0
	}
	if !fn.IsNull() {
		id = m.answerMQTT(fn, r, code, 0)
	}
	return id, code
}

func mqttSubscribe(call *squirrel.Call) (squirrel.Value, error) {
	m := machineOf(call)
	client, err := thisMQTT(call, mqttClientClass)
	if err != nil {
		return squirrel.Null, err
	}
	qos, err := qosOf(call.Arg(2))
	if err != nil {
		return call.Errorf("mqttclient.subscribe: %v", err)
	}
	filter, err := topicOf(call)
	if err != nil {
		return squirrel.Null, err
	}
	if !mqtt.ValidFilter(filter) || !utf8.ValidString(filter) {
		return call.Errorf("mqttclient.subscribe: the topic is not valid")
	}
	if id, code := m.submit(client, m.core.Callback(call, 3), mqttRequest{Size: len(filter), Sub: true}); code == 0 {
		m.effects = append(m.effects, &MQTTSubscribe{ID: uint64(m.broker.ID), Request: uint64(id), Filter: filter, QoS: qos})
	}
	return squirrel.Null, nil
}

func mqttUnsubscribe(call *squirrel.Call) (squirrel.Value, error) {
	m := machineOf(call)
	client, err := thisMQTT(call, mqttClientClass)
	if err != nil {
		return squirrel.Null, err
	}
	filter, err := topicOf(call)
	if err != nil {
		return squirrel.Null, err
	}
	if !mqtt.ValidFilter(filter) || !utf8.ValidString(filter) {
		return call.Errorf("mqttclient.unsubscribe: the topic is not valid")
	}
	if id, code := m.submit(client, m.core.Callback(call, 2), mqttRequest{Size: len(filter)}); code == 0 {
		m.effects = append(m.effects, &MQTTUnsubscribe{ID: uint64(m.broker.ID), Request: uint64(id), Filter: filter})
	}
	return squirrel.Null, nil
}

func mqttCreateMessage(call *squirrel.Call) (squirrel.Value, error) {
	vm := call.VM()
	client, err := thisMQTT(call, mqttClientClass)
	if err != nil {
		return squirrel.Null, err
	}
	topic, err := topicOf(call)
	if err != nil {
		return squirrel.Null, err
	}
	body := call.Arg(2)
	options := call.Arg(3)
	switch n := vm.Len(body); {
	case !validTopic(topic):
		return call.Errorf("mqttclient.createmessage: the topic is not valid")
	case !imp.IsData(vm, body):
		return call.Errorf("mqttclient.createmessage: the message is a string or a blob; use http.jsonencode for " +
			"other values")
	case n+len(topic) > tandem.MessageSize:
		return call.Errorf("mqttclient.createmessage: the message is over %d KB", tandem.MessageSize>>10)
	}
	retain := false
	if options.Type() == squirrel.TypeTable {
		retain = vm.Field(options, "retain").Truthy()
		options = vm.Field(options, "qos")
	}
	qos, err := qosOf(options)
	if err != nil {
		return call.Errorf("mqttclient.createmessage: %v", err)
	}
	p := vm.NewArray()
	for i := range messageFields {
		x := squirrel.Null
		switch i {
		case messageClient:
			x = client
		case messageTopic:
			x = call.Arg(1)
		case messageBody:
			x = body
		case messageQoS:
			x = squirrel.Int(int32(qos))
		case messageRetain:
			x = squirrel.Bool(retain)
		}
		vm.Append(p, x)
	}
	return vm.NewNative(mqttMessageClass, p), nil
}

// publish sends a message. The callback may be null.
func (m *Machine) publish(call *squirrel.Call, message, fn squirrel.Value) (id uint32, code int32, err error) {
	vm := call.VM()
	if x := vm.Index(message, messageRequest); !x.IsNull() && m.mqttRequest(uint32(x.AsInt())) >= 0 {
		_, err = call.Errorf("the message is being sent already")
		return 0, 0, err
	}
	body := vm.Index(message, messageBody)
	size := vm.Len(vm.Index(message, messageTopic)) + vm.Len(body)
	if size > tandem.MessageSize { // a blob may have grown since
		_, err = call.Errorf("the message is over %d KB", tandem.MessageSize>>10)
		return 0, 0, err
	}
	if err := call.Charge(size / 4); err != nil {
		return 0, 0, err
	}
	p := &mqtt.Publish{
		Topic:   vm.Text(vm.Index(message, messageTopic)),
		Payload: slices.Clone(vm.Bytes(body)),
		QoS:     byte(vm.Index(message, messageQoS).AsInt()),
		Retain:  vm.Index(message, messageRetain).AsBool(),
	}
	id, code = m.submit(vm.Index(message, messageClient), fn, mqttRequest{Size: size})
	vm.SetIndex(message, messageRequest, squirrel.Int(int32(id)))
	if code == 0 {
		m.effects = append(m.effects, &MQTTPublish{ID: uint64(m.broker.ID), Request: uint64(id), Message: p})
	}
	return id, code, nil
}

// mqttRequest returns the index of the request with an id, -1 if there is none.
func (m *Machine) mqttRequest(id uint32) int {
	return slices.IndexFunc(m.broker.Requests, func(r mqttRequest) bool { return r.ID == id })
}

func mqttSendAsync(call *squirrel.Call) (squirrel.Value, error) {
	message, err := thisMQTT(call, mqttMessageClass)
	if err == nil {
		m := machineOf(call)
		_, _, err = m.publish(call, message, m.core.Callback(call, 1))
	}
	return squirrel.Null, err
}

func mqttSendSync(call *squirrel.Call) (squirrel.Value, error) {
	m := machineOf(call)
	message, err := thisMQTT(call, mqttMessageClass)
	if err != nil {
		return squirrel.Null, err
	}
	id, code, err := m.publish(call, message, squirrel.Null)
	if err != nil || code != 0 {
		return squirrel.Int(code), err
	}
	m.syncID = id
	return m.core.Suspend(call, waitMQTT)
}

// mqttCancel drops the callback. The message itself is sent all the same.
func mqttCancel(call *squirrel.Call) (squirrel.Value, error) {
	m, vm := machineOf(call), call.VM()
	message, err := thisMQTT(call, mqttMessageClass)
	if err != nil {
		return squirrel.Null, err
	}
	if x := vm.Index(message, messageRequest); !x.IsNull() {
		id := uint32(x.AsInt())
		if m.mqttRequest(id) >= 0 {
			m.core.Drop(id)
		}
		m.core.CancelTimer(id)
	}
	return squirrel.Null, nil
}

// mqttConnected takes the broker's answer to MQTTConnect.
func (m *Machine) mqttConnected(ev *MQTTConnected) imp.Outcome {
	if ev.ID != uint64(m.broker.ID) {
		return imp.Done // the program has disconnected
	}
	if ev.Code != 0 {
		return m.mqttEnded(ev.Code, "no connection: "+ev.Why)
	}
	m.broker.Open = true
	fn := m.core.VM.Index(m.core.Kept(m.broker.ID), clientConnect)
	if fn.IsNull() {
		return imp.Done
	}
	return m.core.Call(fn, squirrel.Int(0))
}

func (m *Machine) mqttLost(ev *MQTTLost) imp.Outcome {
	if ev.ID != uint64(m.broker.ID) {
		return imp.Done
	}
	return m.mqttEnded(mqttNotConnected, "the connection is lost: "+ev.Why)
}

// mqttEnded tells the program that its connection was lost or not established.
func (m *Machine) mqttEnded(code int, why string) imp.Outcome {
	m.log(true, "mqtt: "+why)
	client := m.core.Kept(m.broker.ID)
	fn, args := m.core.VM.Index(client, clientLost), []squirrel.Value(nil)
	if !m.broker.Open {
		fn, args = m.core.VM.Index(client, clientConnect), []squirrel.Value{squirrel.Int(int32(code))}
	}
	waits := m.forgetBroker()
	switch {
	case waits:
		if !fn.IsNull() {
			if _, ok := m.core.After(0, fn, args...); !ok {
				m.core.Complain("an MQTT callback was not called: too many timers and results are pending", fn)
			}
		}
		return m.core.Resume(squirrel.Int(mqttNotConnected))
	case fn.IsNull():
		return imp.Done
	}
	return m.core.Call(fn, args...)
}

func (m *Machine) mqttMessage(ev *MQTTMessage) imp.Outcome {
	if ev.ID != uint64(m.broker.ID) {
		return imp.Done
	}
	const overhead = 1024
	vm := m.core.VM
	m.core.Prepare(vm.Index(m.core.Kept(m.broker.ID), clientMessage))
	m.core.Reserve(len(ev.Topic) + len(ev.Payload) + overhead)
	fn := vm.Index(m.core.Kept(m.broker.ID), clientMessage)
	if fn.IsNull() {
		return imp.Done
	}
	t := vm.NewTable()
	vm.SetField(t, "topic", vm.NewString(ev.Topic))
	vm.SetField(t, "message", vm.NewStringBytes(ev.Payload))
	return m.core.Call(fn, t)
}

// mqttDone ends a request and calls its callback.
func (m *Machine) mqttDone(ev *MQTTDone) imp.Outcome {
	i := m.mqttRequest(uint32(ev.Request))
	if ev.ID != uint64(m.broker.ID) || i < 0 {
		return imp.Done
	}
	r := m.broker.Requests[i]
	m.broker.Requests = slices.Delete(m.broker.Requests, i, i+1)
	fn := m.core.Kept(r.ID)
	m.core.Drop(r.ID)
	code := squirrel.Int(int32(ev.Code))
	switch {
	case m.core.Busy():
		return m.core.Resume(code)
	case fn.IsNull():
		return imp.Done
	case r.Sub && m.core.Params(fn) != 1:
		return m.core.Call(fn, code, squirrel.Int(int32(ev.QoS)))
	}
	return m.core.Call(fn, code)
}
