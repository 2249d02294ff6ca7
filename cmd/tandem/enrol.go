package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/piglig/go-qr"

	"github.com/tandem-iot/tandem/device/launch"
)

type deviceClaimCmd struct {
	nodeFlags
	groupFlags
	Count   int           `placeholder:"N" default:"1" help:"Number of codes (${default})."`
	Expires time.Duration `placeholder:"DURATION" default:"24h" help:"How long the codes can be used (${default})."`
	Name    string        `placeholder:"NAME" help:"Name of the device that uses the code."`
	Device  string        `placeholder:"DEVICE" help:"${help_claim_device}"`
	QR      bool          `name:"qr" negatable:"" default:"true" help:"${help_claim_qr}"`
}

// claim is a claim code in the API's form.
type claim struct {
	ID         string
	Attributes struct {
		Code, Ticket, Name string
		Expires            time.Time  `json:"expires_at"`
		Used               *time.Time `json:"used_at"`
	}
	Relationships map[string]struct{ ID string }
}

func (c *deviceClaimCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	to := map[string]any{}
	if c.Device != "" {
		d, err := api.device(ctx, c.Device)
		if err != nil {
			return err
		}
		to["device"] = map[string]string{"type": "device", "id": d.ID}
	} else {
		group, err := api.group(ctx, c.Product, c.Group, true)
		if err != nil {
			return err
		}
		to["devicegroup"] = map[string]string{"type": "devicegroup", "id": group}
	}
	if c.Name != "" {
		if err := api.free(ctx, c.Name); err != nil {
			return err
		}
	}
	in := map[string]any{"data": map[string]any{"type": "claim", "relationships": to, "attributes": map[string]any{
		"count": c.Count, "expires_in": c.Expires.Seconds(), "name": c.Name,
	}}}
	var out struct{ Data []claim }
	if err := api.do(ctx, "POST", "/claims", in, &out); err != nil {
		return err
	}
	for _, d := range out.Data {
		if len(out.Data) > 1 {
			fmt.Fprintln(s.out, d.Attributes.Code)
			continue
		}
		fmt.Fprintf(s.out, "CODE=%s\nTICKET=%s\nEXPIRES=%s\n", d.Attributes.Code, d.Attributes.Ticket,
			d.Attributes.Expires.Format(time.RFC3339))
		if c.QR {
			picture, err := qrCode(d.Attributes.Ticket)
			if err != nil {
				return err
			}
			fmt.Fprint(s.err, picture)
		}
	}
	fmt.Fprintln(s.err, "Each code is for one device, and is shown only once.")
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

type deviceClaimsCmd struct {
	List   claimsListCmd   `cmd:"" help:"List the claim codes, without the codes themselves."`
	Revoke claimsRevokeCmd `cmd:"" help:"Revoke an unused claim code."`
}

type claimsListCmd struct{ nodeFlags }

func (c *claimsListCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLAIM\tSTATE\tEXPIRES\tDEVICE\tNAME")
	for number := 1; ; number++ {
		var out struct {
			Data  []claim
			Links map[string]string
		}
		if err := api.do(ctx, "GET", fmt.Sprintf("/claims?page[number]=%d&page[size]=100", number), nil, &out); err != nil {
			return err
		}
		for _, d := range out.Data {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", d.ID, d.state(time.Now()), d.Attributes.Expires.Format(time.RFC3339),
				d.Relationships["device"].ID, d.Attributes.Name)
		}
		if out.Links["next"] == "" {
			return t.Flush()
		}
	}
}

func (d claim) state(now time.Time) string {
	switch {
	case d.Attributes.Used != nil:
		return "used"
	case now.After(d.Attributes.Expires):
		return "expired"
	}
	return "unused"
}

type claimsRevokeCmd struct {
	nodeFlags
	Claim string `arg:"" help:"Id of the claim code, from tandem device claims list."`
}

func (c *claimsRevokeCmd) Run(ctx context.Context) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	return api.do(ctx, "DELETE", "/claims/"+url.PathEscape(c.Claim), nil, nil)
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
	fmt.Fprintf(s.out, "ID=%s\nNODE=%s\n", who.Device, who.Server)
	run := "tandem device run"
	if c.Dir != launch.DefaultDir {
		run += " --dir " + c.Dir
	}
	fmt.Fprintf(s.err, "The device's key is in %s. Run the device with: %s\n", c.Dir, run)
	return nil
}
