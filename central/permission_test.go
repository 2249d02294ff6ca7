package central

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// bench is where the permission table is tried: an account that owns everything, one that may have
// roles, and one that has none.
type bench struct {
	*world
	count                 int
	owner, member         store.Account
	owns, joins, stranger string // their tokens
	asks                  string // the token of the next call
	csr                   string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{world: newWorld(t)}
	account := func(name string) (store.Account, string) {
		a, err := b.Store.AddAccount(t.Context(), store.Account{Username: name, Email: name + "@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		token := store.Token{Account: a.ID, Expires: time.Now().Add(time.Hour)}
		if _, err := b.Store.AddToken(t.Context(), token, name+"-token"); err != nil {
			t.Fatal(err)
		}
		return a, name + "-token"
	}
	b.owner, b.owns = account("owner")
	b.member, b.joins = account("member")
	_, b.stranger = account("stranger")
	account("newcomer")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, new(x509.CertificateRequest), key)
	if err != nil {
		t.Fatal(err)
	}
	b.csr = base64.StdEncoding.EncodeToString(csr)
	return b
}

// clear forgets the objects of before, of which calls may have changed some.
func (b *bench) clear() {
	b.names = map[string]string{"owner": b.owner.ID, "newcomer": "newcomer", "csr": b.csr}
}

// made returns what the store has made, or ends the test.
func made[T any](b *bench, v T, err error) T {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// object returns what a name in an example stands for, which is made when it is first asked for.
func (b *bench) object(name string) string {
	b.t.Helper()
	if id := b.names[name]; id != "" {
		return id
	}
	b.count++
	ctx, unique := b.t.Context(), fmt.Sprint("n", b.count)
	id := ""
	switch name {
	case "name":
		id = unique
	case "newdevice":
		id = fmt.Sprintf("%016x", b.count)
	case "fingerprint":
		f := fmt.Sprintf("%064x", b.count)
		x := record.Certificate{ID: f, Device: tandem.DeviceID(b.object("device"))}
		id = made(b, f, b.Store.AddCertificates(ctx, []record.Certificate{x}))
	case "product":
		p, err := b.Store.AddProduct(ctx, record.Product{Owner: b.owner.ID, Name: unique})
		id = made(b, p, err).ID
	case "group":
		g := record.Group{Product: b.object("product"), Name: unique, Type: tandem.GroupDevelopment}
		g, err := b.Store.AddGroup(ctx, g)
		id = made(b, g, err).ID
	case "deployment":
		for range 2 { // so that it is not the oldest that may run
			d, err := b.Store.Deploy(ctx, record.Deployment{Group: b.object("group")})
			id = made(b, d, err).ID
		}
	default:
		return b.rest(name, unique)
	}
	b.names[name] = id
	return id
}

// rest is object for what is not a product, a group or a deployment.
func (b *bench) rest(name, unique string) (id string) {
	b.t.Helper()
	ctx := b.t.Context()
	switch name {
	case "device", "spare":
		d := record.Device{Owner: b.owner.ID, KeyHash: record.Hash("")}
		if name == "device" {
			d.Group = b.object("group")
		}
		list, err := b.Store.AddDevices(ctx, []record.Device{d})
		id = string(made(b, list, err)[0].ID)
	case "webhook":
		w, err := b.Store.AddWebhook(ctx, store.Webhook{Group: b.object("group"), URL: "http://x.test/", Event: eventBlinkup,
			ContentType: contentJSON})
		id = made(b, w, err).ID
	case "collaborator":
		third, err := b.Store.AddAccount(ctx, store.Account{Username: unique, Email: unique})
		g := record.Grant{Member: made(b, third, err).ID, Place: b.place("devicegroup"), Role: record.Viewer}
		g, err = b.Store.AddGrant(ctx, g)
		id = made(b, g, err).ID
	case "invitation":
		i, err := b.Store.AddInvitation(ctx, record.Invitation{Hash: record.Hash(unique), Place: b.place("devicegroup"),
			Role: record.Viewer, Expires: time.Now().Add(time.Hour)})
		id = made(b, i, err).ID
	case "claim":
		list, err := b.Store.AddClaims(ctx, []record.ClaimCode{{Hash: record.Hash(unique), Group: b.object("group"),
			Creator: b.owner.ID, Expires: time.Now().Add(time.Hour)}})
		id = made(b, list, err)[0].ID
	case "loginkey":
		if _, err := b.Store.LoginKey(ctx, "keyofowner000000"); err == nil {
			return "keyofowner000000"
		}
		k, err := b.Store.AddLoginKey(ctx, store.LoginKey{ID: "keyofowner000000", Account: b.owner.ID})
		id = made(b, k, err).ID
	case "refreshtoken":
		x := store.Token{Account: b.owner.ID, Refresh: true, Expires: time.Now().Add(time.Hour)}
		token, err := b.Store.AddToken(ctx, x, unique)
		id = made(b, token, err).ID
	case "stream": // of the account that makes the call
		asks := b.asks
		if len(asks) <= len(none) {
			asks = b.owns
		}
		status, body := b.do("POST", "/logstream", asks, "null")
		found := regexp.MustCompile(`"id":"([^"]*)"`).FindStringSubmatch(body)
		if status != 201 || found == nil {
			b.t.Fatalf("a log stream: %d %s", status, body)
		}
		return found[1]
	default:
		b.t.Fatalf("an example has {%s}, which is not known here", name)
	}
	b.names[name] = id
	return id
}

// examples are the names in examples.
var examples = regexp.MustCompile(`\{[a-z]+\}`)

// place is the place of the objects, or the product or the account above it.
func (b *bench) place(at string) record.Place {
	p := record.Place{Owner: b.owner.ID}
	if at != "account" {
		p.Product = b.object("product")
	}
	if at == "devicegroup" {
		p.Group = b.object("group")
	}
	return p
}

// call makes the call of an operation's examples.
func (b *bench) call(o *operation, token string) (status int, answer string) {
	b.t.Helper()
	b.asks = token
	path := "/" + o.path
	for name, example := range o.examples {
		if name == "id" && o.Object != "" {
			example = o.Object
		}
		path = strings.Replace(path, ":"+name, example, 1)
	}
	if slices.Contains([]string{"GET collaborators", "GET invitations", "GET audit"}, o.method+" "+o.path) {
		path += "?filter[devicegroup.id]={group}"
	}
	if o.List {
		path += "?page[size]=100"
		b.object(o.listed())
	}
	body := ""
	if o.RequestBody != nil {
		body = string(o.RequestBody.Content[contentAPI].Example)
	}
	if o.method+" "+o.path == "DELETE deployments/:id" { // only one that is older than what may run
		b.object("deployment")
		d, err := b.Store.Deploy(b.t.Context(), record.Deployment{Group: b.object("group")})
		if err := b.Store.SetMinSupported(b.t.Context(), b.object("group"), made(b, d, err).ID); err != nil {
			b.t.Fatal(err)
		}
	}
	fill := func(text string) string {
		return examples.ReplaceAllStringFunc(text, func(m string) string { return b.object(m[1 : len(m)-1]) })
	}
	return b.do(o.method, fill(path), token, fill(body))
}

// levels are the kinds of places, from the highest.
var levels = []string{"account", "product", "devicegroup"}

// share tries an operation with a role that is given at a level.
func (b *bench) share(o *operation, role record.Role, level string) {
	b.t.Helper()
	g, err := b.Store.AddGrant(b.t.Context(), record.Grant{Member: b.member.ID, Place: b.place(level), Role: role})
	grant := made(b, g, err)
	defer func() {
		// It is gone when the call has deleted the place.
		if err := b.Store.DeleteGrant(b.t.Context(), grant.ID); err != nil && tandem.KindOf(err) != tandem.NotFound {
			b.t.Error(err)
		}
	}()
	holds := slices.Index(levels, level) <= slices.Index(levels, o.At)
	can := holds && role.Covers(record.Role(o.Needs))
	what := fmt.Sprintf("%s %s as %s of the %s", o.method, o.path, role, level)
	status, answer := b.call(o, b.joins)
	b.judge(o, what, can, holds || o.Glimpse, status, answer)
	if status < 300 && o.method != http.MethodGet {
		b.audited(o, what, b.member)
		b.clear()
	}
}

// listed is what a list has.
func (o *operation) listed() string {
	return map[string]string{
		"products": "product", "devicegroups": "group", "deployments": "deployment", "devices": "device",
		"webhooks": "webhook",
	}[o.path]
}

// judge compares an answer with the rule: what may not be seen does not exist.
func (b *bench) judge(o *operation, what string, can, sees bool, status int, answer string) {
	b.t.Helper()
	if o.List {
		if has := strings.Contains(answer, `"id":"`+b.object(o.listed())+`","links"`); status != 200 || has != can {
			b.t.Errorf("%s: %d, and the object is listed: %v, want %v\n%s", what, status, has, can, answer)
		}
		return
	}
	switch {
	case can || o.Glimpse && sees && o.method == http.MethodGet:
		if status >= 300 {
			b.t.Errorf("%s: %d %s", what, status, answer)
		}
	case sees:
		if status != 403 && !strings.Contains(answer, `"status":"403"`) || !strings.Contains(answer, "Invalid Permission") {
			b.t.Errorf("%s: %d %s, want 403", what, status, answer)
		}
	default:
		if status != 404 && !(status == 400 && strings.Contains(answer, `"status":"404"`)) {
			b.t.Errorf("%s: %d %s, want 404", what, status, answer)
		}
	}
}

// audited checks that the audit log has what an account has just done.
func (b *bench) audited(o *operation, what string, by store.Account) {
	b.t.Helper()
	if slices.Contains(unrecorded, o.method+" "+o.path) {
		return
	}
	list, _, err := b.Store.Audit(b.t.Context(), store.AuditFilter{}, store.Page{Limit: 1})
	if err != nil {
		b.t.Fatal(err)
	}
	action := o.method + " /" + o.path
	if len(list) == 0 || list[0].Actor != by.ID || list[0].Action != action || list[0].Source != "127.0.0.1" {
		b.t.Errorf("%s: the audit log has %+v", what, list)
		return
	}
	if list[0].Place.Owner == "" {
		b.t.Errorf("%s: the entry is nowhere: %+v", what, list[0])
	}
}

// TestPermissions is the permission table: every operation of the description, for every role at each
// kind of place that is shared, for the owner, a stranger, and without a token. A new route that has
// no rule in the description, or no example, fails.
func TestPermissions(t *testing.T) {
	b := newBench(t)
	tried := map[string]int{}
	operations := slices.Clone(theAPI(t).operations)
	slices.SortStableFunc(operations, func(a, b *operation) int { // first lists, of which only one page is read
		return cmp.Compare(strings.Index("GET", a.method), strings.Index("GET", b.method)) * -1
	})
	for _, o := range operations {
		name := o.method + " " + o.path
		b.clear()
		b.Logins = new(admit.Logins) // so that no call has to wait
		tried[o.Needs]++
		switch o.Needs {
		case needsNothing:
			b.names["stream"] = "none" // an open one would be read without an end
			if status, answer := b.call(o, ""); status == 401 && o.path != "auth" {
				t.Errorf("%s is open: %d %s", name, status, answer)
			}
			continue
		case needsAccount:
			b.ofAccount(o)
		case needsAdministrator:
			for _, token := range []string{b.owns, b.joins} {
				if status, answer := b.call(o, token); status != 403 || !strings.Contains(answer, "Invalid Permission") {
					t.Errorf("%s by others than administrators: %d %s", name, status, answer)
				}
			}
			if status, answer := b.call(o, b.token); status == 403 || status == 401 {
				t.Errorf("%s by an administrator: %d %s", name, status, answer)
			}
		default:
			b.ofPlace(o)
		}
		if status, answer := b.call(o, none); status != 401 {
			t.Errorf("%s without a token: %d %s", name, status, answer)
		}
	}
	for _, rule := range []string{
		needsNothing, needsAccount, needsAdministrator, viewer, operator, developer, admin,
	} {
		if tried[rule] == 0 {
			t.Errorf("no operation has the rule %s", rule)
		}
	}
}

// ofPlace tries an operation that asks for a role at a place.
func (b *bench) ofPlace(o *operation) {
	b.t.Helper()
	name := o.method + " " + o.path
	if !slices.Contains(record.Roles, record.Role(o.Needs)) || !slices.Contains(levels, o.At) {
		const msg = "%s has no rule: say in openapi.json, as x-tandem-at, at which of %q it needs the role %q"
		b.t.Errorf(msg, name, levels, o.Needs)
		return
	}
	status, answer := b.call(o, b.stranger)
	b.judge(o, name+" by a stranger", false, false, status, answer)
	for _, level := range levels {
		for _, role := range record.Roles {
			b.share(o, role, level)
		}
	}
	if o.method != http.MethodGet {
		b.clear()
	}
	status, answer = b.call(o, b.owns)
	b.judge(o, name+" by the owner", true, true, status, answer)
	if status < 300 && o.method != http.MethodGet {
		b.audited(o, name+" by the owner", b.owner)
	}
}

// ofAccount tries an operation on what is an account's own: what another owns does not exist.
func (b *bench) ofAccount(o *operation) {
	b.t.Helper()
	name := o.method + " " + o.path
	status, answer := b.call(o, b.stranger)
	switch {
	case len(o.examples) > 0 && status != 404:
		b.t.Errorf("%s of another account: %d %s", name, status, answer)
	case strings.Contains(answer, b.owner.ID):
		b.t.Errorf("%s shows another account: %s", name, answer)
	}
	if status, answer := b.call(o, b.owns); status == 401 || strings.Contains(answer, "Invalid Permission") {
		b.t.Errorf("%s of one's own: %d %s", name, status, answer)
	}
}
