// Package enrol gives a device its identity: by a claim code, which it exchanges at a node, or
// from a factory's ticket. The identity is kept in the device's directory, from which a
// runner.Runner takes it.
//
//	e := &enrol.Enrolment{Dir: dir}
//	who, err := e.Run(ctx, "tandem:7K3M-Q0D4-X9TW@https://node.example.com")
//
// # What cannot be lost
//
// The device makes its key itself, and the node gets to know only its hash. The key is on the
// device's disk, with the code, before the node is asked. So at each moment either the code is
// unused, or the device has the key of the identity that the code has become: after a power cut
// or a lost answer, the same call again asks the node again with the same key, and gets the same
// identity. The code is of no use to another device, whose key has another hash.
//
// The package needs the standard library and little of ours.
package enrol

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/identity"
)

// Request is what a device sends to /v5/enrol, as JSON.
type Request struct {
	Code    string          `json:"code"`
	KeyHash string          `json:"key_hash"`         // SHA-256 of the device's key in hexadecimal
	Device  tandem.DeviceID `json:"device,omitempty"` // whose directory it is; "": a new device
	// CSR asks for a certificate: a PKCS #10 request in DER. Its names are ignored.
	CSR []byte `json:"csr,omitempty"`
}

// Answer is the answer to a Request.
type Answer struct {
	Device      tandem.DeviceID `json:"device"`
	AgentURL    string          `json:"agent_url"`
	Certificate string          `json:"certificate,omitempty"` // PEM
}

// Enrolment is how a device enrols. The zero value but for Dir is good for tickets that name
// their server.
type Enrolment struct {
	Dir    string // the device's directory; made if it does not exist
	Server string // URL of a node's HTTP listener, unless the ticket has it
	// Link is where the device connects afterwards, as a runner.Runner takes it; "": to the
	// server, by WebSocket.
	Link        string
	Certificate bool         // ask for a certificate, too; also asked for in place of one that the device has
	HTTP        *http.Client // nil: http.DefaultClient
}

// Temporary reports whether an enrolment that has failed may succeed later with the same code,
// and how long to wait at least.
func Temporary(err error) (wait time.Duration, ok bool) {
	var t *temporary
	if errors.As(err, &t) {
		return t.wait, true
	}
	return 0, false
}

type temporary struct {
	error
	wait time.Duration
}

func (t *temporary) Unwrap() error { return t.error }

// Run enrols the device with the text of a ticket or a claim code. When the directory has an
// identity that was got with the same one, that is returned, and nothing else is done; with
// the text "" any identity is, or the enrolment that was interrupted is completed.
func (e *Enrolment) Run(ctx context.Context, text string) (identity.Identity, error) {
	lock, err := Hold(e.Dir)
	if err != nil {
		return identity.Identity{}, err
	}
	defer lock.Release() // the process is about to end, or to lock it again
	i, damaged, err := read(e.Dir)
	if err == nil && len(damaged) > 0 {
		err = store(e.Dir, i)
	}
	if err != nil {
		return i, err
	}
	ticket, err := e.ticket(&i, text)
	switch {
	case err != nil:
		return i, err
	case ticket.Code == "" && ticket.Key == "":
		return i, nil
	case i.Pending == nil && i.Claimed == ticket.hash():
		return i, nil
	case ticket.Key != "":
		return e.adopt(i, ticket)
	}
	return e.claim(ctx, i, ticket)
}

// Pauses between two attempts of Insist.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// Insist is Run until that succeeds, or fails for good. say hears of each failure before the next
// attempt.
func (e *Enrolment) Insist(
	ctx context.Context, text string, say func(error, time.Duration),
) (identity.Identity, error) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		i, err := e.Run(ctx, text)
		wait, again := Temporary(err)
		if err == nil || !again {
			return i, err
		}
		wait = max(wait, pause)
		say(err, wait)
		select {
		case <-ctx.Done():
			return i, err
		case <-time.After(wait):
		}
	}
}

// ticket returns the ticket of a text. It is empty when there is none, and nothing to do.
func (e *Enrolment) ticket(i *identity.Identity, text string) (t Ticket, err error) {
	switch {
	case text != "":
		t, err = ParseTicket(text)
	case i.Pending != nil:
		t.Code, err = ParseCode(i.Pending.Code)
	case i.Device == "":
		err = tandem.Errorf(tandem.Invalid,
			"the device has not enrolled: give it a claim code, which tandem device claim add makes")
	}
	if err != nil || t.Code == "" {
		return t, err
	}
	server := cmp.Or(t.Server, e.Server, serverOf(i.Server))
	if server == "" {
		return t, tandem.Errorf(tandem.Invalid,
			"a claim code does not name its node: give that with --server, or the ticket instead of the code")
	}
	t.Server, err = cleanServer(server)
	return t, err
}

// serverOf returns the URL of the server at which a device has enrolled, by where it connects.
func serverOf(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" {
		return ""
	}
	return map[string]string{"ws": "http", "wss": "https"}[u.Scheme] + "://" + u.Host
}

// adopt keeps the identity of a factory's ticket.
func (e *Enrolment) adopt(i identity.Identity, t Ticket) (identity.Identity, error) {
	if i.Device != "" && i.Device != t.Device {
		return i, other(e.Dir, i.Device, t.Device)
	}
	i.Device, i.Pending = t.Device, nil
	i.Add(t.Key)
	return e.finish(i, t)
}

func (e *Enrolment) finish(i identity.Identity, t Ticket) (identity.Identity, error) {
	i.Claimed = t.hash()
	switch {
	case e.Link != "":
		i.Server = e.Link
	case t.Server != "":
		i.Server = link(t.Server)
	}
	i.Generation++
	return i, store(e.Dir, i)
}

func other(dir string, has, wants tandem.DeviceID) error {
	return tandem.Errorf(tandem.Conflict,
		"the directory %s is that of device %s: give device %s a directory of its own with --dir", dir, has, wants)
}

// claim exchanges a claim code for an identity.
func (e *Enrolment) claim(ctx context.Context, i identity.Identity, t Ticket) (identity.Identity, error) {
	if p := i.Pending; p != nil && p.Code != string(t.Code) {
		// The code before may have been used, and is worth more than a new one.
		before := t
		before.Code = Code(p.Code)
		done, err := e.exchange(ctx, i, before)
		if _, wait := Temporary(err); err == nil || wait {
			return done, err
		}
		i.Pending = nil
	}
	if i.Pending == nil {
		p := &identity.Pending{Code: string(t.Code), Key: tandem.NewKey()}
		// A new code is used because the device is not let in any more. With the certificate of before it would still
		// not be if that was revoked.
		if e.Certificate || i.Certificate != "" {
			key, err := newPrivateKey()
			if err != nil {
				return i, err
			}
			p.PrivateKey = key
		}
		i.Pending = p
		i.Generation++
		if err := store(e.Dir, i); err != nil {
			return i, err
		}
	}
	return e.exchange(ctx, i, t)
}

// exchange asks the node, and keeps its answer.
func (e *Enrolment) exchange(ctx context.Context, i identity.Identity, t Ticket) (identity.Identity, error) {
	p := i.Pending
	in := Request{Code: string(t.Code), KeyHash: hashOf(p.Key), Device: i.Device}
	if p.PrivateKey != "" {
		csr, err := NewRequest(p.PrivateKey)
		if err != nil {
			return i, err
		}
		in.CSR = csr
	}
	out, err := e.ask(ctx, t.Server, &in)
	if err != nil {
		return i, err
	}
	if i.Device != "" && i.Device != out.Device {
		return i, other(e.Dir, i.Device, out.Device)
	}
	i.Device, i.Pending = out.Device, nil
	i.Add(p.Key)
	if out.Certificate != "" {
		i.Certificate, i.PrivateKey = out.Certificate, p.PrivateKey
	}
	return e.finish(i, t)
}

// ask makes the request.
func (e *Enrolment) ask(ctx context.Context, server string, in *Request) (out Answer, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server+"/v5/enrol", bytes.NewReader(body))
	if err != nil {
		return out, err
	}
	req.Header.Set("Content-Type", "application/json")
	client := e.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	r, err := client.Do(req)
	if err != nil {
		return out, &temporary{&tandem.Error{
			Kind: tandem.Unavailable, Err: err,
			Msg: fmt.Sprintf("no node answers at %s: the same code can be used again", server),
		}, 0}
	}
	defer r.Body.Close()
	data, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if r.StatusCode != http.StatusOK {
		return out, refusal(r, data)
	}
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err == nil && !out.Device.Valid() {
		err = errors.New("it has no id of a device")
	}
	if err != nil {
		return out, &temporary{&tandem.Error{
			Kind: tandem.Unavailable, Msg: "the node's answer cannot be read: the same code can be used again", Err: err,
		}, 0}
	}
	return out, nil
}

// refusal returns the error of an answer that is none.
func refusal(r *http.Response, data []byte) error {
	var said struct{ Errors []struct{ Detail string } }
	text := "the node answered " + r.Status
	if json.Unmarshal(data, &said) == nil && len(said.Errors) > 0 {
		text = said.Errors[0].Detail
	}
	kind := tandem.Invalid
	switch r.StatusCode {
	case http.StatusNotFound:
		kind = tandem.NotFound
	case http.StatusConflict:
		kind = tandem.Conflict
	case http.StatusForbidden:
		kind = tandem.Forbidden
	}
	err := tandem.Errorf(kind, "%s", text)
	if r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500 {
		seconds, _ := strconv.Atoi(r.Header.Get("Retry-After")) // 0 when it says nothing
		return &temporary{err, time.Duration(seconds) * time.Second}
	}
	return err
}

// hashOf returns the hash of a secret in hexadecimal.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// newPrivateKey returns a private key for a certificate, in PEM.
func newPrivateKey() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// NewRequest returns a request for a certificate of a private key in PEM, as DER.
func NewRequest(private string) ([]byte, error) {
	block, _ := pem.Decode([]byte(private))
	if block == nil {
		return nil, tandem.Errorf(tandem.Invalid, "the private key is not in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, tandem.Errorf(tandem.Invalid, "the private key cannot sign")
	}
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, signer)
}

// NewPrivateKey returns a new private key and a request for its certificate.
func NewPrivateKey() (private string, request []byte, err error) {
	if private, err = newPrivateKey(); err != nil {
		return "", nil, err
	}
	request, err = NewRequest(private)
	return private, request, err
}
