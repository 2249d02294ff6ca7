package launch

import (
	"bytes"
	"cmp"
	"os"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/device/enrol"
)

// identity says which device this is, and where its node is.
type identity struct {
	id        tandem.DeviceID
	key, node string
}

// identity returns what the options say, and for the rest what the file says.
func (o *Options) identity() (who identity, err error) {
	file := map[string]string{}
	if o.Identity != "" {
		if file, err = readIdentity(o.Identity); err != nil {
			return who, err
		}
	}
	who = identity{
		tandem.DeviceID(cmp.Or(o.ID, file["ID"])), cmp.Or(o.Key, file["KEY"]), cmp.Or(o.Node, file["NODE"]),
	}
	switch {
	case who.id != "" && !who.id.Valid():
		return who, tandem.Errorf(tandem.Invalid, "%q is not a device id, which has 16 digits of 0-9a-f", string(who.id))
	case who.id == "" && who.key != "":
		return who, tandem.Errorf(tandem.Invalid,
			"give the id of the device with this key, by --id or in the file of --identity")
	case o.Server != "" && o.Claim == "":
		return who, tandem.Errorf(tandem.Invalid,
			"--server says where to enrol: give --claim too, or --node for where to connect")
	case o.Certificate && o.Claim == "":
		return who, tandem.Errorf(tandem.Invalid, "--certificate is for enrolling: give --claim too")
	case who.id != "" && o.Claim != "":
		return who, tandem.Errorf(tandem.Invalid, "--claim gives the device its id: leave out --id, or --claim")
	}
	return who, nil
}

// directory returns where the device keeps what it has.
func (o *Options) directory(id tandem.DeviceID) string {
	name := DefaultDir
	if id != "" {
		name += "-" + string(id)
	}
	return cmp.Or(o.Dir, name)
}

// resolve returns where the device connects. It fails when it cannot be known who the device is,
// or how it proves that.
func (o *Options) resolve(who identity, dir string) (node string, err error) {
	enrolled, err := enrol.Load(dir)
	if err == nil && enrolled.Device != "" && (who.id == "" || who.id == enrolled.Device) {
		return cmp.Or(who.node, enrolled.Server, DefaultNode), nil
	}
	switch {
	case who.id == "" && err != nil:
		return "", err
	case who.id == "":
		return "", tandem.Errorf(tandem.Invalid, "this device has no identity in %s: enrol it with --claim CODE, "+
			"or give --identity FILE, or --id and --key", dir)
	case who.key == "" && o.ClientCert == "":
		return "", tandem.Errorf(tandem.Invalid,
			"give the key of device %s: in the file of --identity, in TANDEM_DEVICE_KEY or with --key", who.id)
	}
	return cmp.Or(who.node, DefaultNode), nil
}

// readIdentity reads a file with lines such as ID=… and KEY=…. Names in any case are taken, and
// those of the environment, so that a file can serve as both; other names are for others.
func readIdentity(name string) (map[string]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, &tandem.Error{Kind: tandem.Invalid, Msg: "--identity", Err: err}
	}
	values := map[string]string{}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, tandem.Errorf(tandem.Invalid, "%s:%d: this is not a line such as KEY=…", name, n)
		}
		key = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(key)), "TANDEM_DEVICE_")
		values[key] = strings.Trim(strings.TrimSpace(value), `"'`)
	}
	return values, nil
}
