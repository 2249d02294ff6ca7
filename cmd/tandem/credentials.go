package main

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/central/client"
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

func (c *keyRotateCmd) Run(ctx context.Context, s *streams) error {
	if c.Print && c.Within <= 0 {
		return tandem.Errorf(tandem.Invalid,
			"--print needs --within, the time for which the old key stays valid, such as 24h")
	}
	n, d, err := c.dialDevice(ctx, s, c.Device)
	if err != nil {
		return err
	}
	k, err := n.RotateKey(ctx, d.ID, c.Print, c.Within)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("ID=%s\n", d.ID)
	if k.Key != "" {
		text += fmt.Sprintf("KEY=%s\n", k.Key)
	}
	if err := s.result(k, text); err != nil {
		return err
	}
	until := "until the device has used the new one"
	if k.Deadline != nil {
		until = "until " + k.Deadline.Format(time.RFC3339)
	}
	switch {
	case k.Key == "":
		s.say("The device gets its new key over its connection, or with the next one. The old key stays valid %s.", until)
	case k.Rotation == "": // it was revoked, and has no old key
		s.say("The key is shown only once.")
	default:
		s.say("The key is shown only once. The old key stays valid %s.", until)
	}
	return nil
}

type keyShowCmd struct {
	nodeFlags
	Device string `arg:"" help:"Id or name of the device."`
}

func (c *keyShowCmd) Run(ctx context.Context, s *streams) error {
	n, d, err := c.dialDevice(ctx, s, c.Device)
	if err != nil {
		return err
	}
	k, err := n.Credentials(ctx, d.ID)
	if err != nil {
		return err
	}
	if s.json {
		return encode(s.out, k)
	}
	fmt.Fprintf(s.out, "KEY  %s\n", keyState(k))
	if len(k.Certificates) == 0 {
		return nil
	}
	return listed(s, listFlags{}, k.Certificates, []column[client.Certificate]{
		{"certificate", func(x client.Certificate) string { return x.Fingerprint }},
		{"state", func(x client.Certificate) string { return certificateState(x, time.Now()) }},
		{"expires", func(x client.Certificate) string {
			if x.ExpiresAt == nil {
				return "unknown"
			}
			return x.ExpiresAt.Format(time.DateOnly)
		}},
		{"subject", func(x client.Certificate) string { return x.Subject }},
		{"issuer", func(x client.Certificate) string { return x.Issuer }},
	})
}

func certificateState(x client.Certificate, now time.Time) string {
	switch {
	case x.RevokedAt != nil:
		return "revoked"
	case x.ExpiresAt != nil && now.After(*x.ExpiresAt):
		return "expired"
	}
	return "valid"
}

// keyState says in words what the device's key is.
func keyState(a client.Credentials) string {
	if a.Revoked {
		state := "revoked"
		if a.RevokedAt != nil {
			state += " at " + a.RevokedAt.Format(time.RFC3339)
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
	yesFlag
	Device string `arg:"" help:"Id or name of the device."`
}

func (c *deviceRevokeCmd) Run(ctx context.Context, s *streams) error {
	n, d, err := c.dialDevice(ctx, s, c.Device)
	if err != nil {
		return err
	}
	if err := c.confirm(s, "This makes the key and the certificates of device %s worthless", shownDevice(d)); err != nil {
		return err
	}
	if err := n.Revoke(ctx, d.ID); err != nil {
		return err
	}
	s.say("To let it in again: tandem device claim add --device %s", d.ID)
	return s.made(gone{d.ID}, d.ID)
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
	n, d, err := c.dialDevice(ctx, s, c.Device)
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
	x, err := n.AddCertificate(ctx, d.ID, base64.StdEncoding.EncodeToString(csr))
	if err != nil {
		return errors.Join(err, os.Remove(name+".key"))
	}
	if err := writeNew(name+".crt", x.Certificate); err != nil {
		return err
	}
	files := map[string]string{"id": d.ID, "certificate": name + ".crt", "key": name + ".key"}
	return s.result(files, fmt.Sprintf("%s.crt\n%s.key\n", name, name))
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
	yesFlag
	Device      string `arg:"" help:"Id or name of the device."`
	Fingerprint string `arg:"" help:"SHA-256 of the certificate in hexadecimal, from tandem device key show."`
}

func (c *certificateRevokeCmd) Run(ctx context.Context, s *streams) error {
	fingerprint := central.Fingerprint(c.Fingerprint)
	if fingerprint == "" {
		return tandem.Errorf(tandem.Invalid, "%q is not a fingerprint, the SHA-256 of a certificate in hexadecimal: "+
			"tandem device key show %s lists those of the device", c.Fingerprint, c.Device)
	}
	n, d, err := c.dialDevice(ctx, s, c.Device)
	if err != nil {
		return err
	}
	if err := c.confirm(s, "This revokes the certificate %s of device %s", fingerprint, shownDevice(d)); err != nil {
		return err
	}
	if err := n.RevokeCertificate(ctx, d.ID, fingerprint); err != nil {
		return err
	}
	return s.result(map[string]string{"id": d.ID, "fingerprint": fingerprint}, "")
}

type caCmd struct {
	Show caShowCmd `cmd:"" help:"Print the certificate of the installation's authority for devices, in PEM."`
}

type caShowCmd struct{ nodeFlags }

func (c *caShowCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	x, err := n.Authority(ctx)
	if err != nil {
		return err
	}
	if block, _ := pem.Decode([]byte(x.Certificate)); block == nil {
		return errors.New("the node's answer has no certificate")
	}
	return s.result(x, x.Certificate)
}
