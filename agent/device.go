package agent

import (
	"fmt"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/codec"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// Prefixes of handler names. The wire form of a message's name follows handlerMessage.
const (
	handlerMessage    = "device.on "
	handlerConnect    = "device.onconnect"
	handlerDisconnect = "device.ondisconnect"
)

// message handles a message that the device sent by agent.send.
func (m *Machine) message(msg *tandem.Message) imp.Outcome {
	if msg.Mark.Boot != 0 {
		if !msg.Mark.After(m.mark) {
			return imp.Done // the saved state has it already
		}
		m.mark, m.cause = msg.Mark, msg.Mark
	}
	if len(msg.Name)+len(msg.Data) > tandem.MessageSize {
		m.over(tandem.OverFromDevice)
		m.log(true, fmt.Sprintf("a message of the device was dropped: %s is over %d KB",
			imp.ShownName(msg.Name), tandem.MessageSize>>10))
		return imp.Done
	}
	const growth = 8 // how much larger values are than their encoding; tables take more
	m.core.Reserve(growth * len(msg.Data))
	var buf [64]byte
	fn := m.core.HandlerBytes(append(append(buf[:0], handlerMessage...), msg.Name...))
	m.core.Prepare(fn)
	if fn.IsNull() {
		m.log(true, "no handler for agent.send(): "+imp.ShownName(msg.Name))
		return imp.Done
	}
	data, err := codec.Compact(*msg)
	if err == nil {
		var x squirrel.Value
		if x, err = imp.Decode(m.core.VM, data); err == nil {
			return m.core.Call(fn, x)
		}
	}
	m.log(true, fmt.Sprintf("the data of a message of the device, %s, cannot be read: %v",
		imp.ShownName(msg.Name), err))
	return imp.Done
}

func (m *Machine) deviceConnected(address string) imp.Outcome {
	m.address = address
	if m.connected {
		return imp.Done
	}
	m.connected = true
	return m.core.CallHandler(handlerConnect)
}

func (m *Machine) deviceDisconnected() imp.Outcome {
	if !m.connected {
		return imp.Done
	}
	m.connected, m.announce = false, false
	fn := m.core.Handler(handlerDisconnect)
	switch {
	case fn.IsNull():
		return imp.Done
	case m.core.Params(fn) == 0:
		return m.core.Call(fn)
	}
	return m.core.Call(fn, m.core.VM.NewTable())
}

// announced calls the handler of device.onconnect for a device that has been
// connected since before the program started.
func (m *Machine) announced() (o imp.Outcome) {
	defer m.core.Guard(&o)
	m.announce = false
	m.core.During = imp.During{Call: handlerConnect}
	return m.core.CallHandler(handlerConnect)
}

func deviceOn(call *squirrel.Call) (squirrel.Value, error) {
	if err := call.Charge(nativeCost + call.VM().Len(call.Arg(1))/4); err != nil {
		return squirrel.Null, err
	}
	name, err := imp.MessageName(call)
	if err != nil {
		return squirrel.Null, err
	}
	c := imp.CoreOf(call)
	c.SetHandler(handlerMessage+name, c.Callback(call, 2))
	return squirrel.Null, nil
}

func deviceSend(call *squirrel.Call) (squirrel.Value, error) {
	m := machineOf(call)
	msg, err := m.messageOf(call, "device.send")
	if err != nil {
		return squirrel.Null, err
	}
	if m.connected {
		m.effects = append(m.effects, &Send{msg})
	}
	return squirrel.Null, nil
}

// messageOf makes a message of the call's first two arguments, a name and a value.
func (m *Machine) messageOf(call *squirrel.Call, native string) (msg tandem.Message, err error) {
	if err := call.Charge(nativeCost + call.VM().Len(call.Arg(1))/2); err != nil {
		return msg, err
	}
	if call.VM().Len(call.Arg(1)) > tandem.MessageSize {
		m.over(tandem.OverToDevice)
		_, err = call.Errorf("%s: the message is over %d KB", native, tandem.MessageSize>>10)
		return msg, err
	}
	name, err := imp.MessageName(call)
	if err != nil {
		return msg, err
	}
	data, dropped, err := imp.Encode(nil, call.VM(), call.Arg(2), imp.ForMessage)
	if err != nil {
		_, err = call.Errorf("%v", err)
		return msg, err
	}
	if err := m.leftOut(call, native, dropped); err != nil {
		return msg, err
	}
	if err := call.Charge(len(data)); err != nil {
		return msg, err
	}
	switch {
	case len(name)+len(data) > tandem.MessageSize:
		m.over(tandem.OverToDevice)
		_, err = call.Errorf("%s: the message is over %d KB", native, tandem.MessageSize>>10)
	case !m.room(len(name) + len(data)):
		_, err = call.Errorf("%s: %s", native, noRoom)
	}
	return tandem.Message{Name: name, Format: tandem.FormatCompact, Data: data}, err
}

func deviceIsConnected(call *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Bool(machineOf(call).connected), nil
}

func deviceInfo(call *squirrel.Call) (squirrel.Value, error) {
	if err := call.Charge(nativeCost); err != nil {
		return squirrel.Null, err
	}
	m, vm := machineOf(call), call.VM()
	t := vm.NewTable()
	vm.Set(t, vm.NewString("id"), vm.NewString(string(m.cfg.Device)))
	vm.Set(t, vm.NewString("isconnected"), squirrel.Bool(m.connected))
	vm.Set(t, vm.NewString("ipaddress"), vm.NewString(m.address))
	return t, nil
}
