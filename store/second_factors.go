package store

import (
	"context"
	"time"

	"github.com/tandem-iot/tandem"
)

// A SecondFactor is what an account shows besides its password: one-time passwords.
type SecondFactor struct {
	Account  string
	Secret   []byte
	Enabled  bool     // false: it has not been confirmed yet, and is not asked for
	Step     int      // of the newest one-time password that was used; none is used twice
	Recovery []string // hashes of the codes that are left
	// Login is the hash of a login token: until LoginUntil its bearer has shown the password.
	Login      []byte
	LoginUntil time.Time
	Created    time.Time
}

var secondFactors = table[SecondFactor]{
	name: "second_factors", noun: "second factor", order: "rowid",
	columns: "account, secret, enabled, step, recovery, login, login_until, created",
	fields: func(f *SecondFactor) []any {
		return []any{&f.Account, &f.Secret, &f.Enabled, &f.Step, (*words)(&f.Recovery), (*blob)(&f.Login),
			(*milli)(&f.LoginUntil), (*milli)(&f.Created)}
	},
}

// SecondFactor returns the second factor of an account, NotFound when it has none.
func (s *Store) SecondFactor(ctx context.Context, account string) (SecondFactor, error) {
	f, err := secondFactors.one(ctx, s.read, where("account = ?", account))
	return f, s.describe(err)
}

// SecondFactorOf returns the second factor to which a login token belongs.
func (s *Store) SecondFactorOf(ctx context.Context, login []byte) (SecondFactor, error) {
	f, err := secondFactors.one(ctx, s.read, where("login = ? AND login_until > ?", login, milli(s.stamp())))
	return f, s.describe(err)
}

// AddSecondFactor gives an account a second factor, in the place of one that is not enabled.
func (s *Store) AddSecondFactor(ctx context.Context, f SecondFactor) (SecondFactor, error) {
	f.Created = s.stamp()
	err := s.do(ctx, func() error {
		old, err := secondFactors.one(s.inside(), s.write, where("account = ?", f.Account))
		switch {
		case tandem.KindOf(err) == tandem.NotFound:
		case err != nil:
			return err
		case old.Enabled:
			return tandem.Errorf(tandem.Conflict, "Duplicate Resource: The account has a second factor; delete it first.")
		default:
			if err := secondFactors.remove(s, f.Account); err != nil {
				return err
			}
		}
		return secondFactors.insert(s, &f)
	})
	return f, err
}

// ChangeSecondFactor edits a second factor.
func (s *Store) ChangeSecondFactor(
	ctx context.Context, account string, edit func(*SecondFactor) error,
) (SecondFactor, error) {
	return secondFactors.change(ctx, s, account, edit)
}

// DeleteSecondFactor deletes the second factor of an account.
func (s *Store) DeleteSecondFactor(ctx context.Context, account string) error {
	return s.do(ctx, func() error { return secondFactors.remove(s, account) })
}
