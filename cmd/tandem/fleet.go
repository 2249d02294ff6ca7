package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/launch"
	"github.com/tandem-iot/tandem/imp"
)

// groupFlags name a device group.
type groupFlags struct {
	Product string `placeholder:"NAME" default:"dev" help:"Product the device group belongs to (${default})."`
	Group   string `placeholder:"NAME" default:"dev" help:"Device group (${default}); it is created if necessary."`
}

type deployCmd struct {
	nodeFlags
	groupFlags
	ValidateTLS *bool  `name:"validate-tls" negatable:"" help:"${help_validate_tls}"`
	Dir         string `arg:"" optional:"" default:"." help:"${help_deploy_dir}"`
}

func (c *deployCmd) Run(ctx context.Context, s *streams) error {
	src, err := readPair(c.Dir)
	if err != nil {
		return err
	}
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	group, err := api.group(ctx, c.Product, c.Group, true)
	if err != nil {
		return err
	}
	if c.ValidateTLS != nil {
		change := map[string]any{"data": map[string]any{
			"type": "devicegroup", "id": group, "attributes": map[string]bool{"validate_tls": *c.ValidateTLS},
		}}
		if err := api.do(ctx, "PATCH", "/devicegroups/"+group, change, nil); err != nil {
			return err
		}
	}
	attributes := map[string]string{"agent_code": string(src.agent), "device_code": string(src.device)}
	d, err := api.create(ctx, "deployments", "deployment", attributes,
		map[string]any{"devicegroup": map[string]string{"type": "devicegroup", "id": group}})
	if err != nil {
		return compiled(s, c.nodeFlags, pairFiles(c.Dir), err)
	}
	if err := api.do(ctx, "POST", "/devicegroups/"+group+"/restart", nil, nil); err != nil {
		return err
	}
	fmt.Fprintln(s.out, d.ID)
	return nil
}

type deviceCmd struct {
	Add    deviceAddCmd    `cmd:"" help:"Make a device and print its id, its key and its agent's address."`
	List   deviceListCmd   `cmd:"" help:"List the devices."`
	Remove deviceRemoveCmd `cmd:"" help:"${help_device_remove}"`
	Run    deviceRunCmd    `cmd:"" help:"Run a device on this machine, against any node."`
	Set    deviceSetCmd    `cmd:"" help:"Have something happen at the simulated board of a device on this machine."`

	Claim       deviceClaimCmd       `cmd:"" help:"Make a claim code, with which a device enrols."`
	Claims      deviceClaimsCmd      `cmd:"" help:"List claim codes, or revoke one."`
	Enrol       deviceEnrolCmd       `cmd:"" help:"${help_enrol}"`
	Provision   deviceProvisionCmd   `cmd:"" help:"Make many devices at once, from a file or into one."`
	Key         deviceKeyCmd         `cmd:"" help:"Rotate a device's key, or show what is known of it."`
	Revoke      deviceRevokeCmd      `cmd:"" help:"${help_device_revoke}"`
	Certificate deviceCertificateCmd `cmd:"" help:"Issue or revoke certificates of devices."`
}

type deviceAddCmd struct {
	nodeFlags
	groupFlags
	Name string `arg:"" optional:"" help:"Name of the device."`
}

func (c *deviceAddCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	if c.Name != "" {
		if err := api.free(ctx, c.Name); err != nil {
			return err
		}
	}
	group, err := api.group(ctx, c.Product, c.Group, true)
	if err != nil {
		return err
	}
	d, err := api.create(ctx, "devices", "device", map[string]string{"name": c.Name},
		map[string]any{"devicegroup": map[string]string{"type": "devicegroup", "id": group}})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "ID=%s\nKEY=%s\nURL=%s\n", d.ID, d.Attributes.Key, d.Attributes.Agent)
	fmt.Fprintln(s.err, "The key is shown only once.")
	return nil
}

// free returns an error when a device already has a name, because commands could
// not distinguish the two.
func (c *client) free(ctx context.Context, name string) error {
	list, err := c.list(ctx, "devices", "")
	if err != nil {
		return err
	}
	if id := named(list, name); id != "" {
		return tandem.Errorf(tandem.Conflict,
			"device %s already has the name %s: choose another name, or remove that device with tandem device remove", id, name)
	}
	return nil
}

type deviceRemoveCmd struct {
	nodeFlags
	Device string `arg:"" help:"Id or name of the device."`
}

func (c *deviceRemoveCmd) Run(ctx context.Context, s *streams) error {
	api, d, err := c.dialDevice(ctx, c.Device)
	if err != nil {
		return err
	}
	if group := d.Relationships["devicegroup"].ID; group != "" {
		this := map[string]any{"data": []map[string]string{{"type": "device", "id": d.ID}}}
		if err := api.do(ctx, "DELETE", "/devicegroups/"+group+"/relationships/devices", this, nil); err != nil {
			return err
		}
	}
	if err := api.do(ctx, "DELETE", "/devices/"+d.ID, nil, nil); err != nil {
		return err
	}
	fmt.Fprintln(s.out, d.ID)
	return nil
}

type deviceListCmd struct{ nodeFlags }

func (c *deviceListCmd) Run(ctx context.Context, s *streams) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	list, err := api.list(ctx, "devices", "")
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DEVICE\tNAME\tONLINE\tAGENT")
	for _, d := range list {
		online := "no"
		if d.Attributes.Online {
			online = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", d.ID, d.Attributes.Name, online, d.Attributes.Agent)
	}
	return t.Flush()
}

type deviceRunCmd struct{ launch.Options }

func (c *deviceRunCmd) Run(ctx context.Context, s *streams) error {
	if err := c.compiles(s); err != nil {
		return err
	}
	return c.Options.Run(ctx, s.err)
}

// compiles prints what is wrong with the code of --code, if anything is.
func (c *deviceRunCmd) compiles(s *streams) error {
	if c.Code == "" {
		return nil
	}
	src, err := os.ReadFile(c.Code)
	if err != nil {
		return fmt.Errorf("--code: %w", err)
	}
	if _, err := imp.Compile(tandem.DeviceSide, src, nil); err != nil {
		files := fileNames{imp.SourceName(tandem.DeviceSide): c.Code}
		fmt.Fprintln(s.err, files.text(notCompilable(err)))
		return errSilent
	}
	return nil
}

type logCmd struct {
	nodeFlags
	Follow  bool     `short:"f" help:"Then print new lines, until Ctrl-C."`
	Lines   int      `short:"n" placeholder:"N" default:"20" help:"Number of past lines of each device (${default})."`
	Devices []string `arg:"" optional:"" help:"Ids or names of devices; by default all."`
}

func (c *logCmd) Run(ctx context.Context, s *streams) error {
	if c.Lines < 0 {
		return tandem.Errorf(tandem.Invalid, "--lines must be 0 or more")
	}
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	devices, err := c.devices(ctx, api)
	if err != nil {
		return err
	}
	out := newLineWriter(s.out)
	out.ids = len(devices) != 1
	if c.Follow {
		return untilDone(api.follow(ctx, devices, c.Lines, out.entry))
	}
	return c.past(ctx, api, devices, out)
}

func (c *logCmd) devices(ctx context.Context, api *client) ([]resource, error) {
	if len(c.Devices) == 0 {
		return api.list(ctx, "devices", "")
	}
	var devices []resource
	for _, name := range c.Devices {
		d, err := api.device(ctx, name)
		if err != nil {
			return nil, err
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// past prints the last lines of the devices, merged by time.
func (c *logCmd) past(ctx context.Context, api *client, devices []resource, out *lineWriter) error {
	var all []tandem.LogEntry
	for _, d := range devices {
		lines, err := api.lines(ctx, tandem.DeviceID(d.ID), c.Lines)
		if err != nil {
			return err
		}
		slices.Reverse(lines)
		all = append(all, lines...)
	}
	slices.SortStableFunc(all, func(a, b tandem.LogEntry) int { return a.TS.Compare(b.TS) })
	for _, e := range all {
		out.entry(e)
	}
	return nil
}

// lines returns a device's last n lines, the newest first.
func (c *client) lines(ctx context.Context, id tandem.DeviceID, n int) (all []tandem.LogEntry, err error) {
	for number := 1; len(all) < n; number++ {
		var page struct {
			Data  []tandem.LogEntry
			Links map[string]string
		}
		path := fmt.Sprintf("/devices/%s/logs?page[number]=%d&page[size]=100", id, number)
		if err := c.do(ctx, "GET", path, nil, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Data {
			e.Device = id
			all = append(all, e)
		}
		if page.Links["next"] == "" {
			break
		}
	}
	return all[:min(n, len(all))], nil
}

type restartCmd struct {
	nodeFlags
	Side   string `arg:"" enum:"agent,device" help:"What to restart: agent or device."`
	Device string `arg:"" optional:"" help:"Id or name of the device; not needed when there is just one."`

	GiveUpSaved bool `help:"Start the agent without what is damaged of what it has saved."`
}

func (c *restartCmd) Run(ctx context.Context) error {
	api, err := c.dial(ctx)
	if err != nil {
		return err
	}
	var d resource
	if c.Device != "" {
		d, err = api.device(ctx, c.Device)
	} else {
		d, err = api.only(ctx)
	}
	if err != nil {
		return err
	}
	query := "?side=" + c.Side
	if c.GiveUpSaved {
		query += "&give_up_saved"
	}
	return api.do(ctx, "POST", "/devices/"+d.ID+"/restart"+query, nil, nil)
}

// only returns the only device, and fails when there is not exactly one.
func (c *client) only(ctx context.Context) (resource, error) {
	list, err := c.list(ctx, "devices", "")
	if err != nil {
		return resource{}, err
	}
	if len(list) != 1 {
		return resource{}, tandem.Errorf(tandem.Invalid, "there are %d devices: name one", len(list))
	}
	return list[0], nil
}
