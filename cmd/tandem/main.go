// Command tandem runs and develops pairs of device and agent code.
//
//	tandem dev DIR            run a pair from a directory, redeploying as files change
//	tandem up                 run a node
//	tandem login URL          use a node elsewhere
//	tandem library add        give a node a library that code can #require
//	tandem cluster status     show the nodes of a cluster
//	tandem device run         run a device on this machine against a node
//	tandem run FILE.nut       run plain Squirrel
//	tandem check FILE.nut…    look for errors without running
//	tandem test DIR           run the tests of a pair in virtual time
//	tandem rehearse DIR       look for what goes wrong with a pair under faults
//	tandem doc server.save    show the manual
//
// `tandem --help` lists the commands, `tandem COMMAND --help` what is below one, or its flags.
//
// Results go to stdout and messages go to stderr. The exit status is 0 on success,
// 1 on failure, and 2 when the command line is invalid.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/tandem-iot/tandem"
)

func main() {
	ctx, stop := newStopper(context.Background())
	os.Exit(run(ctx, os.Args[1:], &streams{in: os.Stdin, out: os.Stdout, err: os.Stderr, stop: stop}))
}

// commands is the grammar of the command line; each command's flags are the
// fields of its struct and its code is its Run method.
type commands struct {
	JSON  bool `name:"json" help:"Print results as JSON, and errors, too."`
	Quiet bool `short:"q" help:"Print results only: of lists the ids, and no messages."`

	Init    initCmd    `cmd:"" help:"${help_init}"`
	Dev     devCmd     `cmd:"" help:"${help_dev}"`
	Up      upCmd      `cmd:"" help:"Run a node."`
	Deploy  deployCmd  `cmd:"" help:"${help_deploy}"`
	Log     logCmd     `cmd:"" help:"Print the log of devices and agents."`
	Restart restartCmd `cmd:"" help:"Restart a device or its agent."`
	Run     runCmd     `cmd:"" help:"Run a Squirrel program."`
	Check   checkCmd   `cmd:"" help:"Look for mistakes in Squirrel files: print FILE:LINE:COLUMN: MESSAGE for each."`
	Test    testCmd    `cmd:"" help:"${help_test}"`

	Rehearse rehearseCmd `cmd:"" help:"${help_rehearse}"`

	Doc docCmd `cmd:"" help:"Show the manual of what agent and device code can call."`

	Login   loginCmd   `cmd:"" help:"Log in at a node, which commands use from then on."`
	Logout  logoutCmd  `cmd:"" help:"End a login, and forget it."`
	Context contextCmd `cmd:"" help:"Manage logins at nodes: which there are, and which one commands use."`

	Account    accountCmd    `cmd:"" help:"Manage accounts, their passwords and one-time passwords."`
	Key        keyCmd        `cmd:"" help:"Manage the login keys of your account."`
	Product    productCmd    `cmd:"" help:"Manage products, to which device groups belong."`
	Group      groupCmd      `cmd:"" help:"Manage device groups, whose devices run the same code."`
	Device     deviceCmd     `cmd:"" help:"Manage devices, and what they show; or run one on this machine."`
	Deployment deploymentCmd `cmd:"" help:"Manage deployments, the code of device groups."`
	Webhook    webhookCmd    `cmd:"" help:"Manage URLs that are called for events of device groups."`
	Audit      auditCmd      `cmd:"" help:"Show who has changed what, and from where."`
	Library    libraryCmd    `cmd:"" help:"Manage the libraries that code can #require."`
	CA         caCmd         `cmd:"" name:"ca" help:"Show the authority that issues certificates of devices."`
	Cluster    clusterCmd    `cmd:"" help:"Show the nodes of a cluster, or drain one."`

	Version    versionCmd    `cmd:"" help:"Print the version, and the commit that it was built from."`
	Completion completionCmd `cmd:"" help:"${help_completion}"`
}

// streams are the standard streams of a command, how it writes to them, and what takes requests to
// stop it.
type streams struct {
	in   io.Reader
	out  io.Writer
	err  io.Writer
	stop *stopper

	json  bool // results and errors are JSON
	quiet bool // no messages
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
		kong.PostBuild(putVars),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
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
	grammar := &commands{}
	parser := newParser(grammar,
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
	case args[0] == completeWord:
		complete(ctx, parser, args[1:], s)
		return 0
	}
	command, err := parser.Parse(args)
	s.json, s.quiet = grammar.JSON, grammar.Quiet
	if err == nil {
		err = checkFlags(command)
	}
	if err != nil {
		s.json = s.json || slices.Contains(args, "--json") // it may stand after the mistake
		s.report("usage", misused(err), err)
		return 2
	}
	err = command.Run()
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
	default:
		s.report(tandem.KindOf(err).String(), strings.TrimSpace(inWords(err)), err)
	}
	return 1
}
