package store

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store/record"
)

// LoginKeysPerAccount is how many login keys an account can have.
const LoginKeysPerAccount = 10

// An Account is a user of the API.
type Account struct {
	ID               string
	Username, Email  string // each unique, ignoring case
	Password         string // encoded by the caller's hash function; opaque to the store
	Created, Updated time.Time
	Administrator    bool // it controls the installation
}

// A Token lets its bearer act for an account. Only a hash of the secret is kept.
type Token struct {
	ID      string
	Account string
	Refresh bool // it can only be exchanged for an access token
	Created time.Time
	Expires time.Time // zero: never

	hash []byte
}

// A LoginKey can be exchanged for access tokens. The API identifies it by its
// secret of 16 characters, so the secret itself is kept.
type LoginKey struct {
	ID          string
	Account     string
	Description string
	Usages      int
	Created     time.Time
}

var accounts = table[Account]{
	name: "accounts", noun: "account", order: "rowid",
	columns: "id, username, email, password, created, updated, administrator",
	fields: func(a *Account) []any {
		return []any{&a.ID, &a.Username, &a.Email, &a.Password, (*milli)(&a.Created), (*milli)(&a.Updated),
			&a.Administrator}
	},
}

var tokens = table[Token]{
	name: "tokens", noun: "token", order: "rowid", quiet: true,
	columns: "id, account, hash, refresh, created, expires",
	fields: func(t *Token) []any {
		return []any{&t.ID, &t.Account, &t.hash, &t.Refresh, (*milli)(&t.Created), (*milli)(&t.Expires)}
	},
}

var loginKeys = table[LoginKey]{
	name: "login_keys", noun: "login key", order: "rowid",
	columns: "id, account, description, usages, created",
	fields: func(k *LoginKey) []any {
		return []any{&k.ID, &k.Account, &k.Description, &k.Usages, (*milli)(&k.Created)}
	},
}

// AddAccount makes an account.
func (s *Store) AddAccount(ctx context.Context, a Account) (Account, error) {
	err := s.do(ctx, func() (err error) {
		a, err = s.addAccount(a)
		return err
	})
	return a, err
}

const duplicateAccount = "Duplicate Resource: Accounts must have unique names and e-mail addresses."

// addAccount is AddAccount inside a transaction.
func (s *Store) addAccount(a Account) (Account, error) {
	a.ID, a.Created = newID(), s.stamp()
	a.Updated = a.Created
	return a, named(accounts.insert(s, &a), duplicateAccount)
}

// Account returns an account by its id.
func (s *Store) Account(ctx context.Context, id string) (Account, error) {
	a, err := accounts.one(ctx, s.read, where("id = ?", id))
	return a, s.describe(err)
}

// AccountNamed returns an account by its user name or e-mail address.
func (s *Store) AccountNamed(ctx context.Context, name string) (Account, error) {
	a, err := accounts.one(ctx, s.read, where("lower(username) = lower(?) OR lower(email) = lower(?)", name, name))
	return a, s.describe(err)
}

// Accounts returns accounts, the oldest first, and the After of the
// next page.
func (s *Store) Accounts(ctx context.Context, page Page) ([]Account, int, error) {
	return accounts.list(ctx, s, condition{}, page)
}

// ChangeAccount edits an account.
func (s *Store) ChangeAccount(ctx context.Context, id string, edit func(*Account) error) (Account, error) {
	a, err := accounts.change(ctx, s, id, func(a *Account) error {
		a.Updated = s.stamp()
		return edit(a)
	})
	return a, named(err, duplicateAccount)
}

// SetPassword gives an account a password, encoded by the caller, and ends what was logged in
// with the old one.
func (s *Store) SetPassword(ctx context.Context, id, password string) (a Account, err error) {
	err = s.do(ctx, func() error {
		if a, err = accounts.one(s.inside(), s.write, where("id = ?", id)); err != nil {
			return err
		}
		a.Password, a.Updated = password, s.stamp()
		if err := accounts.update(s, &a); err != nil {
			return err
		}
		return s.exec("DELETE FROM tokens WHERE account = ?", id)
	})
	return a, err
}

// AddToken makes a token for an account with the given secret, and drops
// expired tokens. It uses t's Account, Refresh and Expires.
func (s *Store) AddToken(ctx context.Context, t Token, secret string) (Token, error) {
	t.ID = newID()
	t.hash = record.Hash(secret)
	t.Created = s.stamp()
	err := s.do(ctx, func() error {
		if err := s.exec("DELETE FROM tokens WHERE expires > 0 AND expires <= ?", milli(t.Created)); err != nil {
			return err
		}
		return tokens.insert(s, &t)
	})
	return t, err
}

// Token returns the token with a secret. It fails with NotFound when there is
// none or it has expired.
func (s *Store) Token(ctx context.Context, secret string) (Token, error) {
	t, err := tokens.one(ctx, s.read,
		where("hash = ? AND (expires = 0 OR expires > ?)", record.Hash(secret), milli(s.stamp())))
	return t, s.describe(err)
}

// Tokens returns an account's refresh tokens.
func (s *Store) Tokens(ctx context.Context, account string, page Page) ([]Token, int, error) {
	return tokens.list(ctx, s, where("account = ? AND refresh", account), page)
}

// DeleteToken revokes a token of an account by its id.
func (s *Store) DeleteToken(ctx context.Context, account, id string) error {
	return s.do(ctx, func() error {
		if _, err := tokens.one(s.inside(), s.write, where("id = ? AND account = ?", id, account)); err != nil {
			return err
		}
		return tokens.remove(s, id)
	})
}

// AddLoginKey makes a login key. The caller chooses its ID. An account can have
// LoginKeysPerAccount of them.
func (s *Store) AddLoginKey(ctx context.Context, k LoginKey) (LoginKey, error) {
	k.Created = s.stamp()
	err := s.do(ctx, func() error {
		// The lock of the account's row keeps other nodes from counting at the same time.
		if _, err := accounts.one(s.inside(), s.write, where("id = ?", k.Account)); err != nil {
			return err
		}
		list, err := loginKeys.query(s.inside(), s.write, where("account = ?", k.Account), Page{})
		if err != nil {
			return err
		}
		if len(list) >= LoginKeysPerAccount {
			return tandem.Errorf(tandem.Limit,
				"Account Limit Reached: An account can have %d login keys; delete one first.", LoginKeysPerAccount)
		}
		return loginKeys.insert(s, &k)
	})
	return k, err
}

// LoginKey returns a login key. The caller must check its Account.
func (s *Store) LoginKey(ctx context.Context, id string) (LoginKey, error) {
	k, err := loginKeys.one(ctx, s.read, where("id = ?", id))
	return k, s.describe(err)
}

// LoginKeys returns an account's login keys.
func (s *Store) LoginKeys(ctx context.Context, account string, page Page) ([]LoginKey, int, error) {
	return loginKeys.list(ctx, s, where("account = ?", account), page)
}

// ChangeLoginKey edits a login key, for example to count a usage.
func (s *Store) ChangeLoginKey(ctx context.Context, id string, edit func(*LoginKey) error) (LoginKey, error) {
	return loginKeys.change(ctx, s, id, edit)
}

// DeleteLoginKey deletes a login key.
func (s *Store) DeleteLoginKey(ctx context.Context, id string) error {
	return s.do(ctx, func() error { return loginKeys.remove(s, id) })
}
