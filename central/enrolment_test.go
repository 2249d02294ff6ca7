package central

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/admit"
	"github.com/tandem-iot/tandem/device/enrol"
	"github.com/tandem-iot/tandem/gateway"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// shows has a client show something.
func (w *world) shows(l gateway.Login) error {
	w.t.Helper()
	_, err := w.Authenticate(w.t.Context(), l)
	return err
}

// claimCode makes a claim code for {group}.
func (w *world) claimCode(to string) enrol.Code {
	w.t.Helper()
	status, body := w.do("POST", "/claims", w.token, w.fill(`{"data":{"relationships":`+to+`}}`))
	var out struct {
		Data []struct{ Attributes struct{ Code, Ticket string } }
	}
	if err := json.Unmarshal([]byte(body), &out); status != 201 || err != nil || len(out.Data) != 1 {
		w.t.Fatalf("%d %s", status, body)
	}
	code, err := enrol.ParseCode(out.Data[0].Attributes.Code)
	if err != nil {
		w.t.Fatal(err)
	}
	if want := (enrol.Ticket{Code: code, Server: w.url}).String(); out.Data[0].Attributes.Ticket != want {
		w.t.Errorf("the ticket is %s, want %s", out.Data[0].Attributes.Ticket, want)
	}
	return code
}

const (
	toGroup  = `{"devicegroup":{"type":"devicegroup","id":"{group}"}}`
	toDevice = `{"device":{"type":"device","id":"{device}"}}`
)

// TestEnrolment enrols a device, loses its directory, revokes it, and enrols it again.
func TestEnrolment(t *testing.T) {
	w := newWorld(t)
	w.pair(noisy, "")
	code := w.claimCode(toGroup)
	e := &enrol.Enrolment{Dir: t.TempDir(), Server: w.url, Certificate: true}
	who, err := e.Run(t.Context(), code.String())
	if err != nil {
		t.Fatal(err)
	}
	w.names["device"] = string(who.Device)
	if err := w.shows(gateway.Login{Device: who.Device, Key: who.Keys[0]}); err != nil {
		t.Error(err)
	}
	x := parsed(t, who.Certificate)
	if err := w.shows(gateway.Login{Device: who.Device, Certificate: x}); err != nil {
		t.Error(err)
	}
	restart := func() { w.must("POST", "/devices/{device}/restart?side=agent", "") }
	w.lines(who.Device, "Agent restarted: restart.", 1, restart)
	thief := &enrol.Enrolment{Dir: t.TempDir(), Server: w.url}
	if _, err := thief.Run(t.Context(), code.String()); tandem.KindOf(err) != tandem.Conflict {
		t.Errorf("a used code: %v", err)
	}
	if _, err := e.Run(t.Context(), string(w.claimCode(toGroup))); tandem.KindOf(err) != tandem.Conflict ||
		!strings.Contains(err.Error(), "not for device "+string(who.Device)) {
		t.Errorf("a code for a new device in the directory of another: %v", err)
	}

	w.must("POST", "/devices/{device}/revoke", "")
	for what, l := range map[string]gateway.Login{
		"the key":         {Device: who.Device, Key: who.Keys[0]},
		"the certificate": {Device: who.Device, Certificate: x},
	} {
		if err := w.shows(l); tandem.KindOf(err) != tandem.Forbidden || !strings.Contains(err.Error(), "revoked") {
			t.Errorf("%s of a revoked device: %v", what, err)
		}
	}
	if err := w.shows(gateway.Login{Device: who.Device, Key: "guessed"}); tandem.KindOf(err) != tandem.Unauthorized {
		t.Errorf("a guess at a revoked device's key: %v", err)
	}
	for _, dir := range []string{e.Dir, t.TempDir()} { // its directory, and one after the old one was lost
		again := &enrol.Enrolment{Dir: dir, Server: w.url}
		now, err := again.Run(t.Context(), string(w.claimCode(toDevice)))
		if err != nil || now.Device != who.Device || now.Keys[0] == who.Keys[0] {
			t.Fatalf("%+v, %v", now, err)
		}
		login := gateway.Login{Device: who.Device, Key: now.Keys[0]}
		if now.Certificate != "" { // a device shows all that it has
			login.Certificate = parsed(t, now.Certificate)
		}
		if err := w.shows(login); err != nil || (login.Certificate != nil) != (dir == e.Dir) {
			t.Errorf("enrolled once more: %v", err)
		}
		if err := w.shows(gateway.Login{Device: who.Device, Key: who.Keys[0]}); tandem.KindOf(err) != tandem.Unauthorized {
			t.Errorf("the key of before: %v", err)
		}
	}
}

// TestEnrolmentRace: of many devices with one code, one gets an identity, however often each asks.
func TestEnrolmentRace(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	code := w.claimCode(toGroup)
	var racing sync.WaitGroup
	won := make([]tandem.DeviceID, 10)
	for i := range won {
		racing.Go(func() {
			e := &enrol.Enrolment{Dir: t.TempDir(), Server: w.url}
			for range 3 {
				who, err := e.Run(t.Context(), string(code))
				switch {
				case err == nil && won[i] != "" && who.Device != won[i]:
					t.Errorf("%s is %s, too", won[i], who.Device)
				case err == nil:
					won[i] = who.Device
				case tandem.KindOf(err) != tandem.Conflict:
					t.Error(err)
				}
			}
		})
	}
	racing.Wait()
	if won = slices.DeleteFunc(won, func(id tandem.DeviceID) bool { return id == "" }); len(won) != 1 {
		t.Errorf("%v have won", won)
	}
}

// TestGuessedCodes: who guesses claim codes is slowed down, and the owner of a code elsewhere is not.
func TestGuessedCodes(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	code := w.claimCode(toGroup)
	w.Logins = new(admit.Logins)
	to := w.serve()
	post := func(ip string, c enrol.Code) int {
		body := `{"code":"` + string(c) + `","key_hash":"` + hex.EncodeToString(record.Hash("k")) + `"}`
		status, _, _ := w.answer(w.send(to, ip, "POST /v5/enrol HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: "+
			big.NewInt(int64(len(body))).String()+"\r\n\r\n"+body))
		return status
	}
	began := time.Now()
	tried, slowed := 0, 0
	for range 100 {
		switch status := post("127.0.0.2", enrol.NewCode()); status {
		case http.StatusNotFound:
			tried++
		case http.StatusTooManyRequests:
			slowed++
		default:
			t.Fatal(status)
		}
	}
	// 60 at once, and another each second.
	if most := 62 + int(time.Since(began).Seconds()); tried > most || tried+slowed != 100 {
		t.Errorf("%d codes were tried, more than %d; %d were slowed", tried, most, slowed)
	}
	late := false // for a wait that has just ended
	for range 20 {
		for post("127.0.0.2", enrol.NewCode()) != http.StatusTooManyRequests {
			continue
		}
		if late = post("127.0.0.2", code) == http.StatusTooManyRequests; late {
			break
		}
	}
	if !late {
		t.Error("a code that is guessed among others is not slowed")
	}
	if status := post("127.0.0.3", code); status != http.StatusOK {
		t.Errorf("the owner of the code: %d", status)
	}
}

func parsed(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("%q is no certificate", text)
	}
	x, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// foreign is an authority of the operator.
type foreign struct {
	t   *testing.T
	key *ecdsa.PrivateKey
	ca  *x509.Certificate
}

func newForeign(t *testing.T) *foreign {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &foreign{t: t, key: key}
	f.ca = f.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "ours"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return f
}

// sign signs a certificate, by itself when there is none yet.
func (f *foreign) sign(c *x509.Certificate) *x509.Certificate {
	f.t.Helper()
	c.SerialNumber = serial()
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-time.Minute)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	parent := f.ca
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &f.key.PublicKey, f.key)
	if err != nil {
		f.t.Fatal(err)
	}
	x, err := x509.ParseCertificate(der)
	if err != nil {
		f.t.Fatal(err)
	}
	return x
}

func (f *foreign) named(name string) *x509.Certificate {
	return f.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}})
}

// issued returns a certificate of the installation.
func (w *world) issued(id tandem.DeviceID) *x509.Certificate {
	w.t.Helper()
	_, csr, err := enrol.NewPrivateKey()
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := w.issueCertificate(w.t.Context(), id, csr)
	if err != nil {
		w.t.Fatal(err)
	}
	return parsed(w.t, text)
}

// fine is the kind of the error of a good login, which has none.
const fine tandem.Kind = 255

// TestCertificates judges certificates of all kinds. Their issuers were verified by the listener.
func TestCertificates(t *testing.T) {
	w := newWorld(t)
	a := w.must("POST", "/devices", `{"data":{"type":"device","attributes":{"name":"a"}}}`)
	b := w.must("POST", "/devices", `{"data":{"type":"device","attributes":{"name":"b"}}}`)
	idA, idB := tandem.DeviceID(a.ID), tandem.DeviceID(b.ID)
	f := newForeign(t)
	good := f.named(a.ID)
	pinned := f.named("serial number 17")
	pin := record.Certificate{ID: (gateway.Login{Certificate: pinned}).Fingerprint(), Device: idA}
	if err := w.Store.AddCertificates(t.Context(), []record.Certificate{pin}); err != nil {
		t.Fatal(err)
	}
	ours := w.issued(idA)
	authority, err := w.authority(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unrecorded := (&foreign{t: t, ca: authority.certificate, key: authority.key.(*ecdsa.PrivateKey)}).named(a.ID)
	for _, tt := range []struct {
		what  string
		login gateway.Login
		kind  tandem.Kind
		says  string
	}{
		{"the common name", gateway.Login{Device: idA, Certificate: good}, fine, ""},
		{"the common name, seen before", gateway.Login{Device: idA, Certificate: good}, fine, ""},
		{"in upper case", gateway.Login{Device: idA, Certificate: f.named(strings.ToUpper(a.ID))}, fine, ""},
		{"a DNS name", gateway.Login{Device: idA, Certificate: f.sign(&x509.Certificate{DNSNames: []string{"x", a.ID}})}, fine, ""},
		{"a fingerprint", gateway.Login{Device: idA, Certificate: pinned}, fine, ""},
		{"of the installation", gateway.Login{Device: idA, Certificate: ours}, fine, ""},
		{"of no device, with the key", gateway.Login{Device: idA, Certificate: f.named("gateway 3"), Key: a.Attributes.Key}, fine, ""},
		{"a wrong key beside it", gateway.Login{Device: idA, Certificate: good, Key: "wrong"}, fine, ""},
		{"another device's", gateway.Login{Device: idB, Certificate: good}, tandem.Forbidden, "is that of device " + a.ID},
		{"another device's, with the key", gateway.Login{Device: idB, Certificate: good, Key: b.Attributes.Key}, tandem.Forbidden, "is that of device"},
		{"another device's, unseen", gateway.Login{Device: idB, Certificate: f.named(a.ID)}, tandem.Forbidden, "is that of device"},
		{"another device's fingerprint", gateway.Login{Device: idB, Certificate: pinned}, tandem.Forbidden, "is that of device"},
		{"another device's, of the installation", gateway.Login{Device: idB, Certificate: ours}, tandem.Forbidden, "is that of device"},
		{"of no device", gateway.Login{Device: idA, Certificate: f.named("gateway 4")}, tandem.Unauthorized, "no device"},
		{"of the installation, and unknown", gateway.Login{Device: idA, Certificate: unrecorded}, tandem.Forbidden, "deleted"},
		{"expired", gateway.Login{Device: idA, Certificate: f.sign(&x509.Certificate{Subject: pkix.Name{CommonName: a.ID}, NotAfter: time.Now().Add(-time.Second)})}, tandem.Forbidden, "expired at"},
		{"of a device that is not there", gateway.Login{Device: noDevice, Certificate: f.named(noDevice)}, tandem.Unauthorized, "no device"},
		{"nothing", gateway.Login{Device: idA}, tandem.Unauthorized, "no device"},
	} {
		err := w.shows(tt.login)
		good := err == nil
		if good != (tt.kind == fine) || !good && (tandem.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
	long := pkix.Name{CommonName: a.ID, Organization: []string{strings.Repeat("ü", 50_000)}}
	huge := f.sign(&x509.Certificate{Subject: long})
	if err := w.shows(gateway.Login{Device: idA, Certificate: huge}); err != nil {
		t.Error(err)
	}
	list, err := w.Store.Certificates(t.Context(), idA)
	if err != nil || len(list) != 6 {
		t.Errorf("%d certificates are known, %v", len(list), err)
	}
	for _, c := range list {
		if len(c.Subject) > longestSubject {
			t.Errorf("a subject of %d bytes is kept", len(c.Subject))
		}
	}
}

// TestCertificatesEnd: a certificate that was revoked, or whose device was, is worthless.
func TestCertificatesEnd(t *testing.T) {
	w := newWorld(t)
	a := w.must("POST", "/devices", `{"data":{"type":"device","attributes":{"name":"a"}}}`)
	idA := tandem.DeviceID(a.ID)
	f := newForeign(t)
	good, pinned := f.named(a.ID), f.sign(&x509.Certificate{DNSNames: []string{a.ID}})
	for _, x := range []*x509.Certificate{good, pinned} {
		if err := w.shows(gateway.Login{Device: idA, Certificate: x}); err != nil {
			t.Fatal(err)
		}
	}
	w.names["device"] = a.ID
	w.must("DELETE", "/devices/{device}/certificates/"+(gateway.Login{Certificate: good}).Fingerprint(), "")
	if err := w.shows(gateway.Login{Device: idA, Certificate: good}); tandem.KindOf(err) != tandem.Forbidden {
		t.Errorf("a certificate that was revoked: %v", err)
	}
	if err := w.shows(gateway.Login{Device: idA, Certificate: pinned}); err != nil {
		t.Errorf("another of the device: %v", err)
	}
	before := f.named(a.ID) // never shown
	w.must("POST", "/devices/{device}/revoke", "")
	if _, err := w.Store.RotateKey(t.Context(), idA, record.Hash("new"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := w.shows(gateway.Login{Device: idA, Certificate: before}); tandem.KindOf(err) != tandem.Forbidden {
		t.Errorf("a certificate from before the revocation: %v", err)
	}
	after := f.sign(&x509.Certificate{Subject: pkix.Name{CommonName: a.ID}, NotBefore: time.Now().Add(2 * time.Second)})
	if err := w.shows(gateway.Login{Device: idA, Certificate: after}); err != nil {
		t.Errorf("a certificate from after the revocation: %v", err)
	}
	w.must("DELETE", "/devices/{device}", "")
	for what, x := range map[string]*x509.Certificate{"seen": pinned, "unseen": f.named(a.ID)} {
		if err := w.shows(gateway.Login{Device: idA, Certificate: x}); tandem.KindOf(err) != tandem.Unauthorized {
			t.Errorf("%s, of a device that was deleted: %v", what, err)
		}
	}
}

// TestDeviceAuth: what devices must show.
func TestDeviceAuth(t *testing.T) {
	w := newWorld(t)
	d := w.must("POST", "/devices", `{"data":{"type":"device","attributes":{"name":"a"}}}`)
	id := tandem.DeviceID(d.ID)
	x := newForeign(t).named(d.ID)
	key, certificate := gateway.Login{Device: id, Key: d.Attributes.Key}, gateway.Login{Device: id, Certificate: x}
	both := gateway.Login{Device: id, Key: d.Attributes.Key, Certificate: x}
	for auth, want := range map[DeviceAuth][3]bool{
		"": {true, true, true}, AnyAuth: {true, true, true}, KeyAuth: {true, false, true},
		CertificateAuth: {false, true, true}, BothAuth: {false, false, true},
	} {
		w.DeviceAuth = auth
		for i, l := range []gateway.Login{key, certificate, both} {
			err := w.shows(l)
			if (err == nil) != want[i] || err != nil && !strings.Contains(err.Error(), "--device-auth") {
				t.Errorf("%q, login %d: %v", auth, i, err)
			}
		}
		if err := w.shows(gateway.Login{Device: id, Key: "wrong"}); tandem.KindOf(err) != tandem.Unauthorized {
			t.Errorf("%q, a wrong key: %v", auth, err)
		}
	}
}

// TestRequests: what is no request for a certificate of a usual key is refused.
func TestRequests(t *testing.T) {
	w := newWorld(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, small)
	if err != nil {
		t.Fatal(err)
	}
	_, good, err := enrol.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	forged := slices.Clone(good)
	forged[len(forged)-1] ^= 1
	for what, csr := range map[string][]byte{"none": nil, "noise": []byte("noise"), "weak": weak, "forged": forged} {
		if _, err := w.issueCertificate(t.Context(), noDevice, csr); tandem.KindOf(err) != tandem.Invalid {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestNamesOfEnrolled: a device that enrols or is provisioned has a name like any other.
func TestNamesOfEnrolled(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	for _, name := range []string{strings.Repeat("n", longestName+1), `a\u0000b`, `a\nb`, " "} {
		for path, body := range map[string]string{
			"/claims":    `{"data":{"attributes":{"name":"` + name + `"},"relationships":` + toGroup + `}}`,
			"/devices":   `{"data":{"attributes":{"name":"` + name + `"},"relationships":` + toGroup + `}}`,
			"/provision": `{"data":{"attributes":{"devices":[{"id":"` + noDevice + `","key_hash":"` + someHash + `","name":"` + name + `"}]},"relationships":` + toGroup + `}}`,
		} {
			if status, answer := w.do("POST", path, w.token, w.fill(body)); status != http.StatusBadRequest {
				t.Errorf("%s: %q: %d %s", path, name, status, answer)
			}
		}
	}
}

// TestProvisionAll: a thousand devices are made at once, within seconds, and once.
func TestProvisionAll(t *testing.T) {
	w := newWorld(t)
	w.pair("", "")
	var list []map[string]string
	for i := range MaxProvision {
		list = append(list, map[string]string{
			"id": string(tandem.NewDeviceID()), "key_hash": hex.EncodeToString(record.Hash(string(rune(i)))),
		})
	}
	devices, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for range 2 {
		w.must("POST", "/provision", `{"data":{"attributes":{"devices":`+string(devices)+`},"relationships":`+toGroup+`}}`)
	}
	t.Logf("a thousand devices with agents, twice, took %v", time.Since(began))
	all, _, err := w.Store.Devices(t.Context(), store.DeviceFilter{Owner: w.operatorID()}, store.Page{})
	if err != nil || len(all) != MaxProvision+1 {
		t.Errorf("%d devices, %v", len(all), err)
	}
}
