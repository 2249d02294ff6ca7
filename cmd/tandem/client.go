package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/central/client"
	"github.com/tandem-iot/tandem/server"
	"github.com/tandem-iot/tandem/squirrel/syntax"
)

// nodeFlags are the flags that select the node of a command.
type nodeFlags struct {
	Context string `placeholder:"CONTEXT" env:"TANDEM_CONTEXT" help:"${help_context}"`
	Data    string `placeholder:"DIR" env:"TANDEM_DATA" help:"${help_node}"`
	URL     string `name:"url" placeholder:"URL" env:"TANDEM_URL" help:"A node elsewhere; needs --login-key."`
	Key     string `name:"login-key" placeholder:"KEY" env:"TANDEM_LOGIN_KEY" help:"Login key for --url."`
	CACert  string `name:"cacert" placeholder:"FILE" env:"TANDEM_CACERT" help:"${help_cacert}"`
}

// defaultData is the default data directory of a node.
const defaultData = "tandem-data"

// devData is the data directory of the node of tandem dev, in the directory of the pair.
var devData = filepath.Join(".tandem", "node")

// access is how a node is reached.
type access struct {
	url     string
	login   client.Login
	cacert  string // PEM; "": the authorities that the machine knows
	context string // its name; "": the login is from no context
}

// access returns how the node is reached that the flags select.
func (f nodeFlags) access() (a access, err error) {
	switch {
	case f.URL != "" && f.Key == "":
		return a, tandem.Errorf(tandem.Unauthorized, "--url needs --login-key")
	case f.URL != "":
		a = access{url: f.URL, login: client.Login{Key: f.Key}}
	default:
		if a, err = f.known(); err != nil {
			return a, err
		}
	}
	if f.CACert != "" {
		if a.cacert, err = readCACert(f.CACert); err != nil {
			return a, err
		}
	}
	return a, checkNodeURL(a.url)
}

// known returns how the node of a context or of a data directory is reached.
func (f nodeFlags) known() (a access, err error) {
	if f.Context != "" || f.Data == "" {
		all, err := readContexts()
		if err != nil {
			return a, err
		}
		x, ok, err := all.named(cmp.Or(f.Context, all.Current))
		switch {
		case err != nil:
			return a, err
		case f.Context != "" && f.Data != "":
			return a, tandem.Errorf(tandem.Invalid,
				"--context %s and --data %s are two nodes: name one of them; TANDEM_CONTEXT and TANDEM_DATA count, too",
				f.Context, f.Data)
		case ok:
			return x.access(), nil
		}
	}
	file, err := central.ReadAccess(filepath.Join(f.dataDir(), server.AccessFile))
	if f.Data == "" && tandem.KindOf(err) == tandem.NotFound {
		return a, tandem.Errorf(tandem.NotFound, "there is no node here: log in at one with tandem login URL, start one "+
			"with tandem up, or name the data directory of one with --data; that of tandem dev DIR is DIR/.tandem/node")
	}
	return access{url: cmp.Or(file.Local, file.URL), login: client.Login{Key: file.Key}}, err
}

// dataDir returns the data directory of a node on this machine. Without --data it is that of tandem
// dev in the current directory, when only that is there.
func (f nodeFlags) dataDir() string {
	if f.Data == "" && !isDirectory(defaultData) && isDirectory(devData) {
		return devData
	}
	return cmp.Or(f.Data, defaultData)
}

func checkNodeURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return tandem.Errorf(tandem.Invalid, "%s is not the URL of a node: write http://host:port or https://host", text)
	}
	return nil
}

// readCACert reads the certificates of authorities from a file.
func readCACert(file string) (string, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("--cacert: %w", err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return "", tandem.Errorf(tandem.Invalid, "--cacert: %s has no certificate in PEM", file)
	}
	return string(pem), nil
}

// client returns a client of the node, which has not been asked for anything yet.
func (a access) client() *client.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if a.cacert != "" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(a.cacert))
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return client.New(a.url, a.login, transport)
}

// node is a node as commands use it: a client of its API, which knows the names of things.
type node struct {
	*client.Client
	s     *streams
	flags nodeFlags

	products []client.Product // nil: not read yet
	groups   []client.Group   // nil: not read yet
	accounts []client.Account // nil: not read yet

	names map[string]string // of what was read, by ids
}

// dial logs into the node that the flags select.
func (f nodeFlags) dial(ctx context.Context, s *streams) (*node, error) {
	a, err := f.access()
	if err != nil {
		return nil, err
	}
	n := &node{Client: a.client(), s: s, flags: f}
	err = n.Authenticate(ctx)
	if a.context != "" && tandem.KindOf(err) == tandem.Unauthorized {
		return nil, tandem.Errorf(tandem.Unauthorized,
			"the login of context %s is invalid or expired: log in again with tandem login --context %s", a.context, a.context)
	}
	if a.cacert == "" && errors.As(err, new(x509.UnknownAuthorityError)) {
		err = fmt.Errorf("%w: name the authority's certificate with --cacert FILE", err)
	}
	return n, err
}

// notCompiled are the places where code does not compile.
type notCompiled []client.Place

// lines returns the lines for each place, in the format of tandem check. files maps
// the node's names of files to local ones; f selects the node.
func (e notCompiled) lines(files fileNames, f nodeFlags) (lines []string) {
	for _, p := range e {
		text := strings.Replace(cmp.Or(p.Plain, p.Text), addLibrary, addLibrary+f.again(), 1)
		x := p.Excerpt
		if x.Row == 0 {
			lines = append(lines, fmt.Sprintf("%s:%d: %s", files.place(p.File, p.Row), p.Column, text))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s:%d: %s", files.place(x.File, x.Row), x.Column, text))
		if shown := (syntax.Excerpt{Line: x.Row, Text: x.Text, Caret: x.Caret}).String(); shown != "" {
			lines = append(lines, shown)
		}
	}
	return lines
}

// remedy says when tandem dev deploys the code.
func (e notCompiled) remedy() string {
	if slices.ContainsFunc(e, func(p client.Place) bool { return !strings.Contains(p.Text, addLibrary) }) {
		return "correct the file and save it again"
	}
	return "it will be when the library is added"
}

// compiled handles the error of a command that has sent code: it prints the
// places where files do not compile, and returns other errors.
func compiled(s *streams, f nodeFlags, files fileNames, err error) error {
	var bad *client.NotCompiled
	if s.json || !errors.As(err, &bad) {
		return err
	}
	fmt.Fprintln(s.err, strings.Join(notCompiled(bad.Places).lines(files, f), "\n"))
	return errSilent
}

// addLibrary is the beginning of the command in a node's advice.
const addLibrary = "tandem library add "

// again returns the flags with which another command selects the same node.
func (f nodeFlags) again() string {
	more := ""
	if f.CACert != "" {
		more = "--cacert " + f.CACert + " "
	}
	switch {
	case f.URL != "":
		return "--url " + f.URL + " --login-key KEY " + more
	case f.Context != "":
		return "--context " + f.Context + " " + more
	case f.Data != "" && f.Data != defaultData:
		return "--data " + f.Data + " " + more
	}
	return more
}

// dialDevice returns the node, and a device by its id or name.
func (f nodeFlags) dialDevice(ctx context.Context, s *streams, name string) (*node, client.Device, error) {
	n, err := f.dial(ctx, s)
	if err != nil {
		return nil, client.Device{}, err
	}
	d, err := n.device(ctx, name)
	return n, d, err
}

// allProducts returns the products, which are read once.
func (n *node) allProducts(ctx context.Context) (_ []client.Product, err error) {
	if n.products == nil {
		n.products, err = collect(n.s, "products", n.Products(ctx))
	}
	return n.products, err
}

// allGroups returns the device groups, which are read once.
func (n *node) allGroups(ctx context.Context) (_ []client.Group, err error) {
	if n.groups == nil {
		n.groups, err = collect(n.s, "device groups", n.Groups(ctx, client.GroupFilter{}))
	}
	return n.groups, err
}

// product returns the product with an id or a name.
func (n *node) product(ctx context.Context, name string) (client.Product, error) {
	all, err := n.allProducts(ctx)
	if err != nil {
		return client.Product{}, err
	}
	var names []string
	for _, p := range all {
		if p.ID == name || p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return client.Product{}, unknown("product", name, names, "tandem product list shows all, tandem product add makes one")
}

// group returns the device group with an id or a name, of a product if that is named.
func (n *node) group(ctx context.Context, product, name string) (client.Group, error) {
	all, err := n.allGroups(ctx)
	if err != nil {
		return client.Group{}, err
	}
	of := ""
	if product != "" {
		p, err := n.product(ctx, product)
		if err != nil {
			return client.Group{}, err
		}
		elsewhere := func(g client.Group) bool { return g.Product == nil || g.Product.ID != p.ID }
		all = slices.DeleteFunc(slices.Clone(all), elsewhere)
		of = " in product " + p.Name
	}
	var found []client.Group
	var names []string
	for _, g := range all {
		if g.ID == name {
			return g, nil
		}
		if g.Name == name {
			found = append(found, g)
		}
		names = append(names, g.Name)
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return client.Group{}, unknown("device group"+of, name, names,
			"tandem group list shows all, tandem group add makes one")
	}
	return client.Group{}, tandem.Errorf(tandem.Conflict,
		"%d device groups are named %s: name the product, too, or use the id; tandem group list shows both", len(found), name)
}

// device returns the device with an id, or with a name that only one device has.
func (n *node) device(ctx context.Context, name string) (client.Device, error) {
	if id := strings.ToLower(name); tandem.DeviceID(id).Valid() || strings.Count(name, ":") == 5 {
		d, err := n.Device(ctx, id)
		if tandem.KindOf(err) != tandem.NotFound {
			return d, err
		}
	}
	list, err := collect(n.s, "devices", n.Devices(ctx, client.DeviceFilter{}))
	if err != nil {
		return client.Device{}, err
	}
	var found []client.Device
	var names []string
	for _, d := range list {
		if d.Name == name {
			found = append(found, d)
		}
		names = append(names, d.Name)
	}
	switch len(found) {
	case 0:
		return client.Device{}, unknown("device", name, names, "tandem device list shows all")
	case 1:
		return found[0], nil
	}
	return client.Device{}, tandem.Errorf(tandem.Conflict, "%d devices are named %s: use the id", len(found), name)
}

// account returns the account with an id, a user name or an e-mail address.
func (n *node) account(ctx context.Context, name string) (client.Account, error) {
	all, err := n.allAccounts(ctx)
	if err != nil {
		return client.Account{}, err
	}
	var names []string
	for _, a := range all {
		if a.ID == name || strings.EqualFold(a.Username, name) || strings.EqualFold(a.Email, name) {
			return a, nil
		}
		names = append(names, a.Username)
	}
	return client.Account{}, unknown("account", name, names, "tandem account list shows all")
}

func (n *node) allAccounts(ctx context.Context) (_ []client.Account, err error) {
	if n.accounts == nil {
		n.accounts, err = collect(n.s, "accounts", n.Accounts(ctx))
	}
	return n.accounts, err
}

// name fills in the names of products, device groups and accounts that others are related to.
func (n *node) name(ctx context.Context, refs ...*client.Ref) error {
	for _, r := range refs {
		if r == nil || r.ID == "" {
			continue
		}
		if _, known := n.names[r.ID]; !known {
			if err := n.learn(ctx, r); err != nil {
				return err
			}
		}
		r.Name = n.names[r.ID]
	}
	return nil
}

// learn notes the names of all that are of the kind of r.
func (n *node) learn(ctx context.Context, r *client.Ref) error {
	if n.names == nil {
		n.names = map[string]string{}
	}
	n.names[r.ID] = "" // if it is none of them
	switch {
	case r.Type == "product":
		all, err := n.allProducts(ctx)
		for _, p := range all {
			n.names[p.ID] = p.Name
		}
		return err
	case strings.HasSuffix(r.Type, groupSuffix):
		all, err := n.allGroups(ctx)
		for _, g := range all {
			n.names[g.ID] = g.Name
		}
		return err
	case r.Type == "account":
		all, err := n.allAccounts(ctx)
		for _, a := range all {
			n.names[a.ID] = a.Username
		}
		return err
	}
	return nil
}

// groupSuffix is the API's suffix of a device group's type.
const groupSuffix = "devicegroup"

// dev is the name of the product and of the device group that commands use, and make, when none is
// named.
const devName = "dev"

// groupFlags name a device group, to which something is added.
type groupFlags struct {
	Product string `placeholder:"PRODUCT" help:"${help_product}"`
	Group   string `placeholder:"GROUP" help:"${help_group}"`
}

// target returns the device group that flags name. One that is named must exist, for a mistyped
// name must not become another group; the group dev is made when it is needed first.
func (n *node) target(ctx context.Context, f groupFlags) (client.Group, error) {
	if f.Group != "" {
		return n.group(ctx, f.Product, f.Group)
	}
	for {
		g, err := n.devGroup(ctx, f.Product)
		if tandem.KindOf(err) != tandem.Conflict {
			return g, err
		}
		n.products, n.groups = nil, nil // another command has made it meanwhile
	}
}

// devGroup returns the group dev of a product, dev if none is named, and makes what does not exist.
func (n *node) devGroup(ctx context.Context, product string) (g client.Group, err error) {
	var p client.Product
	switch p, err = n.product(ctx, cmp.Or(product, devName)); {
	case tandem.KindOf(err) == tandem.NotFound && product == "":
		name := devName
		if p, err = n.AddProduct(ctx, client.ProductChange{Name: &name}); err != nil {
			return g, err
		}
		n.s.say("Product %s is new.", p.Name)
		n.products = append(n.products, p)
	case err != nil:
		return g, err
	}
	g, err = n.group(ctx, p.ID, devName)
	if tandem.KindOf(err) != tandem.NotFound {
		return g, err
	}
	name := devName
	g, err = n.AddGroup(ctx, p.ID, "development_devicegroup", client.GroupChange{Name: &name})
	if err == nil {
		n.s.say("Device group %s of product %s is new.", g.Name, p.Name)
	}
	return g, err
}
