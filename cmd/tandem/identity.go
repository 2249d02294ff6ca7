package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
)

// identity is the identity of dev's device, which dev keeps from one run to the next in a
// file. Without the file dev makes a new device.
type identity struct {
	Device tandem.DeviceID `json:"device"`
	Key    string          `json:"key"`
	Group  string          `json:"group"`
}

func (d *dev) identityFile() string { return filepath.Join(d.Dir, ".tandem", "device.json") }

// deviceDir is where the device keeps its code and state.
func (d *dev) deviceDir() string { return filepath.Join(d.Dir, ".tandem", "device") }

// readIdentity returns the identity of the run before; one without a device if there is
// none.
func (d *dev) readIdentity() (who identity, err error) {
	data, err := os.ReadFile(d.identityFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return who, nil
	case err != nil:
		return who, err
	}
	if err := json.Unmarshal(data, &who); err != nil {
		return who, &tandem.Error{
			Kind: tandem.Invalid,
			Msg:  fmt.Sprintf("%s is damaged: delete it to get a new device", d.identityFile()),
			Err:  err,
		}
	}
	return who, nil
}

// enrol finds the device of an earlier run, or makes one, which needs settle.
func (d *dev) enrol(ctx context.Context) (made bool, err error) {
	// The directory belongs to this machine, and contains keys.
	if err := os.WriteFile(filepath.Join(d.Dir, ".tandem", ".gitignore"), []byte("*\n"), 0o600); err != nil {
		return false, err
	}
	if d.who.Device != "" && d.node.Central.Knows(ctx, d.who.Device) {
		return false, d.onlyOne(ctx)
	}
	group, err := d.node.Central.EnsureGroup(ctx, "dev", "dev")
	if err != nil {
		return false, err
	}
	dir, err := filepath.Abs(d.Dir) // it may be "."
	if err != nil {
		return false, err
	}
	// Its agent starts when it gets its group: its log is followed by then.
	device, key, err := d.node.Central.AddDevice(ctx, central.NewDevice{Name: filepath.Base(dir)})
	if err != nil {
		return false, err
	}
	d.who = identity{Device: device.ID, Key: key, Group: group.ID}
	if err := d.onlyOne(ctx); err != nil {
		return false, err
	}
	if err := d.log.Add(ctx, []tandem.DeviceID{device.ID}, 0); err != nil {
		return false, untilDone(err)
	}
	// What is there is another device's: its code, its flash, its posts.
	return true, os.RemoveAll(d.deviceDir())
}

// settle gives a device that enrol has made its group, and keeps its identity. The group
// has its code by then, so that the agent starts once.
func (d *dev) settle(ctx context.Context) error {
	if err := d.node.Central.Assign(ctx, d.who.Device, d.who.Group); err != nil {
		return err
	}
	data, err := json.MarshalIndent(d.who, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(d.identityFile(), append(data, '\n'), 0o600)
}

// onlyOne deletes the device that an earlier run had, if this one has another: the file
// with its key is gone, and its agent would run for no device, at an address that dev does
// not show. The node's directory has the id of the one that dev made last.
func (d *dev) onlyOne(ctx context.Context) error {
	file := filepath.Join(d.Dir, ".tandem", "node", "dev-device")
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	old := tandem.DeviceID(strings.TrimSpace(string(data)))
	if old == d.who.Device {
		return nil
	}
	if old.Valid() && d.node.Central.Knows(ctx, old) {
		if err := d.node.Central.Assign(ctx, old, ""); err != nil {
			return err
		}
		if err := d.node.Central.Delete(ctx, old); err != nil {
			return err
		}
		d.out.say("The device %s of the run before, which %s does not name any more, is deleted with its agent.",
			old, d.identityFile())
	}
	return os.WriteFile(file, []byte(d.who.Device+"\n"), 0o600)
}
