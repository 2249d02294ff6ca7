package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/tandem-iot/tandem/central"
)

// howToRun has a command line for each command, in an order in which all succeed at a node of
// tandem dev. A word in capitals is what an earlier command has printed. After a bar come lines of
// input.
const howToRun = `
version
completion zsh
init new
check plain.nut
run plain.nut
test pair
doc server.save
account list
account show
account password | correct-horse
account add ann ann@example.com | correct-horse
account otp show
ROLE = account role add ann viewer
account role list
account role change ROLE operator
account role remove --yes ROLE
account invitation add viewer
INVITATION = account invitation list -q
account invitation list
account invitation remove --yes INVITATION
audit list
KEY = key add of-a-test | correct-horse
key list
key change KEY other | correct-horse
key remove --yes KEY | correct-horse
login --login-key LOGIN NODE
context use local
context list
logout operator@HOST
product add Garden
product list
product show Garden
product change Garden --description plants
group add --product Garden beds
group list --product Garden
group show beds
group change beds --env WATER=3 --env NAME=rose
DEPLOYMENT = deploy pair --product Garden --group beds --tag first
deployment list --group beds
deployment show DEPLOYMENT
deployment code DEPLOYMENT agent
deployment change DEPLOYMENT --description first --tag good
NEXT = deploy pair --group beds
group change beds --min-supported NEXT
deployment remove --yes DEPLOYMENT
device add rose --group beds
device list --group beds
device show rose
device change rose --name tulip
device history tulip
device key show tulip
device key rotate --print --within 1h tulip
device certificate issue tulip
ca show
restart agent tulip
group restart beds
log tulip
CLAIM = device claim add --group beds --no-qr
device claim list
device claim revoke --yes CLAIM
device provision --count 2 --out made.csv --group beds
device unassign --yes tulip
device assign tulip --group beds
device revoke --yes tulip
device remove --yes tulip
webhook add deployment http://127.0.0.1:1/ --group beds
WEBHOOK = webhook list -q
webhook list
webhook show WEBHOOK
webhook change WEBHOOK --content-type form
webhook deliveries WEBHOOK
webhook remove --yes WEBHOOK
library add L:1.0.0 pair/agent.nut
library list
group add --product Garden empty
group remove --yes empty
product add Empty
product remove --yes Empty
`

// elsewhere are commands that other tests run: they need a cluster, an authenticator, the files of a
// device or a certificate's fingerprint, or go on until they are stopped.
var elsewhere = []string{
	"dev", "up", "device run", "device enrol", "cluster status", "cluster drain", "cluster undrain", "account otp enable",
	"account otp disable", "device certificate revoke", "account join", "device set", "rehearse",
}

// recorder passes requests on to a node, and notes those that destroy something.
type recorder struct {
	node  http.Handler
	wrong []string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodDelete || strings.HasSuffix(req.URL.Path, "/revoke") {
		r.wrong = append(r.wrong, req.Method+" "+req.URL.Path)
	}
	r.node.ServeHTTP(w, req)
}

// atNode runs a node of tandem dev, and has commands use it through a recorder.
func atNode(t *testing.T) (_ *recorder, access central.Access) {
	t.Helper()
	node := startDev(t, map[string]string{"agent.nut": ""})
	access, err := central.ReadAccess(filepath.Join(node.dir, ".tandem", "node", "access.json"))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(access.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{node: httputil.NewSingleHostReverseProxy(u)}
	proxy := httptest.NewServer(r)
	t.Cleanup(proxy.Close)
	access.URL = proxy.URL
	t.Setenv("TANDEM_CONFIG", filepath.Join(t.TempDir(), "contexts.json"))
	t.Chdir(t.TempDir())
	if err := os.Mkdir("pair", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join("pair", "agent.nut"), "server.log(1);")
	write(t, "plain.nut", "print(1);")
	write(t, filepath.Join("pair", "x.test.nut"), "class X extends ImpTestCase { function testX() {} }")
	return r, access
}

// hasFlag reports whether a command has a flag of its own.
func hasFlag(leaf *kong.Node, name string) bool {
	return slices.ContainsFunc(leaf.Flags, func(f *kong.Flag) bool { return f.Name == name })
}

// TestEveryCommand runs each command. With --json its results are JSON and nothing else is said,
// without --yes nothing is destroyed, and without a node, an argument or a right it says so.
func TestEveryCommand(t *testing.T) {
	rec, access := atNode(t)
	u, err := url.Parse(access.URL)
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"LOGIN", access.Key, "NODE", access.URL, "HOST", u.Host}
	leaves := map[string]*kong.Node{}
	for _, leaf := range newParser(&commands{}).Model.Leaves(true) {
		leaves[leaf.Path()] = leaf
	}
	ran := map[string]bool{}
	for line := range strings.Lines(strings.TrimSpace(howToRun)) {
		line, input, _ := strings.Cut(strings.TrimSpace(line), " | ")
		name, rest, keeps := strings.Cut(line, " = ")
		if !keeps {
			rest = line
		}
		args := strings.Fields(strings.NewReplacer(words...).Replace(rest))
		leaf := leafOf(leaves, args)
		if leaf == nil {
			t.Fatalf("no command runs %q", args)
		}
		ran[leaf.Path()] = true
		e := every{t, leaf, args, input + "\n", access, rec}
		if hasFlag(leaf, "yes") && slices.Contains(args, "--yes") {
			e.asks()
		}
		if hasFlag(leaf, "data") {
			e.withoutNode()
		}
		e.withoutArguments()
		id := e.asJSON()
		if leaf.Name == "list" || leaf.Name == "show" {
			e.quietly()
		}
		if keeps {
			words = append(words, name, id)
		}
	}
	for path := range leaves {
		if !ran[path] && !slices.Contains(elsewhere, path) {
			t.Errorf("tandem %s is not run: add a line to howToRun", path)
		}
	}
}

// leafOf returns the command of a command line.
func leafOf(leaves map[string]*kong.Node, args []string) *kong.Node {
	for n := min(3, len(args)); n > 0; n-- {
		if leaf := leaves[strings.Join(args[:n], " ")]; leaf != nil {
			return leaf
		}
	}
	return nil
}

// every is a command to be tried.
type every struct {
	t      *testing.T
	leaf   *kong.Node
	args   []string
	input  string
	access central.Access
	rec    *recorder
}

// at returns the arguments with those that select a node.
func (e every) at(node string, more ...string) []string {
	args := slices.Concat(e.args, more)
	if hasFlag(e.leaf, "data") {
		args = append(args, "--url", node, "--login-key", e.access.Key)
	}
	return args
}

// asks checks that a command which destroys does nothing without --yes.
func (e every) asks() {
	e.t.Helper()
	with := e.args
	e.args = slices.DeleteFunc(slices.Clone(e.args), func(a string) bool { return a == "--yes" })
	before := len(e.rec.wrong)
	status, _, errs := within(e.t, e.input, e.at(e.access.URL)...)
	if status != 1 || !strings.Contains(errs, "say --yes") || len(e.rec.wrong) != before {
		e.t.Errorf("tandem %q without --yes: %d %s %q", with, status, errs, e.rec.wrong[before:])
	}
}

// withoutNode checks what is said when there is no node: nowhere, and not at a URL.
func (e every) withoutNode() {
	e.t.Helper()
	status, _, errs := within(e.t, e.input, append(e.args, "--data", "nowhere")...)
	if status != 1 || !strings.Contains(errs, "there is no nowhere") {
		e.t.Errorf("tandem %q without a node: %d %s", e.args, status, errs)
	}
	status, _, errs = within(e.t, e.input, e.at("http://127.0.0.1:1", "--json")...)
	var said struct {
		Error struct{ Kind, Message string }
	}
	err := json.Unmarshal([]byte(errs), &said)
	if status != 1 || err != nil || said.Error.Kind != "unavailable" ||
		!strings.Contains(said.Error.Message, "no node answers at http://127.0.0.1:1") {
		e.t.Errorf("tandem %q with a node away: %d %s %v", e.args, status, errs, err)
	}
}

// withoutArguments checks what is said when an argument is missing.
func (e every) withoutArguments() {
	e.t.Helper()
	if !slices.ContainsFunc(e.leaf.Positional, func(p *kong.Positional) bool { return p.Required }) {
		return
	}
	status, _, errs := within(e.t, "", strings.Fields(e.leaf.Path())...)
	if status != 2 || !strings.Contains(errs, "an argument is missing") && !strings.Contains(errs, "say which") &&
		!strings.Contains(errs, "this needs") {
		e.t.Errorf("tandem %s without arguments: %d %s", e.leaf.Path(), status, errs)
	}
}

// asJSON runs the command and returns the id that it prints.
func (e every) asJSON() (id string) {
	e.t.Helper()
	before := len(e.rec.wrong)
	status, out, errs := within(e.t, e.input, e.at(e.access.URL, "--json")...)
	if status != 0 || errs != "" {
		e.t.Fatalf("tandem %q: %d %q", e.args, status, errs)
	}
	if !slices.Contains(e.args, "--yes") && e.args[0] != "logout" && len(e.rec.wrong) != before {
		e.t.Errorf("tandem %q destroys: %q", e.args, e.rec.wrong[before:])
	}
	values := json.NewDecoder(bytes.NewReader([]byte(out)))
	for {
		var v any
		err := values.Decode(&v)
		if err == io.EOF {
			break
		}
		if err != nil {
			e.t.Fatalf("tandem %q --json: %v\n%s", e.args, err, out)
		}
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		if one, ok := v.(map[string]any); ok {
			id, _ = one["id"].(string)
		}
	}
	return id
}

// quietly runs a command that only looks: a list has an id a line, and no message comes with it.
func (e every) quietly() {
	e.t.Helper()
	status, out, errs := within(e.t, e.input, e.at(e.access.URL, "--quiet")...)
	table := regexp.MustCompile(`(?m)^[A-Z]{4,}  `).MatchString(out)
	if status != 0 || errs != "" || table || e.leaf.Name == "list" && strings.Contains(out, "  ") {
		e.t.Errorf("tandem %q --quiet: %d %q %s", e.args, status, errs, out)
	}
}

// TestNoRight: to an account without rights nothing of another one exists, and what is the
// operator's alone is refused.
func TestNoRight(t *testing.T) {
	_, access := atNode(t)
	login := []string{"--url", access.URL, "--login-key", access.Key}
	within(t, password+"\n", append([]string{"account", "add", "ann", "ann@example.com"}, login...)...)
	status, _, errs := within(t, password+"\n", "login", access.URL, "--account", "ann", "--context", "ann")
	if status != 0 {
		t.Fatalf("ann cannot log in: %s", errs)
	}
	known := map[string]string{
		"device": "d", "devices": "d", "file": "pair/agent.nut", "account": "operator", "webhook": "x", "claim": "x",
		"login-key": "x",
	}
	_, known["deployment"], _ = within(t, "", append([]string{"deployment", "list", "-q"}, login...)...)
	known["deployment"] = strings.TrimSpace(known["deployment"])
	within(t, "", append([]string{"device", "add", "d"}, login...)...)
	// What an account does with its own things, or with all libraries, needs no right.
	own := func(leaf *kong.Node) bool {
		return leaf.Name == "list" || leaf.Name == "log" || slices.Contains([]string{
			"account otp show", "account otp enable", "product add", "device claim add", "ca show", "key add", "deploy",
			"device add",
		}, leaf.Path())
	}
	for _, leaf := range newParser(&commands{}).Model.Leaves(true) {
		if !hasFlag(leaf, "data") || own(leaf) || leaf.Name == "up" {
			continue
		}
		args := strings.Fields(leaf.Path())
		for _, p := range leaf.Positional {
			if v, ok := known[p.Name]; ok {
				args = append(args, v)
			} else if p.Required {
				args = append(args, rightArguments[p.Name])
			}
		}
		for _, f := range leaf.Flags {
			switch {
			case f.Name == "yes":
				args = append(args, "--yes")
			case f.Name == "group":
				args = append(args, "--group", "dev")
			case f.Name == "in":
				args = append(args, "--count", "1", "--out", "made")
			}
		}
		args = append(args, "--context", "ann")
		status, _, errs := within(t, password+"\n"+password+"\n", args...)
		refused := strings.Contains(errs, "there is no ") || strings.Contains(errs, "Only an administrator") ||
			strings.Contains(errs, "the cluster has no node") || strings.Contains(errs, "this node is alone")
		if status != 1 || !refused {
			t.Errorf("tandem %q: %d %s", args, status, errs)
		}
	}
}
