package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tandem-iot/tandem"
)

// sqlstate returns the code of an error of PostgreSQL, "" for any other.
func sqlstate(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// clashes reports whether the server has aborted a transaction in favour of
// another one, so that another try may succeed.
func clashes(err error) bool {
	switch code := sqlstate(err); code {
	case lockUnavailable:
		return true
	default:
		return strings.HasPrefix(code, "40")
	}
}

// serverFailed reports whether an error is a failure of the server and not the
// fault of a statement.
func serverFailed(err error) bool {
	switch code := sqlstate(err); {
	case code == "": // the connection's, or the driver's
		return false
	case code == readOnly:
		return true
	default:
		switch code[:2] {
		case "08", "53", "57", "58", "F0", "XX":
			return true
		}
		return false
	}
}

// broken reports whether an existing connection broke.
func broken(err error) bool {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return false
	}
	if code := sqlstate(err); code != "" {
		return strings.HasPrefix(code, "57P")
	}
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.As(err, &network) && !network.Timeout()
}

// older reports whether a database lacks a table or a column that it had when it was opened.
func older(err error) bool {
	code := sqlstate(err)
	return code == "42P01" || code == "42703"
}

// readOnly is the code of a write to a standby server.
const readOnly = "25006"

// describe gives an error of the database a kind and a message with a remedy. It
// returns other errors unchanged.
func (p *postgres) describe(err error) error {
	var known *tandem.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if code := sqlstate(err); code != "" {
		kind, msg := p.wording(code)
		return &tandem.Error{Kind: kind, Msg: msg, Err: err}
	}
	var connect *pgconn.ConnectError
	switch {
	case errors.As(err, &connect):
		return p.unreachable(err)
	case errors.Is(err, context.DeadlineExceeded):
		return p.silent(err)
	case broken(err):
		return &tandem.Error{
			Kind: tandem.Unavailable,
			Msg:  "the connection to " + p.name + " broke; try again, and check its server",
			Err:  err,
		}
	}
	return err
}

// silent returns the error for a server that does not answer.
func (p *postgres) silent(err error) error {
	return &tandem.Error{
		Kind: tandem.Unavailable,
		Msg:  p.name + " does not answer; check its server and the network",
		Err:  err,
	}
}

// unreachable returns the error for a server that cannot be connected to.
func (p *postgres) unreachable(err error) error {
	if sqlstate(err) != "" {
		return p.describe(err)
	}
	return &tandem.Error{
		Kind: tandem.Unavailable,
		Msg:  p.name + " cannot be reached; start its server, or check the network",
		Err:  err,
	}
}

// wording returns our kind and message for a SQLSTATE.
func (p *postgres) wording(code string) (tandem.Kind, string) {
	switch code {
	case "42P01", "42703":
		return tandem.Conflict, p.name + " has an older schema than this node gave it, as after an old backup " +
			"was put back; the node stops, start it again"
	case "3D000":
		return tandem.NotFound, p.name + " does not exist; make it with CREATE DATABASE, or correct the URL"
	case "42501":
		return tandem.Forbidden, "the user of " + p.name + " may not do this; make that user its owner"
	case "53100":
		return tandem.Unavailable, "no space is left for " + p.name + "; free some"
	case "53300":
		return tandem.Unavailable, p.name + " has too many connections; raise its server's max_connections"
	case "57P03":
		return tandem.Unavailable, p.name + " cannot be reached, because its server is starting or stopping; try again"
	case "22021", "22P05":
		return tandem.Invalid, "a text has a zero byte or is not UTF-8, which the database cannot store; remove these bytes"
	case readOnly:
		return tandem.Unavailable, p.name + " can only be read, as its server is a standby or set to read only; " +
			"name the primary server in the URL"
	case lockUnavailable:
		return tandem.Unavailable, "another node is changing the same record of " + p.name + "; try again"
	}
	switch code[:2] {
	case "23":
		return tandem.Conflict, "the change contradicts another record"
	case "28":
		return tandem.Forbidden, p.name + " does not accept this user; " +
			"correct the user and password in the URL, or the server's pg_hba.conf"
	case "40":
		return tandem.Unavailable, "other nodes were changing the same records of " + p.name + "; try again"
	case "54":
		return tandem.Limit, "the record is too large for the database"
	case "53":
		return tandem.Unavailable, p.name + " is out of resources; give its server more memory, disk or connections"
	case "08", "57":
		return tandem.Unavailable, "the connection to " + p.name + " was ended by its server; try again"
	case "58", "F0":
		return tandem.Unavailable, "the disk of " + p.name + " failed; check it"
	case "XX":
		return tandem.Invalid, p.name + " is damaged; restore it from a backup"
	}
	return tandem.Internal, p.name + " failed"
}
