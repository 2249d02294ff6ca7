package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/device/enrol"
)

type deviceKeyCmd struct {
	Rotate keyRotateCmd `cmd:"" help:"${help_key_rotate}"`
	Show   keyShowCmd   `cmd:"" help:"Show how far a rotation is, and the certificates of a device."`
}

type keyRotateCmd struct {
	nodeFlags
	Print  bool          `help:"Print the new key, for a device that is no tandem device; needs --within."`
	Within time.Duration `placeholder:"DURATION" help:"${help_key_within}"`
	Device string        `arg:"" help:"Id or name of the device."`
}

// credentials are the API's.
type credentials struct {
	ID         string
	Attributes struct {
		Key      string
		Rotation string
		Began    *time.Time `json:"began_at"`
		Handed   *time.Time `json:"handed_at"`
		Deadline *time.Time
		Revoked  bool
		At       *time.Time `json:"revoked_at"`

		Certificates []struct {
			Fingerprint, Subject, Issuer string

			Expires *time.Time `json:"expires_at"`
			Revoked *time.Time `json:"revoked_at"`
		}
	}
}

func (c *keyRotateCmd) Run(ctx context.Context, s *streams) error {
	if c.Print && c.Within <= 0 {
		return tandem.Errorf(tandem.Invalid,
			"--print needs --within, the time for which the old key stays valid, such as 24h")
	}
	api, d, err := c.dialDevice(ctx, c.Device)
	if err != nil {
		return err
	}
	in := map[string]any{"data": map[string]any{"type": "key", "attributes": map[string]any{
		"print": c.Print, "within": c.Within.Seconds(),
	}}}
	var out struct{ Data credentials }
	if err := api.do(ctx, "POST", "/devices/"+d.ID+"/key", in, &out); err != nil {
		return err
	}
	a := out.Data.Attributes
	fmt.Fprintf(s.out, "ID=%s\n", d.ID)
	until := "until the device has used the new one"
	if a.Deadline != nil {
		until = "until " + a.Deadline.Format(time.RFC3339)
	}
	switch {
	case a.Key == "":
		const msg = "The device gets its new key over its connection, or with the next one. The old key stays valid %s.\n"
		fmt.Fprintf(s.err, msg, until)
	case a.Rotation == "": // it was revoked, and has no old key
		fmt.Fprintf(s.out, "KEY=%s\n", a.Key)
		fmt.Fprintln(s.err, "The key is shown only once.")
	default:
		fmt.Fprintf(s.out, "KEY=%s\n", a.Key)
		fmt.Fprintf(s.err, "The key is shown only once. The old key stays valid %s.\n", until)
	}
	return nil
}

type keyShowCmd struct {
	nodeFlags
	Device string `arg:"" help:"Id or name of the device."`
}

func (c *keyShowCmd) Run(ctx context.Context, s *streams) error {
	api, d, err := c.dialDevice(ctx, c.Device)
	if err != nil {
		return err
	}
	var out struct{ Data credentials }
	if err := api.do(ctx, "GET", "/devices/"+d.ID+"/credentials", nil, &out); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "KEY  %s\n", out.Data.keyState())
	if len(out.Data.Attributes.Certificates) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CERTIFICATE\tSTATE\tEXPIRES\tSUBJECT\tISSUER")
	for _, x := range out.Data.Attributes.Certificates {
		state, expires := "valid", "unknown"
		if x.Expires != nil {
			expires = x.Expires.Format(time.DateOnly)
			if time.Now().After(*x.Expires) {
				state = "expired"
			}
		}
		if x.Revoked != nil {
			state = "revoked"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", x.Fingerprint, state, expires, x.Subject, x.Issuer)
	}
	return t.Flush()
}

// keyState says in words what the device's key is.
func (c credentials) keyState() string {
	a := c.Attributes
	if a.Revoked {
		state := "revoked"
		if a.At != nil {
			state += " at " + a.At.Format(time.RFC3339)
		}
		return state
	}
	var state string
	switch {
	case a.Rotation == "":
		return "valid"
	case a.Handed == nil:
		state = "being rotated: the device gets the new key when it connects"
	case a.Rotation == "printed":
		state = "being rotated: the old and the new key are valid"
	default:
		state = "being rotated: the device was given the new key at " + a.Handed.Format(time.RFC3339) +
			", and uses it with its next connection"
	}
	if a.Deadline != nil {
		state += "; the old one until " + a.Deadline.Format(time.RFC3339)
	}
	return state
}

type deviceRevokeCmd struct {
	nodeFlags
	Device string `arg:"" help:"Id or name of the device."`
}

func (c *deviceRevokeCmd) Run(ctx context.Context, s *streams) error {
	api, d, err := c.dialDevice(ctx, c.Device)
	if err != nil {
		return err
	}
	if err := api.do(ctx, "POST", "/devices/"+d.ID+"/revoke", nil, nil); err != nil {
		return err
	}
	fmt.Fprintln(s.out, d.ID)
	fmt.Fprintf(s.err, "To let it in again: tandem device claim --device %s\n", d.ID)
	return nil
}

type deviceCertificateCmd struct {
	Issue  certificateIssueCmd  `cmd:"" help:"${help_certificate_issue}"`
	Revoke certificateRevokeCmd `cmd:"" help:"${help_certificate_revoke}"`
}

type certificateIssueCmd struct {
	nodeFlags
	Out    string `placeholder:"NAME" help:"Write NAME.crt and NAME.key; by default the device's id."`
	Device string `arg:"" help:"Id or name of the device."`
}

func (c *certificateIssueCmd) Run(ctx context.Context, s *streams) error {
	api, d, err := c.dialDevice(ctx, c.Device)
	if err != nil {
		return err
	}
	private, csr, err := enrol.NewPrivateKey()
	if err != nil {
		return err
	}
	name := c.Out
	if name == "" {
		name = d.ID
	}
	if err := writeNew(name+".key", private); err != nil { // before there is a certificate for it
		return err
	}
	var out struct {
		Data struct{ Attributes struct{ Certificate string } }
	}
	in := map[string]any{"data": map[string]any{"type": "certificate", "attributes": map[string]any{"csr": csr}}}
	if err := api.do(ctx, "POST", "/devices/"+d.ID+"/certificates", in, &out); err != nil {
		return errors.Join(err, os.Remove(name+".key"))
	}
	if err := writeNew(name+".crt", out.Data.Attributes.Certificate); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s.crt\n%s.key\n", name, name)
	return nil
}

// writeNew writes a file that must not exist, for its owner alone.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return tandem.Errorf(tandem.Conflict, "%s exists already: name another file, or move it away", name)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

type certificateRevokeCmd struct {
	nodeFlags
	Device      string `arg:"" help:"Id or name of the device."`
	Fingerprint string `arg:"" help:"SHA-256 of the certificate in hexadecimal, from tandem device key show."`
}

func (c *certificateRevokeCmd) Run(ctx context.Context) error {
	print := central.Fingerprint(c.Fingerprint)
	if print == "" {
		return tandem.Errorf(tandem.Invalid, "%q is not a fingerprint, the SHA-256 of a certificate in hexadecimal: "+
			"tandem device key show %s lists those of the device", c.Fingerprint, c.Device)
	}
	api, d, err := c.dialDevice(ctx, c.Device)
	if err != nil {
		return err
	}
	path := "/devices/" + d.ID + "/certificates/" + print
	return api.do(ctx, "DELETE", path, nil, nil)
}

type caCmd struct {
	Show caShowCmd `cmd:"" help:"Print the certificate of the installation's authority for devices, in PEM."`
}

type caShowCmd struct{ nodeFlags }

func (c *caShowCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	var out struct {
		Data struct{ Attributes struct{ Certificate string } }
	}
	if err := api.do(ctx, "GET", "/authority", nil, &out); err != nil {
		return err
	}
	if block, _ := pem.Decode([]byte(out.Data.Attributes.Certificate)); block == nil {
		return errors.New("the node's answer has no certificate")
	}
	fmt.Fprint(s.out, out.Data.Attributes.Certificate)
	return nil
}
