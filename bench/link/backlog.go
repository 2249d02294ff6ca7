package main

import (
	"context"
	"errors"
)

// backlog has a device that has kept readings get a link.
func backlog(context.Context, options, asker, pair) error { return errors.New("not yet") }
