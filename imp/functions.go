package imp

import (
	"math"

	"github.com/tandem-iot/tandem/squirrel"
)

// apiRelease is the release of impOS that has this API. Code reads the number from
// imp.getsoftwareversion.
const apiRelease = "release-44.0"

// Shared is the part of the API that both sides have.
var Shared = API{
	Functions: append([]Function{
		{
			Name: "imp.wakeup", On: OnAgent, Result: "timer|null",
			Params: []Param{
				{Name: "interval", Type: "number", Doc: "seconds from now, up to 10,737,418; below 0 is 0"},
				{Name: "callback", Type: "function", Doc: "called without arguments"},
				{Name: "name", Type: "string", Optional: true, Doc: "for imp.cancelwakeup, at most 100 bytes"},
			},
			Doc: "Calls a function later. The result is null when the interval is too long, a pending timer has the " +
				"same name, or 1,000 timers are pending.",
			Source:  "https://developer.electricimp.com/api/imp/wakeup",
			Example: `imp.wakeup(5, @() server.log("five seconds later"));`,
			Fn:      wakeup,
		}, {
			Name: "imp.wakeup", On: OnDevice, Result: "timer|null",
			Params: []Param{
				{Name: "interval", Type: "number", Doc: "seconds from now, up to 10,737,418; below 0 is 0"},
				{Name: "callback", Type: "function", Doc: "called without arguments"},
			},
			Doc:    "Calls a function later. The result is null when the interval is too long or 1,000 timers are pending.",
			Source: "https://developer.electricimp.com/api/imp/wakeup",
			Fn:     wakeup,
			Example: `function blink() {
    imp.wakeup(0.5, blink);
    server.log("tick");
}
blink();`,
		}, {
			Name: "imp.cancelwakeup", On: OnBoth,
			Params: []Param{{Name: "timer", Type: "x|s|o", Doc: "the result of imp.wakeup, or on the agent the timer's name"}},
			Throws: []string{"no timer is named X"},
			Doc: "Drops a timer. It has no effect for a timer that has fired or was dropped; a name must be that of a " +
				"pending timer.",
			Source: "https://developer.electricimp.com/api/imp/cancelwakeup",
			Fn:     cancelWakeup,
			Example: `local timer = imp.wakeup(60, @() server.log("a minute later"));
imp.cancelwakeup(timer);`,
		}, {
			Name: "imp.sleep", On: OnBoth,
			Params: []Param{{Name: "seconds", Type: "number"}},
			Throws: []string{"imp.sleep: the time must be 0 to 10737418 seconds"},
			Doc:    "Stops the program for a while. Nothing else of it runs meanwhile.",
			Source: "https://developer.electricimp.com/api/imp/sleep",
			Fn:     sleep,
			Example: `server.log("wait");
imp.sleep(0.1);
server.log("go");`,
		}, {
			Name: "imp.getmemoryfree", On: OnBoth, Result: "integer",
			Doc:    "Bytes of memory left.",
			Source: "https://developer.electricimp.com/api/imp/getmemoryfree",
			Fn: func(call *squirrel.Call) (squirrel.Value, error) {
				return squirrel.Int(int32(call.VM().MemoryFree())), nil
			},
			Example: `server.log(imp.getmemoryfree() / 1024 + " KB left");`,
		}, {
			Name: "imp.environment", On: OnBoth, Result: "integer",
			Doc:    "Where the program runs: one of the ENVIRONMENT constants.",
			Source: "https://developer.electricimp.com/api/imp/environment",
			Fn: func(call *squirrel.Call) (squirrel.Value, error) {
				return squirrel.Int(CoreOf(call).cfg.Environment), nil
			},
			Example: `if (imp.environment() == ENVIRONMENT_AGENT) server.log("This is the agent");`,
		}, {
			Name: "imp.getsoftwareversion", On: OnBoth, Result: "string",
			Doc: "The software that runs the program: as on imps, three parts with \" - \" between, a name, " +
				"the release of impOS that has this API, and the version of Tandem.",
			Source:  "https://developer.electricimp.com/api/imp/getsoftwareversion",
			Fn:      SoftwareVersion,
			Example: `server.log(imp.getsoftwareversion());`,
		}, {
			Name: "imp.onunhandledexception", On: OnBoth,
			Params: []Param{{
				Name: "callback", Type: "handler",
				Doc: "called with the text of the exception and where it was thrown",
			}},
			Doc:     "Sets the function that is called once, before the restart, when an exception is not caught.",
			Source:  "https://developer.electricimp.com/api/imp/onunhandledexception",
			Fn:      SetsHandler(handlerUnhandled),
			Example: `imp.onunhandledexception(@(problem) server.log("About to restart: " + problem));`,
		}, {
			Name: "tandem.incarnation", On: OnBoth, Result: "integer",
			Doc:    "The number of this incarnation. Every restart of this side begins the next.",
			Source: "tandem",
			Fn: func(call *squirrel.Call) (squirrel.Value, error) {
				return squirrel.Int(int32(CoreOf(call).Incarnation())), nil
			},
			Example: `server.log("Start number " + tandem.incarnation());`,
		}, {
			Name: "tandem.onpeerstart", On: OnBoth,
			Params: []Param{{
				Name: "callback", Type: "handler",
				Doc: "called with the reason, a string, and the number of the other side's incarnation",
			}},
			Doc:     "Sets the function that is called at every start of the other side's program.",
			Source:  "tandem",
			Example: `tandem.onpeerstart(@(reason, n) server.log("the other side has started: " + reason));`,
			Fn:      SetsHandler(handlerPeer),
		},
	}, cryptoFunctions...),
	Constants: []Constant{
		{Name: "ENVIRONMENT_CARD", On: OnBoth, Value: 0, Doc: "The program runs on an imp card.", Source: environmentSource},
		{
			Name: "ENVIRONMENT_MODULE", On: OnBoth, Value: 1, Doc: "The program runs on an imp module.",
			Source: environmentSource,
		},
		{
			Name: "ENVIRONMENT_AGENT", On: OnBoth, Value: EnvironmentAgent,
			Doc: "The program runs in an agent.", Source: environmentSource,
		},
		{
			Name: "SEND_ERROR_NOT_CONNECTED", On: OnBoth, Value: SendNotConnected,
			Doc: "There is no connection.", Source: sendSource,
		},
		{Name: "SEND_ERROR_TIMEOUT", On: OnBoth, Value: SendTimeout, Doc: "It took too long.", Source: sendSource},
		{
			Name: "SEND_ERROR_DISCONNECTED", On: OnBoth, Value: SendDisconnected,
			Doc: "The connection broke meanwhile.", Source: sendSource,
		},
		{
			Name: "SEND_ERROR_WOULDBLOCK", On: OnBoth, Value: SendWouldBlock,
			Doc: "It does not fit the buffer.", Source: sendSource,
		},
	},
	Classes: []Class{{Name: timerClass, On: OnBoth, Doc: "What imp.wakeup returns."}},
}

const (
	environmentSource = "https://developer.electricimp.com/api/imp/environment"
	sendSource        = "https://developer.electricimp.com/api/server"
	timerClass        = "timer"
)

// SoftwareVersion is imp.getsoftwareversion.
func SoftwareVersion(call *squirrel.Call) (squirrel.Value, error) {
	return call.VM().NewString("tandem - " + apiRelease + " - " + CoreOf(call).cfg.Version), nil
}

// EnvironmentAgent is imp.environment() in an agent.
const EnvironmentAgent = 2

// Results of functions that send to the other side; 0 is success.
const (
	SendNotConnected = 1
	SendTimeout      = 2
	SendDisconnected = 3
	SendWouldBlock   = 4
)

// SetsHandler returns a native function that keeps its argument as the handler with
// a name.
func SetsHandler(name string) squirrel.NativeFunc {
	return func(call *squirrel.Call) (squirrel.Value, error) {
		if err := call.Charge(keepCost); err != nil {
			return squirrel.Null, err
		}
		c := CoreOf(call)
		c.SetHandler(name, c.Callback(call, 1))
		return squirrel.Null, nil
	}
}

const maxTimerName = 100 // bytes

func wakeup(call *squirrel.Call) (squirrel.Value, error) {
	c := CoreOf(call)
	s := max(call.Float(1), 0) // a program that counts down may be a moment late
	if !(s <= maxInterval) {
		return squirrel.Null, nil
	}
	if err := call.Charge(keepCost + c.timerCost()); err != nil {
		return squirrel.Null, err
	}
	name := ""
	if x := call.Arg(3); x.Type() == squirrel.TypeString {
		if call.VM().Len(x) > maxTimerName {
			return squirrel.Null, nil
		}
		name = call.Str(3)
		if name != "" && c.timerNamed(name) {
			return squirrel.Null, nil
		}
	}
	id, ok := c.addTimer(seconds(s), timer{Name: name, Site: c.here()}, call.Arg(2))
	if !ok {
		return squirrel.Null, nil
	}
	return c.VM.NewNative(timerClass, squirrel.Int(int32(id))), nil
}

func cancelWakeup(call *squirrel.Call) (squirrel.Value, error) {
	c := CoreOf(call)
	arg := call.Arg(1)
	if err := call.Charge(c.timerCost()); err != nil {
		return squirrel.Null, err
	}
	switch arg.Type() {
	case squirrel.TypeString:
		name := string(call.VM().Head(arg, maxTimerName+1)) // no timer has a longer one
		if name == "" || !c.cancelTimer(func(t timer) bool { return t.Name == name }) {
			return call.Errorf("no timer is named %s", name)
		}
	case squirrel.TypeInstance:
		if !c.VM.IsNative(arg, timerClass) {
			return call.Errorf("imp.cancelwakeup: this is not a timer; give the result of imp.wakeup")
		}
		c.CancelTimer(uint32(c.VM.Payload(arg).AsInt()))
	}
	return squirrel.Null, nil
}

func sleep(call *squirrel.Call) (squirrel.Value, error) {
	c := CoreOf(call)
	s := call.Float(1)
	if !(s >= 0 && s <= maxInterval) {
		return call.Errorf("imp.sleep: the time must be 0 to %d seconds", maxInterval)
	}
	if d := seconds(s); d > 0 {
		c.wake = c.Now.Add(d).UnixNano()
		return c.Suspend(call, Sleeping)
	}
	return squirrel.Null, nil
}

// Int32 returns x as a program's integer, or the nearest one.
func Int32(x int) squirrel.Value {
	return squirrel.Int(int32(max(math.MinInt32, min(x, math.MaxInt32))))
}
