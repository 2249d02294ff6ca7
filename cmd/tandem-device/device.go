//go:build !trial

package main

import (
	"context"
	"io"

	"github.com/tandem-iot/tandem/device/launch"
)

// runDevice runs the device until ctx ends.
func runDevice(ctx context.Context, o *launch.Options, w io.Writer) error { return o.Run(ctx, w) }
