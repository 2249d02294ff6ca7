package squirrel

import (
	"strings"
	"testing"

	"github.com/tandem-iot/tandem/squirrel/compile"
)

// busyLibrary has natives that tell when they are running: ready returns at once, busy
// works until it must stop, and swallow hides that from the machine.
func busyLibrary(ready chan<- struct{}) *Library {
	work := func(c *Call) error {
		close(ready)
		for {
			if err := c.Charge(1); err != nil {
				return err
			}
			c.v.held++ // for ever, as far as the fuel goes
		}
	}
	l := NewLibrary("busy")
	l.Func("ready", Native{Fn: func(*Call) (Value, error) { close(ready); return Null, nil }})
	l.Func("busy", Native{Fn: func(c *Call) (Value, error) { return Null, work(c) }})
	l.Func("worded", Native{Fn: func(c *Call) (Value, error) { return c.Errorf("busy: %v", work(c)) }})
	l.Func("swallow", Native{Fn: func(c *Call) (Value, error) { _ = work(c); return Null, nil }})
	return l
}

func startedIn(t *testing.T, l *Library, src string) *VM {
	t.Helper()
	p, err := compile.Compile("test", []byte(src), compile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := New(l, 1<<20)
	v.Start(v.Load(p), v.Root())
	return v
}

// TestInterrupt: a machine stops whatever it does, no handler of the program catches
// that, and it says where it was.
func TestInterrupt(t *testing.T) {
	for _, src := range []string{
		`function f() { ready(); while (true) {} } f();`,
		`function f() { busy(); } while (true) try { f(); } catch (e) {}`,
		`function f() { worded(); } while (true) try { f(); } catch (e) {}`,
		`function f() { swallow(); } while (true) try { f(); } catch (e) {}`,
		`function f() { [1, 2].map(@(x) busy()); } f();`,
		`function f() { ready(); for (;;) try { throw 1; } catch (e) {} } f();`,
	} {
		ready := make(chan struct{})
		v := startedIn(t, busyLibrary(ready), src)
		go func() { <-ready; v.Interrupt() }()
		if s := v.Run(1 << 60); s != Interrupted {
			t.Errorf("%s: status %d, %v", src, s, v.Err())
		}
		if !hasFrame(v.Stack(), "f") {
			t.Errorf("%s: the stack is %v", src, v.Stack())
		}
		if s := v.Run(1000); s != Interrupted {
			t.Errorf("%s: status %d of another Run", src, s)
		}
		if _, err := v.Snapshot(); err == nil {
			t.Errorf("%s: a snapshot of it was taken", src)
		}
	}
}

func hasFrame(stack []Frame, name string) bool {
	for _, f := range stack {
		if f.Func == name {
			return true
		}
	}
	return false
}

func TestInterruptBeforeRun(t *testing.T) {
	v := started(t, 1<<20, "return 1;")
	v.Interrupt()
	if s := v.Run(1000); s != Interrupted || v.FuelUsed() > 100 {
		t.Errorf("status %d after %d units", s, v.FuelUsed())
	}
}

// TestInterruptIn: an interrupt for a turn that is over does nothing, one for the turn or
// a later one stops the machine then.
func TestInterruptIn(t *testing.T) {
	v := New(standard, 1<<20)
	for turn := range uint64(5) {
		v.SetTurn(turn + 1)
		switch turn + 1 {
		case 2:
			v.InterruptIn(1)
		case 3:
			v.InterruptIn(5)
			v.InterruptIn(2)
		}
		want := Done
		if turn+1 == 5 {
			want = Interrupted
		}
		v.Start(v.Load(compiled(t, "turn", "return 1;")), v.Root())
		if s := v.Run(1000); s != want {
			t.Errorf("turn %d: status %d", turn+1, s)
		}
	}
}

// TestStopInNative: a native that needs more fuel than there is stops, and so does the
// program, at the same unit however it is sliced.
func TestStopInNative(t *testing.T) {
	l := NewLibrary("hungry")
	done := false
	l.Func("eat", Native{Fn: func(c *Call) (Value, error) {
		for range 100 {
			if err := c.Charge(maxDebt / 10); err != nil {
				return c.Errorf("eat: %v", err)
			}
		}
		done = true
		return Null, nil
	}})
	v := startedIn(t, l, "while (true) try { eat(); } catch (e) {}")
	if s := v.Run(10 * maxDebt / 2); s != OutOfFuel || done {
		t.Errorf("status %d, done is %v", s, done)
	}
	if used := v.FuelUsed(); used < 10*maxDebt/2+maxDebt || used > 10*maxDebt/2+maxDebt+maxDebt/9 {
		t.Errorf("it used %d units", used)
	}
	if s := v.Run(1 << 40); s != OutOfFuel {
		t.Errorf("status %d of another Run", s)
	}
}

// TestRunSlice: a native is not stopped when more fuel comes later.
func TestRunSlice(t *testing.T) {
	v := started(t, 64<<20, "return array(3000000).len();")
	runs := 0
	for v.RunSlice(1000) == OutOfFuel {
		runs++
	}
	if v.Result() != Int(3000000) || runs < 100 {
		t.Errorf("%v after %d runs", v.Result(), runs)
	}
}

// TestInterruptStraight: a program without loops and calls stops too.
func TestInterruptStraight(t *testing.T) {
	for _, line := range []string{"same = a == b;", "x = t[key];", "t[key] = 1;", "x = key in t;"} {
		l := NewLibrary("straight")
		l.Func("interrupt", Native{Fn: func(c *Call) (Value, error) { c.v.Interrupt(); return Null, nil }})
		v := startedIn(t, l, `local a = "x"; while (a.len() < 200000) a += a; local b = a + "y"; a += "y";
local t = {}, key = 65536, same = false, x; for (local i = 0; i <= 5000; i++) t[65536 * i] <- i;
interrupt();`+strings.Repeat(line, 30000)+"return 1;")
		if s := v.Run(1 << 60); s != Interrupted {
			t.Errorf("%s: status %d", line, s)
		}
	}
}

// TestHostDebt: what the host does between two Runs is paid by the next, and too much of
// it ends the machine.
func TestHostDebt(t *testing.T) {
	v := started(t, 1<<20, "return 1;")
	before := v.FuelUsed()
	if err := v.Charge(5000); err != nil || v.FuelUsed() != before+5000 {
		t.Errorf("%v, %d units", err, v.FuelUsed()-before)
	}
	if s := v.Run(4000); s != OutOfFuel {
		t.Errorf("status %d", s)
	}
	if s := v.Run(4000); s != Done {
		t.Errorf("status %d", s)
	}
	if err := v.Charge(maxHostDebt + 1); err == nil || v.Stopped() != OutOfFuel {
		t.Errorf("%v, %d", err, v.Stopped())
	}
}
