package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// inWords returns the text of an error in which what Go's libraries say is in words.
func inWords(err error) string {
	text := err.Error()
	for _, e := range causes(err) {
		if words := said(e); words != "" {
			text = strings.ReplaceAll(text, e.Error(), words)
		}
	}
	return text
}

// causes returns an error and those that it wraps, the outermost first.
func causes(err error) []error {
	if err == nil {
		return nil
	}
	all := []error{err}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		all = append(all, causes(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			all = append(all, causes(cause)...)
		}
	}
	return all
}

// said returns an error of a library in words; "" if it is none or its own words will do.
func said(err error) string {
	switch e := err.(type) {
	case *fs.PathError:
		return saidOfPath(e)
	case *pgconn.ConnectError:
		for _, cause := range causes(e.Unwrap()) {
			if words := said(cause); words != "" {
				return words
			}
		}
	case *net.OpError:
		at := ""
		if e.Addr != nil {
			at = e.Addr.String() + ": "
		}
		if words := said(e.Err); words != "" {
			return words
		}
		return at + e.Err.Error()
	case *os.SyscallError:
		return e.Err.Error()
	case *json.SyntaxError, *json.UnmarshalTypeError:
		return "it is not the JSON that is expected"
	case tls.RecordHeaderError:
		return "it does not speak TLS"
	case x509.UnknownAuthorityError:
		return "no authority that this machine knows has signed its certificate"
	case *net.DNSError:
		if e.IsNotFound {
			return "there is no host " + e.Name
		}
		return "the address of " + e.Name + " cannot be looked up"
	}
	return ""
}

// saidOfPath says what is the matter with a file or a directory.
func saidOfPath(e *fs.PathError) string {
	switch {
	case e.Op == "mkdir":
		return "the directory " + e.Path + " cannot be made: " + e.Err.Error()
	case errors.Is(e.Err, fs.ErrNotExist):
		return "there is no file " + e.Path
	case errors.Is(e.Err, fs.ErrPermission):
		return e.Path + " may not be used: permission denied"
	case errors.Is(e.Err, syscall.EISDIR):
		return e.Path + " is a directory, not a file"
	case errors.Is(e.Err, syscall.ENOTDIR):
		return e.Path + " is below a file, which is not a directory"
	}
	return e.Path + ": " + e.Err.Error()
}
