package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central/client"
	"github.com/tandem-iot/tandem/device/launch"
	"github.com/tandem-iot/tandem/imp"
)

type deployCmd struct {
	nodeFlags
	groupFlags
	ValidateTLS *bool    `name:"validate-tls" negatable:"" help:"${help_validate_tls}"`
	Description string   `placeholder:"TEXT" help:"What is new, for people."`
	Tag         []string `placeholder:"TEXT" help:"Tag the deployment; may be given more than once."`
	Dir         string   `arg:"" optional:"" default:"." help:"${help_deploy_dir}"`
}

func (c *deployCmd) Run(ctx context.Context, s *streams) error {
	src, err := readPair(c.Dir)
	if err != nil {
		return err
	}
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	g, err := n.target(ctx, c.groupFlags)
	if err != nil {
		return err
	}
	if c.ValidateTLS != nil {
		if _, err := n.ChangeGroup(ctx, g.ID, client.GroupChange{ValidateTLS: c.ValidateTLS}); err != nil {
			return err
		}
	}
	d, err := n.AddDeployment(ctx, g.ID, client.NewDeployment{
		AgentCode: string(src.agent), DeviceCode: string(src.device), Description: c.Description, Tags: c.Tag,
	})
	if err != nil {
		return compiled(s, c.nodeFlags, pairFiles(c.Dir), err)
	}
	if err := n.RestartGroup(ctx, g.ID); err != nil {
		return err
	}
	if err := n.name(ctx, g.Product, d.Product, d.Group); err != nil {
		return err
	}
	s.say("Deployed to device group %s of product %s, whose devices restart.", g.Name, called(g.Product))
	return s.made(d, d.ID)
}

type deviceCmd struct {
	List     deviceListCmd     `cmd:"" help:"List the devices."`
	Show     deviceShowCmd     `cmd:"" help:"Show a device and its agent."`
	Add      deviceAddCmd      `cmd:"" help:"Make a device and print its id, its key and its agent's address."`
	Change   deviceChangeCmd   `cmd:"" help:"Change the name of a device."`
	Remove   deviceRemoveCmd   `cmd:"" help:"${help_device_remove}"`
	Assign   deviceAssignCmd   `cmd:"" help:"Assign devices to a device group, with whose code they restart."`
	Unassign deviceUnassignCmd `cmd:"" help:"Take devices out of their device groups, so that they and their agents stop."`
	History  deviceHistoryCmd  `cmd:"" help:"List what has happened to a device, the newest first."`
	Run      deviceRunCmd      `cmd:"" help:"Run a device on this machine, against any node."`
	Set      deviceSetCmd      `cmd:"" help:"Have something happen at the simulated board of a device on this machine."`

	Claim       deviceClaimCmd       `cmd:"" help:"Make claim codes, list them, or revoke one."`
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
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	if c.Name != "" {
		if err := n.free(ctx, c.Name); err != nil {
			return err
		}
	}
	g, err := n.target(ctx, c.groupFlags)
	if err != nil {
		return err
	}
	d, err := n.AddDevice(ctx, g.ID, c.Name)
	if err != nil {
		return err
	}
	if err := n.name(ctx, d.Product, d.Group, d.Owner); err != nil {
		return err
	}
	if err := s.result(d, fmt.Sprintf("ID=%s\nKEY=%s\nURL=%s\n", d.ID, d.Key, d.AgentURL)); err != nil {
		return err
	}
	s.say("The key is shown only once.")
	return nil
}

// free returns an error when a device already has a name, because commands could
// not distinguish the two.
func (n *node) free(ctx context.Context, name string) error {
	list, err := collect(n.s, "devices", n.Devices(ctx, client.DeviceFilter{}))
	for _, d := range list {
		if d.Name == name {
			return tandem.Errorf(tandem.Conflict,
				"device %s already has the name %s: choose another name, or remove that device with tandem device remove",
				d.ID, name)
		}
	}
	return err
}

// shownDevice names a device to people.
func shownDevice(d client.Device) string {
	if d.Name == "" {
		return d.ID
	}
	return d.Name + " (" + d.ID + ")"
}

type deviceShowCmd struct {
	nodeFlags
	Device string `arg:"" help:"Id or name of the device."`
}

func (c *deviceShowCmd) Run(ctx context.Context, s *streams) error {
	n, d, err := c.dialDevice(ctx, s, c.Device)
	if err != nil {
		return err
	}
	if err := n.name(ctx, d.Product, d.Group, d.Owner); err != nil {
		return err
	}
	return described(s, d, d.ID)
}

type deviceChangeCmd struct {
	nodeFlags
	Name   *string `placeholder:"NAME" help:"Another name; an empty one takes the name away."`
	Device string  `arg:"" help:"Id or name of the device."`
}

func (c *deviceChangeCmd) Run(ctx context.Context, s *streams) error {
	n, d, err := c.dialDevice(ctx, s, c.Device)
	if err != nil {
		return err
	}
	if c.Name != nil && *c.Name != d.Name {
		if *c.Name != "" {
			if err := n.free(ctx, *c.Name); err != nil {
				return err
			}
		}
		if d, err = n.RenameDevice(ctx, d.ID, *c.Name); err != nil {
			return err
		}
	}
	return s.made(d, d.ID)
}

type deviceRemoveCmd struct {
	nodeFlags
	yesFlag
	Device string `arg:"" help:"Id or name of the device."`
}

func (c *deviceRemoveCmd) Run(ctx context.Context, s *streams) error {
	n, d, err := c.dialDevice(ctx, s, c.Device)
	if err != nil {
		return err
	}
	const msg = "This removes device %s with its agent, what that has saved, and their log, from %s"
	remove := func() error {
		if d.Group != nil {
			if err := n.Unassign(ctx, d.Group.ID, d.ID); err != nil {
				return err
			}
		}
		return n.RemoveDevice(ctx, d.ID)
	}
	return c.remove(s, d.ID, remove, msg, shownDevice(d), n.Node())
}

// someDevices is the argument of a command for devices.
type someDevices struct {
	nodeFlags
	Devices []string `arg:"" help:"Ids or names of devices."`
}

// dialDevices returns the devices that are named. Nothing is done when one of them is unknown.
func (c *someDevices) dialDevices(ctx context.Context, s *streams) (n *node, list []client.Device, err error) {
	if n, err = c.dial(ctx, s); err != nil {
		return nil, nil, err
	}
	for _, name := range c.Devices {
		d, err := n.device(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, d)
	}
	return n, list, nil
}

type deviceAssignCmd struct {
	someDevices
	Product string `placeholder:"PRODUCT" help:"${help_group_product}"`
	Group   string `required:"" placeholder:"GROUP" help:"Name or id of the device group."`
}

func (c *deviceAssignCmd) Run(ctx context.Context, s *streams) error {
	n, list, err := c.dialDevices(ctx, s)
	if err != nil {
		return err
	}
	g, err := n.group(ctx, c.Product, c.Group)
	if err != nil {
		return err
	}
	ids := make([]string, len(list))
	for i, d := range list {
		ids[i] = d.ID
	}
	if err := n.Assign(ctx, g.ID, ids...); err != nil {
		return err
	}
	return n.showNow(ctx, list)
}

type deviceUnassignCmd struct {
	someDevices
	yesFlag
}

func (c *deviceUnassignCmd) Run(ctx context.Context, s *streams) error {
	n, list, err := c.dialDevices(ctx, s)
	if err != nil {
		return err
	}
	if err := c.confirm(s, "This stops %d devices and their agents", len(list)); err != nil {
		return err
	}
	for _, d := range list {
		if d.Group == nil {
			continue
		}
		if err := n.Unassign(ctx, d.Group.ID, d.ID); err != nil {
			return err
		}
	}
	return n.showNow(ctx, list)
}

// showNow writes what has become of devices.
func (n *node) showNow(ctx context.Context, list []client.Device) error {
	for i := range list {
		if !n.s.json {
			if err := n.s.made(nil, list[i].ID); err != nil {
				return err
			}
			continue
		}
		d, err := n.Device(ctx, list[i].ID)
		if err == nil {
			err = n.name(ctx, d.Product, d.Group, d.Owner)
		}
		if err != nil {
			return err
		}
		list[i] = d
	}
	if n.s.json {
		return encode(n.s.out, list)
	}
	return nil
}

type deviceHistoryCmd struct {
	nodeFlags
	listFlags
	Device string `arg:"" help:"Id or name of the device."`
}

func (c *deviceHistoryCmd) Run(ctx context.Context, s *streams) error {
	n, d, err := c.dialDevice(ctx, s, c.Device)
	if err != nil {
		return err
	}
	all, err := collect(s, "events", n.History(ctx, d.ID))
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, e := range all {
		group := &client.Ref{Type: groupSuffix, ID: e.Group}
		by := &client.Ref{Type: "account", ID: e.Actor}
		if err := n.name(ctx, group, by); err != nil {
			return err
		}
		names[e.Group], names[e.Actor] = called(group), called(by)
	}
	return listed(s, c.listFlags, all, []column[client.DeviceEvent]{
		{"time", func(e client.DeviceEvent) string { return at(e.Timestamp) }},
		{"event", func(e client.DeviceEvent) string { return e.Event }},
		{"group", func(e client.DeviceEvent) string { return names[e.Group] }},
		{"by", func(e client.DeviceEvent) string { return names[e.Actor] }},
	})
}

type deviceListCmd struct {
	nodeFlags
	listFlags
	Product    string `placeholder:"PRODUCT" help:"Only those of this product."`
	Group      string `placeholder:"GROUP" help:"Only those of this device group."`
	Unassigned bool   `help:"Only those that are in no device group."`
}

func (c *deviceListCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	f := client.DeviceFilter{Unassigned: c.Unassigned}
	if f.Product, f.Group, err = n.selected(ctx, c.Product, c.Group); err != nil {
		return err
	}
	all, err := collect(s, "devices", n.Devices(ctx, f))
	if err != nil {
		return err
	}
	for _, d := range all {
		if err := n.name(ctx, d.Product, d.Group, d.Owner); err != nil {
			return err
		}
	}
	return listed(s, c.listFlags, all, []column[client.Device]{
		{"device", func(d client.Device) string { return d.ID }},
		{"name", func(d client.Device) string { return d.Name }},
		{"product", func(d client.Device) string { return called(d.Product) }},
		{"group", func(d client.Device) string { return called(d.Group) }},
		{"online", func(d client.Device) string { return yesNo(d.Online) }},
		{"changed", func(d client.Device) string { return when(d.Changed) }},
		{"agent", func(d client.Device) string { return d.AgentURL }},
	})
}

type deviceRunCmd struct{ launch.Options }

func (c *deviceRunCmd) Run(ctx context.Context, s *streams) error {
	if err := c.compiles(s); err != nil {
		return err
	}
	c.LogJSON = s.json
	if s.quiet && c.LogLevel == "info" {
		c.LogLevel = "warn"
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
		return s.failed(files.text(notCompilable(err)))
	}
	return nil
}

type restartCmd struct {
	nodeFlags
	yesFlag
	Side   string `arg:"" enum:"agent,device" help:"What to restart: agent or device."`
	Device string `arg:"" optional:"" help:"Id or name of the device; not needed when there is just one."`

	GiveUpSaved bool `help:"Start the agent without what is damaged of what it has saved."`
}

func (c *restartCmd) Run(ctx context.Context, s *streams) error {
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	var d client.Device
	if c.Device != "" {
		d, err = n.device(ctx, c.Device)
	} else {
		d, err = n.only(ctx)
	}
	if err != nil {
		return err
	}
	if c.GiveUpSaved {
		err := c.confirm(s, "This gives up what is damaged of what the agent of device %s has saved", shownDevice(d))
		if err != nil {
			return err
		}
	}
	if err := n.Restart(ctx, d.ID, c.Side, c.GiveUpSaved); err != nil {
		return err
	}
	return s.result(map[string]string{"id": d.ID, "restarted": c.Side}, "")
}

// only returns the only device, and fails when there is not exactly one.
func (n *node) only(ctx context.Context) (client.Device, error) {
	list, err := collect(n.s, "devices", n.Devices(ctx, client.DeviceFilter{}))
	if err != nil {
		return client.Device{}, err
	}
	if len(list) != 1 {
		return client.Device{}, tandem.Errorf(tandem.Invalid, "there are %d devices: name one", len(list))
	}
	return list[0], nil
}
