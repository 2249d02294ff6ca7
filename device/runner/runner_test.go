package runner

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/board"
)

// pair is a device and its node, in virtual time.
type pair struct {
	*node
	r     *Runner
	board *board.Simulated
	done  chan error // Run's
	end   func()
}

// inBubble runs a story in virtual time; code, if any, is what the device has
// kept from an earlier life.
func inBubble(t *testing.T, code string, story func(p *pair)) {
	dir := t.TempDir()
	if code != "" {
		if err := os.WriteFile(filepath.Join(dir, "code.json"), codeOf(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, dir)
		defer func() { p.end() }()
		story(p)
	})
}

// codeOf is device code as sys/code has it, and as it is kept.
func codeOf(text string) []byte {
	return encode(map[string]any{"sha": shaOf(text), "code": text, "env": map[string]string{"DEPLOYMENT_SHA": "d"}})
}

func shaOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func encode(x any) []byte {
	b, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	return b
}

func newPair(t *testing.T, dir string) *pair {
	p := &pair{node: newNode(t), board: board.New()}
	p.r = &Runner{
		ID: testID, Key: "secret", Dir: dir, Board: p.board, dial: p.connect,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.done = make(chan error, 1)
	go func() { p.done <- p.r.Run(ctx) }()
	p.end = func() {
		cancel()
		if err := <-p.done; err != nil {
			t.Error(err)
		}
		p.wg.Wait()
	}
	return p
}

// connected waits for the start of a connection.
func (p *pair) connected() got {
	p.t.Helper()
	p.skipTo("CONNECT…")
	return p.expect("sys/hello…")
}

// started waits for the code to start.
func (p *pair) started() got {
	p.t.Helper()
	for {
		if g := p.skipTo("sys/hello…"); strings.Contains(g.payload, `"running":true`) {
			return g
		}
	}
}

func TestFirstLife(t *testing.T) {
	inBubble(t, "", func(p *pair) {
		c := p.expect("CONNECT v5 clean=true")
		for key, want := range map[string]string{
			"client": string(testID), "username": string(testID), "password": "secret", "format": "compact",
		} {
			if c.user[key] != want {
				t.Errorf("%s %q, want %q", key, c.user[key], want)
			}
		}
		h := p.expect(`sys/hello {"boot":1,"incarnation":0,"wake":"POWER_ON","reason":"power_on",` +
			`"runtime":"tandem","code":"","running":false,"id":…`)
		if h.user["clock"] == "" {
			t.Error("no clock")
		}
		text := `
			server.log("wake " + hardware.wakereason() + " " + server.isconnected() + " " + __EI.DEPLOYMENT_SHA);
			agent.on("ask", function(x) { agent.send("answer", x); });
			agent.send("reading", { celsius = 21.5 });
			server.error("oops");`
		p.sayCode(text)
		p.expect(
			`sys/hello {"boot":1,"incarnation":1,"wake":"NEW_SQUIRREL","reason":"reload",`+
				`"runtime":"tandem","code":"`+shaOf(text)+`","running":true,"id":…`,
			"log wake 4 true d",
		)
		m := p.expect(`agent/reading {"celsius":21.5}`)
		if m.user["boot"] != "1" || m.user["seq"] != "1" || m.user["clock"] == "" {
			t.Errorf("properties %v", m.user)
		}
		p.expect("log/error oops")
		p.say("device/ask", []int{1, 2})
		if m := p.expect("agent/answer [1,2]"); m.user["seq"] != "2" {
			t.Errorf("properties %v", m.user)
		}
		p.sayCode(text) // nothing new
		p.quiet(time.Minute)
		p.end()
		if !p.current().bye {
			t.Error("the device has left without a word")
		}
		p.end = func() {}
	})
}

func TestResend(t *testing.T) {
	inBubble(t, `
		agent.send("one", 1);
		server.log("line");
		agent.send("two", 2);
		agent.on("three", function(_) { server.log("three"); agent.send("three", 3); });`, func(p *pair) {
		p.set(func(n *node) { n.hold = true })
		p.started()
		one := p.expect("agent/one 1")
		line := p.expect("log line") // acknowledged after what came before
		p.expect("agent/two 2")
		p.set(func(n *node) { n.hold = false })
		cut := time.Now()
		p.cut()
		p.expect("CONNECT…")
		if pause := time.Since(cut); pause > 200*time.Millisecond {
			t.Errorf("the first retry came after %v", pause)
		}
		p.expect("sys/hello…")
		again := p.expect("agent/one 1")
		for _, key := range []string{"seq", "boot", "clock"} {
			if again.user[key] != one.user[key] {
				t.Errorf("sent again with %v, before with %v", again.user, one.user)
			}
		}
		if twin := p.expect("log line"); twin.user["seq"] != line.user["seq"] {
			t.Errorf("the line was number %s and comes again as %s", line.user["seq"], twin.user["seq"])
		}
		p.expect("agent/two 2")
		p.say("device/three", nil)
		p.expect("log three", "agent/three 3")
		synctest.Wait() // until it is acknowledged
		p.cut()
		p.connected()
		p.quiet(time.Minute)
	})
}

// TestNothingIsLost: over a link that breaks again and again, every message
// arrives, and without its repetitions the order is that of sending.
func TestNothingIsLost(t *testing.T) {
	const messages = 60
	repeated := 0
	for seed := range uint64(20) {
		inBubble(t, `
			n <- 0;
			function next() {
				if (n < 60) imp.wakeup(0.03, next);
				agent.send("n", ++n);
			}
			next();`, func(p *pair) {
			chance := rand.New(rand.NewPCG(seed, 0))
			p.set(func(n *node) { n.luck = func() bool { return chance.IntN(16) > 0 } })
			last := 0
			for last < messages {
				g := p.skipTo("agent/n…")
				seq, err := strconv.Atoi(g.user["seq"])
				switch {
				case err != nil || g.payload != g.user["seq"]:
					t.Fatalf("seed %d: %s with %v", seed, g, g.user)
				case seq > last+1:
					t.Fatalf("seed %d: %d comes after %d", seed, seq, last)
				case seq <= last:
					repeated++
				}
				last = max(last, seq)
			}
		})
	}
	if repeated == 0 {
		t.Error("nothing was repeated: the test shows nothing")
	}
}

func TestNewCode(t *testing.T) {
	inBubble(t, `server.log("old");
		server.onshutdown(function(reason) {
			server.log("shutdown " + reason);
			imp.wakeup(5, server.restart);
		});`, func(p *pair) {
		p.started()
		p.expect("log old")
		p.say("sys/restart", map[string]string{"reason": "restart"})
		if g := p.started(); !strings.Contains(g.payload, `"incarnation":2,"wake":"SW_RESTART","reason":"restart"`) {
			t.Errorf("hello %s", g.payload)
		}
		p.expect("log old")
		p.sayCode("this is no Squirrel")
		p.expect("log/error…")
		p.sayCode(strings.Repeat("// what libraries take\n", 1<<16) + `server.log("new " + hardware.wakereason());`)
		p.expect("log shutdown 1")
		p.started()
		p.expect("log new 4")
		p.end()

		// What the process has kept is what the next one runs.
		p2 := newPair(t, p.r.Dir)
		p2.skipTo("CONNECT…")
		p2.expect(`sys/hello {"boot":2,"incarnation":4,"wake":"POWER_ON","reason":"power_on","runtime":"tandem",…`)
		p2.expect("log new 0")
		p.end = p2.end
	})
}

func TestPowerCycle(t *testing.T) {
	inBubble(t, `
		if (!("nv" in getroottable())) nv <- 0;
		imp.setuserconfiguration(imp.getuserconfiguration() == null ? "a" : imp.getuserconfiguration().tostring() + "b");
		agent.send("user", imp.getuserconfiguration().tostring());`, func(p *pair) {
		p.set(func(n *node) { n.hold = true })
		p.started()
		p.expect(`agent/user "a"`)
		p.r.PowerCycle()
		p.started()
		m := p.expect(`agent/user "ab"`)
		if m.user["boot"] != "2" || m.user["seq"] != "1" {
			t.Errorf("properties %v", m.user)
		}
		p.quiet(time.Minute)
	})
}

// TestFlash: what is in the flash outlives a power cut, and its sectors are erased
// apart.
func TestFlash(t *testing.T) {
	inBubble(t, `
		local f = hardware.spiflash;
		f.enable();
		local text = f.read(f.size() - 4, 4).tostring();
		agent.send("was", text == "\xff\xff\xff\xff" ? "erased" : text);
		agent.send("first", f.read(4095, 2).tostring() == "\xff\xff");
		if (text == "kept") f.erasesector(f.size() - 1);
		else agent.send("wrote", f.write(f.size() - 4, "kept", SPIFLASH_POSTVERIFY));`, func(p *pair) {
		for _, want := range []string{"erased", "kept", "erased"} {
			p.started()
			p.expect(`agent/was "` + want + `"`)
			p.expect(`agent/first true`)
			if want == "erased" {
				p.expect(`agent/wrote 0`)
			}
			p.r.PowerCycle()
		}
		p.started()
	})
}

func TestBadFields(t *testing.T) {
	for _, r := range []*Runner{
		{ID: "x", Addr: "tcp://localhost", Dir: t.TempDir()},
		{ID: testID, Addr: "localhost:1883", Dir: t.TempDir()},
		{ID: testID, Addr: "http://localhost", Dir: t.TempDir()},
		{ID: testID, Addr: "tcp://localhost", Module: "imp999", Dir: t.TempDir()},
		{ID: testID, Addr: "tcp://localhost"},
	} {
		if err := r.Run(context.Background()); tandem.KindOf(err) != tandem.Invalid {
			t.Errorf("%+v: %v", r, err)
		}
	}
	damaged, blocked := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "counters.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(blocked, flashFile), 0o700); err != nil {
		t.Fatal(err)
	}
	for want, r := range map[string]*Runner{
		"damaged":         {ID: testID, Addr: "tcp://localhost", Dir: damaged},
		"flash":           {ID: testID, Addr: "tcp://localhost", Dir: blocked},
		"not a directory": {ID: testID, Addr: "tcp://localhost", Dir: filepath.Join(damaged, "counters.json")},
		"no.nut":          {ID: testID, Addr: "tcp://localhost", Dir: t.TempDir(), Code: filepath.Join(damaged, "no.nut")},
	} {
		if err := r.Run(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestTransports goes over real sockets, by every way there is.
func TestTransports(t *testing.T) {
	file := filepath.Join(t.TempDir(), "device.nut")
	if err := os.WriteFile(file, []byte(`agent.send("hello", blob(100000));`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"tcp", "tls", "ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			n := newNode(t)
			addr, trust := n.listen(t, scheme)
			ctx, cancel := context.WithCancel(context.Background())
			r := &Runner{ID: testID, Key: "secret", Addr: addr, Dir: t.TempDir(), Code: file, TLS: trust}
			done := make(chan error, 1)
			go func() { done <- r.Run(ctx) }()
			n.skipTo("agent/hello…")
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			n.wg.Wait()
			if !n.current().bye {
				t.Error("the device has left without a word")
			}
		})
	}
}

// listen opens the node to the world, and returns its address and what a device
// must trust.
func (n *node) listen(t *testing.T, scheme string) (addr string, trust *tls.Config) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
		if err != nil {
			t.Error(err)
			return
		}
		conn := websocket.NetConn(context.Background(), c, websocket.MessageBinary)
		n.set(func(n *node) { n.accept(conn) })
		<-n.current().closed
	}))
	t.Cleanup(server.Close)
	if scheme == "ws" {
		server.Start()
		return "ws://" + server.Listener.Addr().String() + "/mqtt", nil
	}
	server.StartTLS() // for its certificate, even if it serves nothing
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	trust = &tls.Config{RootCAs: roots}
	if scheme == "wss" {
		return "wss://" + server.Listener.Addr().String() + "/mqtt", trust
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	if scheme == "tls" {
		listener = tls.NewListener(listener, &tls.Config{Certificates: server.TLS.Certificates})
	}
	go func() {
		if c, err := listener.Accept(); err == nil {
			n.set(func(n *node) { n.accept(c) })
		}
	}()
	return scheme + "://" + listener.Addr().String(), trust
}
