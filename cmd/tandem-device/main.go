// Command tandem-device runs a device: the runtime of tandem device run alone, small enough for
// a router or an old Raspberry Pi.
//
//	tandem-device --claim 7K3M-Q0D4-X9TW --server https://tandem.example.com
//	tandem-device --identity kitchen.device --node tls://tandem.example.com
//
// It ends with status 0 when it is asked to (SIGTERM, Ctrl-C), after it has told the node; with
// 1 when it cannot go on, for what may be better at the next try; and with 2 when its command
// line is invalid.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/tandem-iot/tandem/device/launch"
	"github.com/tandem-iot/tandem/internal/version"
)

// garbage is the share of memory, in percent, that may be garbage before it is collected, where
// GOGC does not say otherwise. A device has little memory, and its own is outside of it: with Go's
// default of 100 an idle device keeps 3 MB more.
const garbage = 25

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	// A second signal changes nothing: to leave takes two seconds at most.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go releasing(ctx)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `tandem-device runs a device on this machine: its code, and its link to its agent at a node.

    tandem-device --claim CODE --server https://HOST [OPTION]...
    tandem-device --identity FILE --node tls://HOST [OPTION]...

With --claim it enrols, once, and then runs; later it needs no option.

Options:
`

func run(ctx context.Context, args []string, out, errs io.Writer) (status int) {
	flags := flag.NewFlagSet("tandem-device", flag.ContinueOnError)
	says := flags.Bool("version", false, "")
	var o launch.Options
	switch err := o.Parse(flags, args); {
	case errors.Is(err, flag.ErrHelp):
		return said(errs, help(out))
	case err != nil:
		fmt.Fprintf(errs, "tandem-device: %v (tandem-device --help lists the options)\n", err)
		return 2
	case *says:
		_, err := fmt.Fprintf(out, "tandem-device %s\n", version.Long())
		return said(errs, err)
	}
	return said(errs, runDevice(ctx, &o, errs))
}

func help(w io.Writer) error {
	if _, err := io.WriteString(w, usage); err != nil {
		return err
	}
	if err := launch.WriteOptions(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n  --version\n        Print the version.\n\n  --help\n        Print this.\n")
	return err
}

// said says why the command has failed, if it has, and returns its status.
func said(w io.Writer, err error) (status int) {
	if err == nil {
		return 0
	}
	fmt.Fprintf(w, "tandem-device: %s\n", strings.TrimSpace(err.Error()))
	return 1
}
