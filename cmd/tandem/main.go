// Command tandem runs and develops pairs of device and agent code.
//
//	tandem dev DIR            run a pair from a directory, redeploying as files change
//	tandem up                 run a node
//	tandem library add        give a node a library that code can #require
//	tandem cluster status     show the nodes of a cluster
//	tandem device run         run a device on this machine against a node
//	tandem run FILE.nut       run plain Squirrel
//	tandem check FILE.nut…    look for errors without running
//	tandem test DIR           run the tests of a pair in virtual time
//	tandem doc server.save    show the manual
//
// `tandem --help` lists every command, `tandem COMMAND --help` its flags.
//
// Results go to stdout and messages go to stderr. The exit status is 0 on success,
// 1 on failure, and 2 when the command line is invalid.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := newStopper(context.Background())
	os.Exit(run(ctx, os.Args[1:], &streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, stop: stop}))
}

// commands is the grammar of the command line; each command's flags are the
// fields of its struct and its code is its Run method.
type commands struct {
	Dev     devCmd     `cmd:"" help:"${help_dev}"`
	Up      upCmd      `cmd:"" help:"Run a node."`
	Deploy  deployCmd  `cmd:"" help:"${help_deploy}"`
	Account accountCmd `cmd:"" help:"Make accounts of the API, give them roles, or set a password."`
	Audit   auditCmd   `cmd:"" help:"Show who has changed what, and from where, the newest first."`
	Library libraryCmd `cmd:"" help:"Add a library that code can #require, or list the libraries of a running node."`
	Device  deviceCmd  `cmd:"" help:"Add devices to a running node, list them, or run one on this machine."`
	CA      caCmd      `cmd:"" name:"ca" help:"Show the authority that issues certificates of devices."`
	Log     logCmd     `cmd:"" help:"Print the log of devices and agents."`
	Restart restartCmd `cmd:"" help:"Restart a device or its agent."`
	Cluster clusterCmd `cmd:"" help:"Show the nodes of a cluster, or drain one."`
	Run     runCmd     `cmd:"" help:"Run a Squirrel program."`
	Check   checkCmd   `cmd:"" help:"Look for mistakes in Squirrel files: prints FILE:LINE:COLUMN: MESSAGE for each."`
	Test    testCmd    `cmd:"" help:"${help_test}"`
	Doc     docCmd     `cmd:"" help:"Show the manual of what agent and device code can call."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// streams are the standard streams of a command, and what takes requests to stop it.
type streams struct {
	in   io.Reader
	out  io.Writer
	err  io.Writer
	stop *stopper
}

// exit carries an exit status out of kong, which would end the process itself
// after printing help.
type exit int

// errSilent makes a command fail without a message: it has printed one, or its
// output is one.
var errSilent = errors.New("")

func newParser(grammar *commands, options ...kong.Option) *kong.Kong {
	parser, err := kong.New(grammar, append(options,
		kong.Name("tandem"),
		kong.Description("An open, self-hosted platform for pairs of device and agent code, compatible with Electric Imp."),
		vars(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)...)
	if err != nil {
		panic(err) // the grammar above is wrong
	}
	return parser
}

func run(ctx context.Context, args []string, s *streams) (status int) {
	defer func() {
		switch x := recover().(type) {
		case nil:
		case exit:
			status = int(x)
		default:
			panic(x)
		}
	}()
	parser := newParser(&commands{},
		kong.Writers(s.out, s.err),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help": // tandem help COMMAND, as with the go command
		args = append(args[1:len(args):len(args)], "--help")
	case args[0] == "--version":
		args = append([]string{"version"}, args[1:]...)
	}
	command, err := parser.Parse(args)
	if err == nil {
		err = checkFlags(command)
	}
	if err != nil {
		fmt.Fprintf(s.err, "tandem: %s\n", misused(err))
		return 2
	}
	err = command.Run()
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
	default:
		fmt.Fprintf(s.err, "tandem: %s\n", strings.TrimSpace(inWords(err)))
	}
	return 1
}
