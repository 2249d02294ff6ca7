package central

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/enrol"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// Limits of claim codes and of provisioning.
const (
	MaxClaims    = 1000                 // codes made by one request
	claimLife    = 24 * time.Hour       // of a code, unless it is said otherwise
	longestClaim = 366 * 24 * time.Hour // life of a code
	MaxProvision = 1000                 // devices of one request, which is one transaction
)

var (
	claimShape = shape{
		types: []string{"claim"}, related: map[string][]string{"devicegroup": anyGroup, "device": {"device"}},
	}
	provisioningShape = shape{types: []string{"provisioning"}, related: map[string][]string{"devicegroup": anyGroup}}
)

// addClaims makes claim codes. Only this answer has them: their hashes are stored.
func (c *call) addClaims() error {
	var in struct {
		Count     int     `json:"count"`
		ExpiresIn float64 `json:"expires_in"` // seconds
		Name      string  `json:"name"`
	}
	body, err := c.readAs(claimShape, &in)
	if err != nil {
		return err
	}
	group, id := body.Data.Relationships["devicegroup"].ID, body.Data.Relationships["device"].ID
	life := time.Duration(in.ExpiresIn * float64(time.Second))
	if in.ExpiresIn == 0 {
		life = claimLife
	}
	in.Count = max(in.Count, 1)
	switch {
	case in.Count > MaxClaims:
		return tandem.Errorf(tandem.Invalid, "one request makes at most %d claim codes", MaxClaims)
	case !(in.ExpiresIn >= 0) || in.ExpiresIn > longestClaim.Seconds() || life <= 0:
		return tandem.Errorf(tandem.Invalid, "a claim code can live for %s at most", longestClaim)
	case in.Count > 1 && (in.Name != "" || id != ""):
		return tandem.Errorf(tandem.Invalid, "a name or a device is for one claim code; leave out count")
	case (group == "") == (id == ""):
		return tandem.Errorf(tandem.Invalid, "a claim code is for a device group or for a device: name one of them")
	}
	if err := checkDeviceName(in.Name); err != nil {
		return err
	}
	if id != "" {
		d, err := c.device(id)
		if err != nil {
			return err
		}
		id = string(d.ID)
	}
	codes := make([]enrol.Code, in.Count)
	list := make([]record.ClaimCode, in.Count)
	for i := range list {
		codes[i] = enrol.NewCode()
		list[i] = record.ClaimCode{
			Hash: record.Hash(string(codes[i])), Group: group, Device: tandem.DeviceID(id), Name: in.Name,
			Creator: c.account.ID, Expires: time.Now().Add(life),
		}
	}
	if group != "" {
		if _, err := c.ownGroup(group); err != nil {
			return err
		}
	}
	made, err := c.Store.AddClaims(c.ctx, list)
	if err != nil {
		return err
	}
	shown := make([]object, len(made))
	for i, m := range made {
		shown[i] = c.showClaim(m)
		a := shown[i].Attributes.(map[string]any)
		a["code"] = codes[i].String()
		a["ticket"] = enrol.Ticket{Code: codes[i], Server: c.URL}.String()
	}
	return c.send(http.StatusCreated, map[string]any{"data": shown})
}

func (c *call) showClaim(m record.ClaimCode) object {
	return object{
		Type: "claim", ID: m.ID, Links: c.self("claims", m.ID),
		Attributes: map[string]any{
			"name": m.Name, "created_at": stamp(m.Created), "expires_at": stamp(m.Expires), "used_at": stampOrNull(m.Used),
		},
		Relationships: refs(map[string]ref{
			"devicegroup": {"devicegroup", m.Group}, "device": {"device", string(m.Device)}, "creator": {"account", m.Creator},
		}),
	}
}

func (c *call) listClaims() error {
	number, page := c.page()
	list, next, err := c.Store.Claims(c.ctx, c.account.ID, page)
	if err != nil {
		return err
	}
	return sendList(c, number, page, next, list, func(m record.ClaimCode) any { return c.showClaim(m) })
}

func (c *call) deleteClaim() error {
	if err := c.Store.DeleteClaim(c.ctx, c.account.ID, c.arg(1)); err != nil {
		return err
	}
	return c.noContent()
}

// enrolDevice exchanges a claim code for an identity. It needs no token: the code is the secret,
// and who guesses is slowed down. The same request again has the same answer.
func (c *call) enrolDevice() error {
	var in enrol.Request
	if err := c.readJSON(&in); err != nil {
		return err
	}
	code, err := enrol.ParseCode(in.Code)
	if err != nil {
		return err
	}
	keyHash, err := hashOf(in.KeyHash)
	if err != nil {
		return err
	}
	var d record.Device
	made := false
	err = c.login(c.r, string(code), func() (err error) {
		claim := store.Claim{Hash: record.Hash(string(code)), KeyHash: keyHash, Device: in.Device}
		d, made, err = c.Store.Enrol(c.ctx, claim)
		return err
	})
	if err != nil {
		return err
	}
	if d.IsRevoked() {
		return errRevoked(d.ID)
	}
	c.look() // a connection with the key of before ends
	answer := enrol.Answer{Device: d.ID, AgentURL: c.Agents.URL(d.Agent)}
	if len(in.CSR) > 0 {
		if answer.Certificate, err = c.issueCertificate(c.ctx, d.ID, in.CSR); err != nil {
			return err
		}
	}
	// Where this fails, the device asks again.
	if d.Group != "" && (made || d.Changed.IsZero()) {
		if err := c.Host.Assigned(c.ctx, d.ID); err != nil {
			return err
		}
	}
	if made {
		if err := c.enrolled(d); err != nil {
			return err
		}
	}
	return c.send(http.StatusOK, answer)
}

// hashOf reads the hash of a key.
func hashOf(text string) ([]byte, error) {
	hash, err := hex.DecodeString(text)
	if err != nil || len(hash) != len(record.Hash("")) {
		return nil, tandem.Errorf(tandem.Invalid, "key_hash is the SHA-256 of the device's key, in hexadecimal")
	}
	return hash, nil
}

// newcomer is a device of a provisioning.
type newcomer struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	KeyHash     string `json:"key_hash"`    // "": it has only a certificate
	Fingerprint string `json:"certificate"` // of its certificate; "": none
}

// record returns what the store gets.
func (n newcomer) record(owner, group string) (store.Newcomer, error) {
	id := tandem.DeviceID(strings.ToLower(n.ID))
	x := store.Newcomer{Device: record.Device{ID: id, Owner: owner, Group: group, Name: n.Name}}
	switch {
	case !id.Valid():
		return x, tandem.Errorf(tandem.Invalid, "%q is not a device id, which has 16 digits of 0-9a-f", n.ID)
	case n.KeyHash == "" && n.Fingerprint == "":
		return x, tandem.Errorf(tandem.Invalid, "device %s has neither a key nor a certificate", id)
	}
	if err := checkDeviceName(n.Name); err != nil {
		return x, err
	}
	x.KeyHash = record.Hash(tandem.NewKey()) // of a key that does not exist any more
	if n.Fingerprint != "" {
		f := Fingerprint(n.Fingerprint)
		if f == "" {
			return x, tandem.Errorf(tandem.Invalid,
				"the certificate of device %s is given by its fingerprint, the SHA-256 in hexadecimal", id)
		}
		x.Certificates = []record.Certificate{{ID: f, Device: id}}
		x.KeyHash = record.Hash("only the certificate " + f) // the same each time
	}
	if n.KeyHash != "" {
		hash, err := hashOf(n.KeyHash)
		if err != nil {
			return x, err
		}
		x.KeyHash = hash
	}
	return x, nil
}

// provision makes the devices of a list, all or none. The same list again changes nothing.
func (c *call) provision() error {
	var in struct{ Devices []newcomer }
	body, err := c.readAs(provisioningShape, &in)
	if err != nil {
		return err
	}
	group := body.Data.Relationships["devicegroup"].ID
	g, err := c.ownGroup(group)
	if err != nil {
		return err
	}
	if n := len(in.Devices); n == 0 || n > MaxProvision {
		return tandem.Errorf(tandem.Invalid, "one request provisions 1 to %d devices, not %d", MaxProvision, n)
	}
	list := make([]store.Newcomer, len(in.Devices))
	for i, n := range in.Devices {
		if list[i], err = n.record(g.Owner, group); err != nil {
			return &tandem.Error{Kind: tandem.KindOf(err), Msg: fmt.Sprintf("device %d of the list", i+1), Err: err}
		}
	}
	made, err := c.Store.Provision(c.ctx, list)
	if err != nil {
		return err
	}
	for _, d := range made {
		if err := c.Host.Assigned(c.ctx, d.ID); err != nil {
			return err
		}
		if err := c.enrolled(d); err != nil {
			return err
		}
	}
	return c.sendObject(http.StatusCreated, object{
		Type: "provisioning", ID: group, Links: c.self("devicegroups", group),
		Attributes:    map[string]any{"made": len(made), "known": len(list) - len(made)},
		Relationships: map[string]ref{"devicegroup": {"devicegroup", group}},
	})
}
