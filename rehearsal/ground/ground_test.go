package ground_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/agent"
	"github.com/tandem-iot/tandem/imp"
	"github.com/tandem-iot/tandem/rehearsal/ground"
	"github.com/tandem-iot/tandem/squirrel"
)

// thrown notes what the program has thrown.
var thrown ground.Thrown

// act says what was read of the arguments of a call.
func act(c *squirrel.Call) (squirrel.Value, error) {
	text := ""
	var err error
	switch what := c.Str(1); what {
	case "said":
		kind, said, numbers := ground.Said(c)
		text = fmt.Sprint(kind, " ", said, " ", numbers)
	case "span":
		return ground.SpanInSeconds(c)
	case "request":
		var r ground.Request
		r, err = ground.Requested(c)
		text = fmt.Sprintf("%s %s?%s %v %s", r.Method, r.Path, r.Query, r.Headers, r.Body)
	case "serving":
		var on bool
		text, on, err = ground.Serving(c)
		text += fmt.Sprint(" ", on)
	case "reply":
		var n int
		var r *tandem.Response
		if n, r, err = ground.Reply(c); err == nil {
			text = fmt.Sprintf("%d: %d %v %s", n, r.Status, r.Headers, r.Body)
		}
	case "news":
		fetch := &tandem.Fetch{Method: "PUT", URL: "https://x.test/a?b=1", Body: []byte("body")}
		n := ground.News{Number: 3, Route: "https://x.test/", Fetch: fetch}
		if c.NArgs() > 1 {
			headers := []tandem.Header{{Name: "A-B", Value: "c"}}
			n = ground.News{Number: 4, Response: &tandem.Response{Status: 201, Headers: headers, Body: []byte("made")}}
		}
		return n.Table(c.VM()), nil
	case "log":
		list := c.VM().NewArray()
		err := ground.AppendLine(c, list, 1500*time.Millisecond, "status", "on")
		return list, err
	case "look":
		data, err := ground.Look(c.VM(), ground.Agent, c.Str(2))
		if err != nil {
			return c.Errorf("%v", err)
		}
		return ground.Seen(c, ground.Agent, c.Str(2), data)
	case "absent":
		_, err = ground.Look(nil, ground.Device, "x")
	}
	if err != nil {
		return c.Errorf("%v", err)
	}
	return c.VM().NewString(text), nil
}

const code = `
state <- { list = [1, 2], name = "n" };
function attempt(...) {
	local args = [this];
	args.extend(vargv);
	try {
		local v = __world.acall(args);
		server.log(typeof v == "table" || typeof v == "array" ? http.jsonencode(v) : v.tostring());
	} catch (e) { server.log("! " + e); }
}
attempt("said", "pass", "a text", 1, 2);
attempt("said", "pass", null);
attempt("span", 1.5);
attempt("span", "2 minutes");
attempt("span", -1);
attempt("span", []);
attempt("request", "post", "/a?b=c", { x = "y" }, { k = 1 });
attempt("request", "GET", "a", null, null);
attempt("request", "GET", "", null, "text");
attempt("serving", "https://x.test/", true);
attempt("serving", "x.test", true);
attempt("reply", 9, 204, { b = 2, a = 1 }, null);
foreach (k in ["kind", "number", "route", "method", "url", "query", "body"]) server.log(k + " " + __world("news")[k]);
attempt("news", 1);
attempt("log");
attempt("look", "state");
attempt("look", "none");
attempt("absent");
`

const want = `pass a text [1 2]
pass  []
1.5
120
! -1 is not a number of seconds from 0 to 30 years
! a span of time is a number of seconds, or a text such as "3 weeks"
POST /a?b=c [{x y}] {"k":1}
! a path begins with '/': "a"
GET ? [] text
https://x.test/ true
! an address begins with http:// or https://: "x.test"
9: 204 [{a 1} {b 2}] 
kind serve
number 3
route https://x.test/
method PUT
url https://x.test/a
query b=1
body body
{ "status": 201, "headers": { "a-b": "c" }, "kind": "answer", "number": 4, "body": "made" }
[ { "type": "status", "text": "on", "at": 1.5 } ]
{ "name": "n", "list": [ 1, 2 ] }
! the agent has no variable "none"
! the device does not run
`

// TestGround: what a program says is read, and what it gets it can use. Mistakes it hears of.
func TestGround(t *testing.T) {
	program, err := imp.Compile(tandem.AgentSide, []byte(code), nil)
	if err != nil {
		t.Fatal(err)
	}
	beside := &imp.Beside{Library: agent.Library(ground.API(act))}
	beside.Thrown = func() { thrown.Note(beside.Core().VM) }
	m := agent.New(agent.Config{
		Program: program, Memory: ground.TesterMemory, Budget: ground.TesterBudget, Incarnation: 1, Beside: beside,
	}, time.Now())
	var got strings.Builder
	for _, e := range m.Step(time.Now(), &agent.Boot{}) {
		if log, ok := e.(*agent.Log); ok {
			fmt.Fprintln(&got, log.Msg)
		}
	}
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
	const last = "the device does not run"
	if e := thrown.Newest(last); e == nil || e.Message != last || len(thrown) > 16 {
		t.Errorf("%d exceptions, the newest %v", len(thrown), e)
	}
	if thrown.Newest("never") != nil {
		t.Error("an exception that was never thrown")
	}
	if names := fmt.Sprint(ground.Agent, ground.Device, ground.Tester); names != "agent device test" {
		t.Error(names)
	}
}
