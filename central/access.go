package central

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/internal/durable"
	"github.com/tandem-iot/tandem/store"
)

// Access has what a tool needs to find a node and to authenticate itself.
type Access struct {
	URL    string `json:"url"`             // of the HTTP listener
	Local  string `json:"local,omitempty"` // the same on this machine, when URL is that of a proxy
	Agents string `json:"agents"`          // origin of agents' addresses; in domain form https://*.example.net
	MQTT   string `json:"mqtt"`            // address of the MQTT listener
	Key    string `json:"key"`             // a login key
}

// toolsKey describes the login key in the access file.
const toolsKey = "the tandem command on this machine"

// WriteAccess writes the access file, which only its owner can read. The addresses
// may change from one start of the node to the next; the key stays.
func (s *Service) WriteAccess(ctx context.Context, file, mqtt string) error {
	owner, err := s.operator(ctx)
	if err != nil {
		return err
	}
	keys, _, err := s.Store.LoginKeys(ctx, owner.ID, store.Page{})
	if err != nil {
		return err
	}
	a := Access{URL: s.URL, Local: s.Local, Agents: s.Agents.String(), MQTT: mqtt}
	for _, k := range keys {
		if k.Description == toolsKey {
			a.Key = k.ID
		}
	}
	if a.Key == "" {
		k, err := s.Store.AddLoginKey(ctx, store.LoginKey{ID: newLoginKey(), Account: owner.ID, Description: toolsKey})
		if err != nil {
			return err
		}
		a.Key = k.ID
	}
	data, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	return durable.Write(file, append(data, '\n'))
}

// ReadAccess reads the access file of a node.
func ReadAccess(file string) (Access, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Access{}, tandem.Errorf(tandem.NotFound, "there is no %s: name the data directory of a node that has been "+
			"started with --data; that of tandem dev DIR is DIR/.tandem/node", file)
	}
	if err != nil {
		return Access{}, err
	}
	var a Access
	if err := json.Unmarshal(data, &a); err != nil {
		return Access{}, &tandem.Error{
			Kind: tandem.Invalid, Err: err,
			Msg: file + " is damaged: start the node again, which rewrites it",
		}
	}
	return a, nil
}
