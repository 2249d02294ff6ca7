package central

import (
	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
	"github.com/tandem-iot/tandem/store/record"
)

// Who may do what is decided here, and every call looks up its objects by these functions.
// What an account may not see does not exist for it: the answer is the same.

// may returns nil when the caller may see and change what belongs to an account. noun is for
// the message.
func (c *call) may(owner, noun string) error {
	if owner == "" || owner != c.account.ID {
		return record.Absent(noun)
	}
	return nil
}

// mayOperate returns nil when the caller may control the installation itself: its nodes, its
// accounts, and the libraries that all accounts share.
func (c *call) mayOperate() error {
	if c.account.Username != operatorName {
		return tandem.Errorf(tandem.Forbidden, "Invalid Permission: Only the account %s of this installation can do this.",
			operatorName)
	}
	return nil
}

// mayLook returns nil when the caller may see an account.
func (c *call) mayLook(a store.Account) error {
	if a.ID == c.account.ID || c.mayOperate() == nil {
		return nil
	}
	return record.Absent("account")
}

func (c *call) product(id string) (record.Product, error) {
	p, err := c.Store.Product(c.ctx, id)
	if err == nil {
		err = c.may(p.Owner, "product")
	}
	return p, err
}

func (c *call) ownGroup(id string) (record.Group, error) {
	if id == "" {
		return record.Group{}, record.Absent("device group")
	}
	g, err := c.group(id)
	if err == nil {
		err = c.may(g.Owner, "device group")
	}
	return g, err
}

func (c *call) deployment(id string) (record.Deployment, error) {
	d, err := c.Store.Deployment(c.ctx, id)
	if err == nil {
		err = c.may(d.Owner, "deployment")
	}
	return d, err
}

func (c *call) webhook(id string) (store.Webhook, error) {
	w, err := c.Store.Webhook(c.ctx, id)
	if err == nil {
		err = c.may(w.Owner, "webhook")
	}
	return w, err
}
