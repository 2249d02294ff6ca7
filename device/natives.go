package device

import (
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/squirrel"
)

// of returns the machine whose code makes the call.
func of(c *squirrel.Call) *Machine { return imp.CoreOf(c).Owner().(*Machine) }

// nativeCost is the fuel of a native function whose work exceeds a few instructions,
// beside the fuel for its data.
const nativeCost = 30

func nothing(*squirrel.Call) (squirrel.Value, error) { return squirrel.Null, nil }

// constant returns a native function without arguments that returns f's result.
func constant(f func(m *Machine) squirrel.Value) squirrel.NativeFunc {
	return func(c *squirrel.Call) (squirrel.Value, error) { return f(of(c)), nil }
}

func agentOn(c *squirrel.Call) (squirrel.Value, error) {
	if err := c.Charge(nativeCost + c.VM().Len(c.Arg(1))/4); err != nil {
		return squirrel.Null, err
	}
	name, err := imp.MessageName(c)
	if err != nil {
		return squirrel.Null, err
	}
	core := &of(c).core
	core.SetHandler(agentHandler(name), core.Callback(c, 2))
	return squirrel.Null, nil
}

func agentSend(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	p, dropped, err := m.parcelOf(c, "agent.send")
	if err != nil {
		return squirrel.Null, err
	}
	if m.st.Link.KeepSends {
		return m.keep(p, "agent.send", dropped, squirrel.Null, true), nil
	}
	v := m.st.Link.send(m.core.Now, p)
	if !v.done || v.code == sendOK {
		m.leftOut("agent.send", dropped)
	}
	return m.answer(c, v)
}

// parcelOf makes a message of the call's first two arguments, a name and a value. dropped
// is for leftOut, which is already paid for.
func (m *Machine) parcelOf(c *squirrel.Call, native string) (p *parcel, dropped []string, err error) {
	n := c.VM().Len(c.Arg(1))
	if n > tandem.MessageSize {
		_, err = c.Errorf("%s: the name has %d bytes, %d at most", native, n, tandem.MessageSize)
		return nil, nil, err
	}
	if err := c.Charge(nativeCost + n/2); err != nil {
		return nil, nil, err
	}
	p = &parcel{}
	if p.Name, err = imp.MessageName(c); err != nil {
		return nil, nil, err
	}
	if p.Data, dropped, err = imp.Encode(nil, m.vm(), c.Arg(2), imp.ForMessage); err != nil {
		_, err = c.Errorf("%v", err)
		return nil, nil, err
	}
	if err := c.Charge(leftOutCost(dropped)); err != nil {
		return nil, nil, err
	}
	if n := len(p.Name) + len(p.Data); n > tandem.MessageSize {
		_, err = c.Errorf("%s: the message has %d bytes, %d at most", native, n, tandem.MessageSize)
		return nil, nil, err
	}
	return p, dropped, c.Charge(len(p.Data) / 8)
}

// logLine sends a line to the log.
func logLine(c *squirrel.Call, typ string) (squirrel.Value, error) {
	m := of(c)
	x := c.Arg(1)
	if err := c.Charge(nativeCost + m.vm().Len(x)/8); err != nil {
		return squirrel.Null, err
	}
	var text string
	if imp.IsData(m.vm(), x) {
		text = imp.LogText(c.Bytes(1))
	} else {
		text = m.vm().ToString(x)
	}
	if l := &m.st.Link; l.KeepLog {
		l.keepLine(typ, text, nil)
		return imp.Int32(sendOK), nil
	}
	return m.answer(c, m.st.Link.send(m.core.Now, &parcel{Type: typ, Data: []byte(text)}))
}

// answer returns the result of a send, or stops the code until it is known.
func (m *Machine) answer(c *squirrel.Call, v verdict) (squirrel.Value, error) {
	if !v.done {
		return m.core.Suspend(c, imp.FirstWait)
	}
	return imp.Int32(v.code), nil
}

func serverConnect(c *squirrel.Call) (squirrel.Value, error) { return of(c).connectBy(c, 1) }

// connectBy is server.connect with the callback as argument i.
func (m *Machine) connectBy(c *squirrel.Call, i int) (squirrel.Value, error) {
	l := &m.st.Link
	fn, patience := m.core.Callback(c, i), float32(60)
	if x, ok := c.Arg(i + 1).Number(); ok {
		patience = x
	}
	m.core.SetHandler(onConnect, fn)
	m.st.Patience = 0
	if l.Up {
		if !fn.IsNull() {
			m.later(onConnect, ServerConnected)
		}
		return squirrel.Null, nil
	}
	m.emit(&Connect{})
	if fn.IsNull() && l.suspends() {
		l.Wait = wait{For: waitConnect}
		return m.core.Suspend(c, imp.FirstWait)
	}
	if !fn.IsNull() {
		m.st.Patience = instantOf(m.core.Now.Add(seconds(patience)))
	}
	return squirrel.Null, nil
}

// seconds converts a program's number of seconds to a duration between 0 and the
// longest deep sleep.
func seconds(s float32) time.Duration {
	if !(s > 0) {
		return 0
	}
	if float64(s) >= maxSleep.Seconds() {
		return maxSleep
	}
	return time.Duration(float64(s) * float64(time.Second)).Round(time.Millisecond)
}

func serverDisconnect(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	m.st.Unexpected, m.st.Patience = 0, 0
	m.core.SetHandler(onConnect, squirrel.Null)
	m.st.Link.hangUp()
	return squirrel.Null, nil
}

func serverIsConnected(c *squirrel.Call) (squirrel.Value, error) {
	return squirrel.Bool(of(c).st.Link.Up), nil
}

func serverFlush(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	v := m.st.Link.flush(m.core.Now, seconds(c.Float(1)), waitFlush)
	if !v.done {
		return m.core.Suspend(c, imp.FirstWait)
	}
	return squirrel.Bool(v.code == sendOK), nil
}

func serverSetPolicy(c *squirrel.Call) (squirrel.Value, error) {
	policy := int(c.Int(1))
	when := int(c.Int(2))
	timeout := c.Float(3)
	switch {
	case policy < suspendOnError || policy > returnNoDisconnect:
		return c.Errorf("invalid policy %d: use SUSPEND_ON_ERROR, RETURN_ON_ERROR or RETURN_ON_ERROR_NO_DISCONNECT", policy)
	case when != waitTilSent && when != waitForAck:
		return c.Errorf("invalid wait %d: use WAIT_TIL_SENT or WAIT_FOR_ACK", when)
	case !(timeout >= 0):
		return c.Errorf("invalid timeout: use seconds, 0 or more")
	}
	l := &of(c).st.Link
	l.Policy = policy
	l.When = when
	l.Timeout = seconds(timeout)
	return squirrel.Null, nil
}

func serverRestart(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	m.end(&Restart{Reason: tandem.ReasonRestart, Wake: WakeRestart})
	return m.core.Suspend(c, imp.Ending)
}

// exitCodeReset is the exit code in the log after imp.reset.
const exitCodeReset = "16"

func impReset(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	m.st.Link.report(tandem.LogExitCode, exitCodeReset)
	m.end(&Restart{Reason: tandem.ReasonRestart, Wake: WakeSoftwareReset, Detail: "imp.reset"})
	return m.core.Suspend(c, imp.Ending)
}

func sleepFor(c *squirrel.Call, flush bool) (squirrel.Value, error) {
	s := c.Float(1)
	if !(s >= 0 && float64(s) <= maxSleep.Seconds()) {
		return c.Errorf("invalid sleep time: use 0 to %d seconds", int(maxSleep.Seconds()))
	}
	return of(c).sleep(c, seconds(s), flush)
}

func sleepUntil(c *squirrel.Call, flush bool) (squirrel.Value, error) {
	hour := int(c.Int(1))
	minute := int(c.Int(2))
	second := int(c.Int(3))
	day := -1
	if !c.Arg(4).IsNull() {
		if day = int(c.Int(4)); day < 0 || day > 6 {
			return c.Errorf("invalid sleep time: the day is %d, use SUNDAY to SATURDAY", day)
		}
	}
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return c.Errorf("invalid sleep time: %d:%d:%d is not a time of day", hour, minute, second)
	}
	const calendar = 2000 // fuel
	if err := c.Charge(calendar); err != nil {
		return squirrel.Null, err
	}
	m := of(c)
	now := m.core.Wall().UTC()
	at := time.Date(now.Year(), now.Month(), now.Day(), hour, minute, second, 0, time.UTC)
	for !at.After(now) || day >= 0 && int(at.Weekday()) != day {
		at = at.AddDate(0, 0, 1)
	}
	return m.sleep(c, at.Sub(now), flush)
}

// flushBeforeSleep is how long server.sleepfor waits for acknowledgements.
const flushBeforeSleep = 30 * time.Second

// sleep ends the incarnation by a deep sleep, after a flush if flush is set.
func (m *Machine) sleep(c *squirrel.Call, d time.Duration, flush bool) (squirrel.Value, error) {
	if flush {
		if m.st.Link.Up {
			m.st.Link.report(tandem.LogSleep, "sleeping until "+m.core.Wall().Add(d).UTC().Format(time.RFC3339))
		}
		m.st.Sleep = d
		if v := m.st.Link.flush(m.core.Now, flushBeforeSleep, waitSleep); !v.done {
			return m.core.Suspend(c, imp.FirstWait)
		}
	}
	m.deepSleep(d)
	return m.core.Suspend(c, imp.Ending)
}

func impInfo(c *squirrel.Call) (squirrel.Value, error) {
	m, v := of(c), c.VM()
	t := v.NewTable()
	kind := m.cfg.Module
	if kind == AnyModule {
		kind = anyModuleType
	}
	v.SetField(t, "type", v.NewString(kind))
	return t, nil
}

func impSetSendBuffer(c *squirrel.Call) (squirrel.Value, error) {
	return imp.Int32(of(c).st.Link.setBuffer(int(c.Int(1)))), nil
}

// userConfigurationSize is the size of the flash for the user configuration, in bytes.
const userConfigurationSize = 4096

func impSetUserConfiguration(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	var data []byte
	if why := m.st.Posts.Room.Unwritable; why != "" {
		return c.Errorf("imp.setuserconfiguration: %s", why)
	}
	if c.VM().Len(c.Arg(1)) > userConfigurationSize {
		return c.Errorf("value too long in imp.setuserconfiguration(value)")
	}
	if !c.Arg(1).IsNull() {
		b, ok := dataOf(c, 1)
		if !ok {
			return notData(c)
		}
		data = append([]byte{}, b...) // not nil, because nil erases the configuration
	}
	m.st.User = data
	m.emit(&Configured{Data: data, Cause: m.st.Posts.Cause})
	return squirrel.Null, nil
}

func impGetUserConfiguration(c *squirrel.Call) (squirrel.Value, error) {
	m := of(c)
	if m.st.User == nil {
		return squirrel.Null, nil
	}
	if err := c.Charge(len(m.st.User) / 8); err != nil {
		return squirrel.Null, err
	}
	return m.blob(m.st.User), nil
}

func (m *Machine) blob(b []byte) squirrel.Value { return m.vm().NewBlob(b) }
