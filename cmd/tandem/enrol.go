package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/piglig/go-qr"

	"github.com/tandem-iot/tandem/central/client"
	"github.com/tandem-iot/tandem/device/launch"
)

type deviceClaimCmd struct {
	Add    claimAddCmd    `cmd:"" help:"Make a claim code, with which a device enrols."`
	List   claimListCmd   `cmd:"" help:"List the claim codes, without the codes themselves."`
	Revoke claimRevokeCmd `cmd:"" help:"Revoke an unused claim code."`
}

type claimAddCmd struct {
	nodeFlags
	groupFlags
	Count   int           `placeholder:"N" default:"1" help:"Number of codes (${default})."`
	Expires time.Duration `placeholder:"DURATION" default:"24h" help:"How long the codes can be used (${default})."`
	Name    string        `placeholder:"NAME" help:"Name of the device that uses the code."`
	Device  string        `placeholder:"DEVICE" help:"${help_claim_device}"`
	QR      bool          `name:"qr" negatable:"" default:"true" help:"${help_claim_qr}"`
}

func (c *claimAddCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	wanted := client.NewClaims{Count: c.Count, Expires: c.Expires, Name: c.Name}
	if c.Device != "" {
		d, err := n.device(ctx, c.Device)
		if err != nil {
			return err
		}
		wanted.Device = d.ID
	} else {
		g, err := n.target(ctx, c.groupFlags)
		if err != nil {
			return err
		}
		wanted.Group = g.ID
	}
	if c.Name != "" {
		if err := n.free(ctx, c.Name); err != nil {
			return err
		}
	}
	list, err := n.AddClaims(ctx, wanted)
	if err != nil {
		return err
	}
	if err := c.show(s, list); err != nil {
		return err
	}
	s.say("Each code is for one device, and is shown only once.")
	return nil
}

// show writes claim codes: a single one with its ticket.
func (c *claimAddCmd) show(s *streams, list []client.Claim) error {
	if s.json {
		return encode(s.out, list)
	}
	for _, d := range list {
		if len(list) > 1 || s.quiet {
			fmt.Fprintln(s.out, d.Code)
			continue
		}
		fmt.Fprintf(s.out, "CODE=%s\nTICKET=%s\nEXPIRES=%s\n", d.Code, d.Ticket, d.ExpiresAt.Format(time.RFC3339))
		if c.QR {
			picture, err := qrCode(d.Ticket)
			if err != nil {
				return err
			}
			fmt.Fprint(s.err, picture)
		}
	}
	return nil
}

// qrMargin is how many light modules a QR code has around it.
const qrMargin = 4

// qrCode returns a QR code for a terminal. A character has two modules, one above the other. It is
// light on dark, whichever the terminal is, for the colours are set.
func qrCode(text string) (string, error) {
	code, err := go_qr.EncodeText(text, go_qr.Low)
	if err != nil {
		return "", err
	}
	const blackOnWhite, reset = "\x1b[30;47m", "\x1b[0m"
	shapes := [4]string{" ", "▄", "▀", "█"} // the lower module is dark, the upper one, both
	var b strings.Builder
	end := code.Size() + qrMargin
	for y := -qrMargin; y < end; y += 2 {
		b.WriteString(blackOnWhite)
		for x := -qrMargin; x < end; x++ {
			shape := 0
			if code.Module(x, y+1) {
				shape = 1
			}
			if code.Module(x, y) {
				shape += 2
			}
			b.WriteString(shapes[shape])
		}
		b.WriteString(reset + "\n")
	}
	return b.String(), nil
}

type claimListCmd struct {
	nodeFlags
	listFlags
}

func (c *claimListCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	all, err := collect(s, "claim codes", n.Claims(ctx))
	if err != nil {
		return err
	}
	for _, x := range all {
		if err := n.name(ctx, x.Group); err != nil {
			return err
		}
	}
	return listed(s, c.listFlags, all, []column[client.Claim]{
		{"claim", func(x client.Claim) string { return x.ID }},
		{"state", func(x client.Claim) string { return claimState(x, time.Now()) }},
		{"expires", func(x client.Claim) string { return at(x.ExpiresAt) }},
		{"group", func(x client.Claim) string { return called(x.Group) }},
		{"device", func(x client.Claim) string { return called(x.Device) }},
		{"name", func(x client.Claim) string { return x.Name }},
	})
}

func claimState(x client.Claim, now time.Time) string {
	switch {
	case x.UsedAt != nil:
		return "used"
	case now.After(x.ExpiresAt):
		return "expired"
	}
	return "unused"
}

type claimRevokeCmd struct {
	nodeFlags
	yesFlag
	Claim string `arg:"" help:"Id of the claim code, from tandem device claim list."`
}

func (c *claimRevokeCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	all, err := collect(s, "claim codes", n.Claims(ctx))
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(x client.Claim) bool { return x.ID == c.Claim }) {
		return unknown("claim code", c.Claim, nil, "tandem device claim list shows all")
	}
	remove := func() error { return n.RemoveClaim(ctx, c.Claim) }
	return c.remove(s, c.Claim, remove, "This makes the claim code %s worthless", c.Claim)
}

type deviceEnrolCmd struct {
	launch.Enrolling
	CA     string `name:"ca" placeholder:"FILE" help:"${help_ca}"`
	Dir    string `placeholder:"DIR" default:"${device_dir}" help:"The device's directory (${default})."`
	Node   string `placeholder:"URL" help:"${help_enrol_node}"`
	Ticket string `arg:"" optional:"" name:"code" help:"${help_enrol_code}"`
}

func (c *deviceEnrolCmd) Run(ctx context.Context, s *streams) error {
	var trust *tls.Config
	if c.CA != "" {
		var err error
		if trust, err = launch.Authorities(c.CA); err != nil {
			return err
		}
	}
	e, err := c.Enrolment(c.Dir, c.Node, trust)
	if err != nil {
		return err
	}
	who, err := e.Run(ctx, c.Ticket)
	if err != nil {
		return err
	}
	enrolled := map[string]string{"id": string(who.Device), "node": who.Server, "dir": c.Dir}
	if err := s.result(enrolled, fmt.Sprintf("ID=%s\nNODE=%s\n", who.Device, who.Server)); err != nil {
		return err
	}
	run := "tandem device run"
	if c.Dir != launch.DefaultDir {
		run += " --dir " + c.Dir
	}
	s.say("The device's key is in %s. Run the device with: %s", c.Dir, run)
	return nil
}
