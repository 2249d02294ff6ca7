package enrol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/identity"
)

func TestCode(t *testing.T) {
	for range 200 {
		c := NewCode()
		text := c.String()
		for _, typed := range []string{text, strings.ToLower(text), " " + strings.ReplaceAll(text, "-", "") + "\n",
			strings.NewReplacer("0", "o", "1", "l").Replace(text)} {
			if got, err := ParseCode(typed); err != nil || got != c {
				t.Fatalf("%q is read as %q, %v", typed, got, err)
			}
		}
		for i := range codeLength { // each wrong character, and each two that are swapped, are noticed
			for _, r := range alphabet {
				if wrong := string(c[:i]) + string(r) + string(c[i+1:]); wrong != string(c) {
					if _, err := ParseCode(wrong); err == nil {
						t.Fatalf("%q is taken for %q", wrong, c)
					}
				}
			}
			if i > 0 && c[i] != c[i-1] {
				swapped := string(c[:i-1]) + string(c[i]) + string(c[i-1]) + string(c[i+1:])
				if _, err := ParseCode(swapped); err == nil {
					t.Fatalf("%q is taken for %q", swapped, c)
				}
			}
		}
	}
	for _, bad := range []string{"", "-", "7K3M", "7K3M-Q0D4-X9T", "7K3M-Q0D4-X9TW-0", "7K3M-Q0D4-X9U0", "7K3M-Q0D4-X9T½",
		strings.Repeat("0", 1<<20)} {
		if c, err := ParseCode(bad); tandem.KindOf(err) != tandem.Invalid {
			t.Errorf("%.40q is the code %q, %v", bad, c, err)
		}
	}
}

func TestTicket(t *testing.T) {
	code := NewCode()
	for _, want := range []Ticket{
		{Code: code},
		{Code: code, Server: "https://node.example.com:8443/sub"},
		{Device: "0123456789abcdef", Key: tandem.NewKey(), Server: "http://127.0.0.1:7880"},
		{Device: "0123456789abcdef", Key: "a:b-c/d.0123456789"},
	} {
		if got, err := ParseTicket(want.String()); err != nil || got != want {
			t.Errorf("%s is read as %+v, %v", want, got, err)
		}
	}
	for _, bad := range []string{
		"tandem:", "tandem:" + string(code) + "@ftp://x", "tandem:0123456789abcdef:short", "tandem:x:y@z",
		"tandem:0123456789abcdef:with a blank in it@http://h",
	} {
		if got, err := ParseTicket(bad); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}

func FuzzTicket(f *testing.F) {
	f.Add("7K3M-Q0D4-X9TW")
	f.Add("tandem:7K3M-Q0D4-X9TW@https://node.example.com")
	f.Add("tandem:3dce1a4f9c27ab06:58f4ee2cf69ff8b2a8e2dd5d0dfde4a9@https://node.example.com/x")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseTicket(text)
		if err != nil {
			return
		}
		if again, err := ParseTicket(got.String()); err != nil || again != got {
			t.Errorf("%q is %+v, and its text %q is %+v, %v", text, got, got, again, err)
		}
	})
}

// office is a node that knows some codes.
type office struct {
	*httptest.Server
	mu      sync.Mutex
	codes   map[string]string // key hash by code; "": unused
	devices map[string]tandem.DeviceID
	before  func(w http.ResponseWriter, answer string) bool // reports whether the answer is given
}

func newOffice(t *testing.T, codes ...Code) *office {
	o := &office{codes: map[string]string{}, devices: map[string]tandem.DeviceID{}}
	for _, c := range codes {
		o.codes[string(c)] = ""
	}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

// answer has the next requests answered in another way; nil: as usual.
func (o *office) answer(before func(http.ResponseWriter, string) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.before = before
}

// user returns the hash of the key of the device that has used a code.
func (o *office) user(c Code) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.codes[string(c)]
}

// made returns the device that has used a code, and how many there are.
func (o *office) made(c Code) (tandem.DeviceID, int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.devices[o.codes[string(c)]], len(o.devices)
}

func (o *office) revoke(c Code) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.codes, string(c))
}

func (o *office) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var in Request
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		panic(err)
	}
	used, known := o.codes[in.Code]
	if !known || used != "" && used != in.KeyHash {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"errors":[{"detail":"another device has used this claim code"}]}`)
		return
	}
	o.codes[in.Code] = in.KeyHash
	if o.devices[in.KeyHash] == "" {
		o.devices[in.KeyHash] = tandem.NewDeviceID()
	}
	answer := fmt.Sprintf(`{"device":%q}`, o.devices[in.KeyHash])
	if o.before == nil || o.before(w, answer) {
		fmt.Fprint(w, answer)
	}
}

// copyDir copies the identity's files, as a power cut leaves them.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range identity.Files {
		data, err := os.ReadFile(filepath.Join(from, name))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestPowerCuts cuts the power after the node has used the code, before its answer is kept, and
// between the writes of the two files: the same code gives the same identity.
func TestPowerCuts(t *testing.T) {
	code := NewCode()
	o := newOffice(t, code)
	dir := t.TempDir()
	var cuts []string
	o.answer(func(http.ResponseWriter, string) bool { cuts = append(cuts, copyDir(t, dir)); return true })
	e := &Enrolment{Dir: dir, Server: o.URL}
	want, err := e.Run(t.Context(), string(code))
	if err != nil || !want.Device.Valid() || len(want.Keys) != 1 || want.Server != link(o.URL) {
		t.Fatalf("%+v, %v", want, err)
	}
	o.answer(nil)
	half := copyDir(t, cuts[0]) // the first file is new, the second is not
	name := identity.Files[0]
	if err := os.Rename(filepath.Join(copyDir(t, dir), name), filepath.Join(half, name)); err != nil {
		t.Fatal(err)
	}
	for what, at := range map[string]string{
		"before the answer was kept": cuts[0], "between the files": half, "afterwards": dir,
	} {
		for _, text := range []string{string(code), ""} { // the device is started with the code, or without
			again := &Enrolment{Dir: copyDir(t, at), Server: o.URL}
			got, err := again.Run(t.Context(), text)
			if err != nil || got.Device != want.Device || got.Keys[0] != want.Keys[0] {
				t.Errorf("cut %s, code %q: %+v, %v", what, text, got, err)
			}
		}
	}
	thief := &Enrolment{Dir: t.TempDir(), Server: o.URL}
	if _, err := thief.Run(t.Context(), string(code)); tandem.KindOf(err) != tandem.Conflict {
		t.Errorf("another device with the code: %v", err)
	}
}

// TestLostAnswers: an answer that is lost or cut off, at any byte, is got again.
func TestLostAnswers(t *testing.T) {
	code := NewCode()
	o := newOffice(t, code)
	e := &Enrolment{Dir: t.TempDir(), Server: o.URL}
	for left := -1; left < 20; left++ { // bytes of the answer; -1: the connection ends
		o.answer(func(w http.ResponseWriter, answer string) bool {
			w.Header().Set("Content-Length", fmt.Sprint(len(answer)))
			fmt.Fprint(w, answer[:max(left, 0)])
			panic(http.ErrAbortHandler)
		})
		if _, err := e.Run(t.Context(), string(code)); err == nil {
			t.Fatalf("%d bytes are an answer", left)
		} else if _, ok := Temporary(err); !ok {
			t.Fatalf("%d bytes: %v", left, err)
		}
	}
	o.answer(nil)
	who, err := e.Run(t.Context(), "")
	if device, count := o.made(code); err != nil || count != 1 || who.Device != device {
		t.Errorf("%+v, %v", who, err)
	}
}

// TestAnotherCode: an enrolment that was interrupted is completed before another code is used.
func TestAnotherCode(t *testing.T) {
	first, second := NewCode(), NewCode()
	o := newOffice(t, first, second)
	o.answer(func(http.ResponseWriter, string) bool { panic(http.ErrAbortHandler) })
	e := &Enrolment{Dir: t.TempDir(), Server: o.URL}
	if _, err := e.Run(t.Context(), string(first)); err == nil {
		t.Fatal("an answer that was lost is one")
	}
	o.answer(nil)
	if _, err := e.Run(t.Context(), string(second)); err != nil || o.user(second) != "" {
		t.Errorf("the second code is used: %v", err)
	}
	o.revoke(first)
	e = &Enrolment{Dir: t.TempDir(), Server: o.URL}
	if _, err := e.Run(t.Context(), string(first)); err == nil {
		t.Fatal("a code that is gone is taken")
	}
	if _, err := e.Run(t.Context(), string(second)); err != nil || o.user(second) == "" {
		t.Errorf("the second code is not used: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		status int
		header string
		wait   time.Duration
		again  bool
	}{
		{404, "", 0, false},
		{403, "", 0, false},
		{409, "", 0, false},
		{429, "7", 7 * time.Second, true},
		{503, "", 0, true},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", tt.header)
			w.WriteHeader(tt.status)
			fmt.Fprint(w, `{"errors":[{"detail":"because"}]}`)
		}))
		e := &Enrolment{Dir: t.TempDir(), Server: s.URL}
		_, err := e.Run(t.Context(), string(NewCode()))
		if wait, again := Temporary(err); err == nil || err.Error() != "because" || again != tt.again || wait != tt.wait {
			t.Errorf("%d: %v, %v, %v", tt.status, err, wait, again)
		}
		s.Close()
	}
}

func TestFactoryTicket(t *testing.T) {
	dir := t.TempDir()
	ticket := Ticket{Device: "0123456789abcdef", Key: tandem.NewKey(), Server: "https://node.example.com"}
	for range 2 {
		who, err := (&Enrolment{Dir: dir}).Run(context.Background(), ticket.String())
		if err != nil || who.Device != ticket.Device || who.Keys[0] != ticket.Key || who.Generation != 1 ||
			who.Server != "wss://node.example.com/mqtt" {
			t.Errorf("%+v, %v", who, err)
		}
	}
	ticket.Device = "fedcba9876543210"
	if _, err := (&Enrolment{Dir: dir}).Run(context.Background(), ticket.String()); tandem.KindOf(err) != tandem.Conflict {
		t.Errorf("another device in the same directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, identity.Files[0]), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if who, err := Load(dir); err != nil || who.Device != "0123456789abcdef" {
		t.Errorf("with a damaged file: %+v, %v", who, err)
	}
	if _, err := (&Enrolment{Dir: dir}).Run(context.Background(), ""); err != nil {
		t.Error(err)
	}
	if _, bad, err := read(dir); err != nil || len(bad) != 0 {
		t.Errorf("the damage is not mended: %v, %v", bad, err)
	}
}

// TestInsist: a device that starts before the node, or guesses too fast, goes on.
func TestInsist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		client := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			tries++
			w := httptest.NewRecorder()
			switch tries {
			case 1:
				return nil, errors.New("no such host")
			case 2:
				w.Header().Set("Retry-After", "100")
				w.WriteHeader(http.StatusTooManyRequests)
			case 3:
				fmt.Fprint(w, `{"device":"0123456789abcdef"}`)
			}
			return w.Result(), nil
		})}
		e := &Enrolment{Dir: t.TempDir(), Server: "http://node", HTTP: client}
		began := time.Now()
		said := 0
		who, err := e.Insist(t.Context(), NewCode().String(), func(error, time.Duration) { said++ })
		if took := time.Since(began); err != nil || who.Device == "" || said != 2 || took != 101*time.Second {
			t.Errorf("%+v, %v after %v, said %d", who, err, took, said)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
