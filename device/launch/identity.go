package launch

import (
	"bytes"
	"cmp"
	"os"
	"strings"

	"github.com/tandem-iot/tandem"
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
		tandem.DeviceID(cmp.Or(o.ID, file["ID"])), cmp.Or(o.Key, file["KEY"]),
		cmp.Or(o.Node, file["NODE"], DefaultNode),
	}
	switch {
	case who.id == "":
		return who, tandem.Errorf(tandem.Invalid, "give the device's id: --identity FILE, or --id and --key")
	case !who.id.Valid():
		return who, tandem.Errorf(tandem.Invalid, "%q is not a device id, which has 16 digits of 0-9a-f", string(who.id))
	case who.key == "" && o.ClientCert == "":
		return who, tandem.Errorf(tandem.Invalid,
			"give the key of device %s: in the file of --identity, in TANDEM_DEVICE_KEY or with --key", who.id)
	}
	return who, nil
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
