package central

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/egress"
	"github.com/tandem-iot/tandem/store"
)

// ann makes an account beside the operator's, and returns a token of it.
func (w *world) ann() (token string) {
	w.t.Helper()
	a, err := w.AddAccount(w.t.Context(), "ann", "ann@example.com", "correct-horse")
	if err != nil {
		w.t.Fatal(err)
	}
	w.names["ann"] = a.ID
	status, body := w.do("POST", "/auth", "", `{"id":"ann","password":"correct-horse"}`)
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 {
		w.t.Fatalf("%d %s", status, body)
	}
	return out.Token
}

// someHash is that of a key or a certificate that is not in use.
var someHash = strings.Repeat("ab", 32)

// get returns the answer to a GET of the operator.
func (w *world) get(path string) string {
	w.t.Helper()
	status, body := w.do("GET", w.fill(path), w.token, "")
	if status != 200 {
		w.t.Fatalf("GET %s: %d %s", path, status, body)
	}
	return body
}

// TestForeignDevice: a device of another account cannot be drawn into a group, nor be enrolled again.
func TestForeignDevice(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	ann := w.ann()
	status, body := w.do("POST", "/devices", ann, `{"data":{"type":"device","attributes":{"name":"hers"}}}`)
	hers := regexp.MustCompile(`"id":"([0-9a-f]{16})"`).FindStringSubmatch(body)
	if status != 201 || hers == nil {
		t.Fatalf("%d %s", status, body)
	}
	claim := w.fill(`{"data":{"type":"claim","relationships":` + toDevice + `}}`)
	if status, body := w.do("POST", "/claims", ann, claim); status != 404 {
		t.Errorf("a code for a device of another account: %d %s", status, body)
	}
	provision := w.fill(`{"data":{"attributes":{"devices":[{"id":"` + hers[1] + `","key_hash":"` + someHash + `"}]},` +
		`"relationships":` + toGroup + `}}`)
	if status, body := w.do("POST", "/provision", w.token, provision); status != 409 {
		t.Errorf("a device of another account is provisioned: %d %s", status, body)
	}
	list := `{"data":[{"type":"device","id":"` + hers[1] + `"}]}`
	if status, body := w.do("POST", w.fill("/devicegroups/{group}/relationships/devices"), w.token, list); status != 400 ||
		!strings.Contains(body, `"status":"404"`) {
		t.Errorf("%d %s", status, body)
	}
}

// TestPasswords: guesses are slowed down, also beside the right password from elsewhere, and a
// new password ends what was logged in with the old one.
func TestPasswords(t *testing.T) {
	w := newWorld(t)
	w.setPassword("correct-horse")
	login := func(password string) (int, string) {
		return w.do("POST", "/auth", "", `{"id":"operator","password":"`+password+`"}`)
	}
	_, body := login("correct-horse")
	var out struct {
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || out.Refresh == "" {
		t.Fatal(body)
	}
	exchange := func() int {
		status, _ := w.do("POST", "/auth/token", "", `{"token":"`+out.Refresh+`"}`)
		return status
	}
	if status := exchange(); status != 200 {
		t.Errorf("a refresh token: %d", status)
	}
	slowed := false
	for range 10 {
		status, _ := login("wrong-horse")
		if status == 429 {
			slowed = true
		} else if status != 401 || slowed {
			t.Errorf("a wrong password: %d", status)
		}
	}
	if !slowed {
		t.Error("guesses are not slowed down")
	}
	if status, body := login("correct-horse"); status != 200 {
		t.Errorf("who has logged in before waits: %d %s", status, body)
	}
	w.password = ""
	if status, body := w.do("POST", "/accounts/me/login_keys", w.token, `{"data":{"type":"login_key"}}`); status != 403 ||
		!strings.Contains(body, "Invalid Password") {
		t.Errorf("a login key without the password: %d %s", status, body)
	}
	w.must("PATCH", "/accounts/me", `{"data":{"attributes":{"password":"other-horse"}}}`)
	if status := exchange(); status != 404 {
		t.Errorf("a refresh token from before the new password: %d", status)
	}
	if status, _ := w.do("GET", "/accounts/me", w.token, ""); status != 401 {
		t.Errorf("an access token from before the new password: %d", status)
	}
}

// TestHashes: a hash is of one password, has a salt, and says how it was made.
func TestHashes(t *testing.T) {
	w := newWorld(t)
	one, err := w.hashPassword(t.Context(), "correct-horse")
	if err != nil || !strings.HasPrefix(one, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(one, err)
	}
	two, err := w.hashPassword(t.Context(), "correct-horse")
	if err != nil || one == two {
		t.Error("two hashes of a password are the same", err)
	}
	for _, tt := range []struct {
		stored, password string
		want             bool
	}{
		{one, "correct-horse", true}, {two, "correct-horse", true}, {one, "Correct-horse", false}, {one, "", false},
		{"", "", false}, {"", "correct-horse", false}, {"$argon2id$v=19$m=19456,t=0,p=1$$", "", false},
		{one, strings.Repeat("x", longestPassword+1), false},
	} {
		if got, err := w.hasPassword(t.Context(), tt.stored, tt.password); got != tt.want || err != nil {
			t.Errorf("%q has %.20q: %v, %v", tt.stored, tt.password, got, err)
		}
	}
}

// TestLoginKeyLimit: the eleventh login key is refused in the words that clients know.
func TestLoginKeyLimit(t *testing.T) {
	w := newWorld(t)
	w.setPassword("correct-horse")
	for range store.LoginKeysPerAccount - 1 { // the node's tools have one
		w.must("POST", "/accounts/me/login_keys", `{"data":{"type":"login_key"}}`)
	}
	status, body := w.do("POST", "/accounts/me/login_keys", w.token, `{"data":{"type":"login_key"}}`)
	if status != 409 || !strings.Contains(body, `"title":"Account Limit Reached"`) {
		t.Errorf("%d %s", status, body)
	}
}

// TestRate: an account has so many requests in a second, and each answer says how many are left.
func TestRate(t *testing.T) {
	w := newWorld(t)
	w.Rate = 3
	over := 0
	for i := range 8 {
		r := w.open(t.Context(), "GET", "/accounts/me", w.token, "")
		r.Body.Close()
		h := r.Header
		if h.Get("X-RateLimit-Limit") != "3" || h.Get("X-RateLimit-Reset") != "1" || h.Get("X-RateLimit-Remaining") == "" {
			t.Errorf("request %d: %v", i, h)
		}
		if r.StatusCode == 429 {
			over++
			if h.Get("Retry-After") != "1" {
				t.Errorf("without Retry-After: %v", h)
			}
		}
	}
	if over == 0 { // they were made in more than two seconds, or nothing counts them
		t.Error("no request was refused")
	}
	if left := new(rates).take(time.Unix(1, 0), "a", 3); left != 2 {
		t.Errorf("%d are left", left)
	}
}

// TestRates: each account has its own seconds.
func TestRates(t *testing.T) {
	var r rates
	for i, tt := range []struct {
		second  int64
		account string
		left    int
	}{{1, "a", 1}, {1, "a", 0}, {1, "a", -1}, {1, "b", 1}, {2, "a", 1}, {2, "b", 1}, {2, "b", 0}, {2, "b", -1}} {
		if left := r.take(time.Unix(tt.second, 0), tt.account, 2); left != tt.left {
			t.Errorf("%d: %d are left, want %d", i, left, tt.left)
		}
	}
}

// TestTextStream: text is the default format of a stream, as other clients of impCentral read it.
func TestTextStream(t *testing.T) {
	w := newWorld(t)
	id := w.pair("", "")
	s := w.streamAfter(w.must("POST", "/logstream", `{"data":{"attributes":{"devices":["{device}"]}}}`).ID, "", 0)
	s.expect("opened")
	w.Log.Append(tandem.LogEntry{Device: id, Type: tandem.LogAgent, Msg: "one\ntwo"})
	want := regexp.MustCompile(`^` + string(id) + ` \d{4}-\d\d-\d\dT[0-9:.]+Z development agent\.log one$`)
	if got := s.next(); !want.MatchString(got) {
		t.Errorf("%q", got)
	}
	if got := s.next(); got != "two" {
		t.Errorf("the second line is %q", got)
	}
}

// TestSlowReader: lines wait for a reader, and those that it has not taken are not lost.
func TestSlowReader(t *testing.T) {
	s := &stream{closed: make(chan struct{}), events: newEvents()}
	const count = 5 * eventsKept
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range count {
			s.line(tandem.LogEntry{Msg: fmt.Sprint(i)})
		}
	}()
	for at := 0; at < count; {
		list := s.events.after(at)
		if len(list) == 0 {
			<-s.events.more
		}
		for _, e := range list {
			if e.number != at+1 || e.entry.Msg != fmt.Sprint(at) {
				t.Fatalf("event %d says %s after %d", e.number, e.entry.Msg, at)
			}
			at = e.number
		}
		s.events.mu.Lock()
		n := len(s.events.kept)
		s.events.mu.Unlock()
		if n > 2*eventsKept {
			t.Fatalf("%d events are kept", n)
		}
	}
	<-done
	if from := s.events.from("7"); from != 7 {
		t.Errorf("after event 7 comes %d", from)
	}
	if from := s.events.from("99999"); from != count {
		t.Errorf("after an event that never was comes %d", from)
	}
}

// received is what a receiver of webhooks has got.
type hookRequest struct {
	header http.Header
	body   string
}

// TestWebhooksFire: each event is delivered to the webhooks of its group that are for it, signed,
// and a receiver that fails gets it again.
func TestWebhooksFire(t *testing.T) {
	w := newWorld(t)
	got := make(chan hookRequest, 10)
	fail := make(chan bool, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- hookRequest{r.Header, string(body)}
		select {
		case <-fail:
			out.WriteHeader(http.StatusTeapot)
		default:
		}
	}))
	defer receiver.Close()
	w.fetcher.Store(&egress.Fetcher{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	w.pair("", "")
	group := `"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}`
	var hook struct {
		Data struct {
			ID         string
			Attributes struct{ Secret string }
		}
	}
	for _, content := range []string{contentForm, contentJSON} {
		_, body := w.do("POST", "/webhooks", w.token, w.fill(`{"data":{"type":"webhook","attributes":{"url":"`+receiver.URL+
			`","event":"deployment","content_type":"`+content+`"},`+group+`}}`))
		if err := json.Unmarshal([]byte(body), &hook); err != nil || hook.Data.Attributes.Secret == "" {
			t.Fatal(body)
		}
	}
	made := w.must("POST", "/deployments",
		`{"data":{"type":"deployment","attributes":{"agent_code":"","device_code":""},`+group+`}}`).ID
	for range 2 {
		r := <-got
		if r.header.Get("Content-Type") == contentForm {
			form, err := url.ParseQuery(r.body)
			if err != nil || form.Get("deployment_id") != made || form.Get("event") != "deployment" {
				t.Errorf("%s, %v", r.body, err)
			}
			continue
		}
		var what map[string]string
		if err := json.Unmarshal([]byte(r.body), &what); err != nil || what["deployment_id"] != made {
			t.Errorf("%s, %v", r.body, err)
		}
		at, sum, _ := strings.Cut(strings.TrimPrefix(r.header.Get("X-Tandem-Signature"), "t="), ",v1=")
		if sum != signHook(hook.Data.Attributes.Secret, at, []byte(r.body)) || sum == "" {
			t.Errorf("signed %s", r.header)
		}
	}
	w.hookFails(hook.Data.ID, func() { fail <- true; fail <- true }, got)
}

// hookFails makes a deployment of which the receiver refuses the deliveries, and reads why.
func (w *world) hookFails(hook string, refuse func(), got chan hookRequest) {
	t := w.t
	t.Helper()
	refuse()
	w.must("POST", "/deployments", `{"data":{"type":"deployment","attributes":{"agent_code":"","device_code":""},`+
		`"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`)
	<-got
	<-got
	deadline := time.Now().Add(patience)
	for {
		body := w.get("/webhooks/" + hook + "/deliveries")
		if strings.Contains(body, "the server answered 418 I'm a teapot") && strings.Contains(body, `"state":"waiting"`) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(body)
		}
		<-time.After(time.Millisecond)
	}
}

// TestWebhookReach: webhooks reach no more than agents do, and a delivery that never succeeds
// is dead in the end, with its reason.
func TestWebhookReach(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	hook := w.must("POST", "/webhooks", `{"data":{"type":"webhook","attributes":{"url":"http://127.0.0.1:1/",`+
		`"event":"blinkup","content_type":"application/json"},"relationships":{"devicegroup":{"type":"devicegroup","id":"{group}"}}}}`)
	h, err := w.Store.Webhook(t.Context(), hook.ID)
	if err != nil {
		t.Fatal(err)
	}
	reason := w.attemptHook(t.Context(), h, store.Delivery{ID: "x", Body: "{}"})
	if !strings.Contains(reason, "no answer: ") || len(reason) < 20 {
		t.Errorf("reason %q", reason)
	}
	if _, err := w.Store.Deliver(t.Context(), w.names["group"], "blinkup", "{}"); err != nil {
		t.Fatal(err)
	}
	for {
		list, _, err := w.Store.Deliveries(t.Context(), hook.ID, store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 1 && list[0].Attempts > 0 && list[0].Reason != "" {
			d := list[0]
			d.Attempts = len(hookRetries) + 1
			w.deliver(t.Context(), d)
			break
		}
		<-time.After(time.Millisecond)
	}
	if body := w.get("/webhooks/" + hook.ID + "/deliveries"); !strings.Contains(body, `"state":"dead"`) ||
		!strings.Contains(body, `"reason":"no answer: `) || !strings.Contains(body, `"next_attempt_at":null`) {
		t.Error(body)
	}
}

// TestPagesByNumber: a client that counts through the pages of a list sees each object once,
// and what was deleted meanwhile makes it miss none.
func TestPagesByNumber(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		w.must("POST", "/products", fmt.Sprintf(`{"data":{"type":"product","attributes":{"name":"p%d"}}}`, i))
	}
	var seen []string
	var first string
	for number := 1; number <= 4; number++ {
		body := w.get(fmt.Sprintf("/products?page[number]=%d&page[size]=3", number))
		seen = append(seen, regexp.MustCompile(`"name":"p\d+"`).FindAllString(body, -1)...)
		if strings.Contains(body, `"next":`) != (number < 4) {
			t.Errorf("page %d: %s", number, body)
		}
		if number == 1 {
			first = regexp.MustCompile(`"id":"([^"]*)"`).FindStringSubmatch(body)[1]
			w.must("DELETE", "/products/"+first, "")
		}
	}
	if got := strings.Join(seen, " "); got != `"name":"p0" "name":"p1" "name":"p2" "name":"p3" "name":"p4" "name":"p5" `+
		`"name":"p6" "name":"p7" "name":"p8" "name":"p9" "name":"p10" "name":"p11"` {
		t.Errorf("%s", got)
	}
}
