package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/server"
	"github.com/tandem-iot/tandem/squirrel/syntax"
)

// nodeFlags are the flags that select the node of a command.
type nodeFlags struct {
	Data string `placeholder:"DIR" default:"${data}" env:"TANDEM_DATA" help:"${help_node}"`
	URL  string `name:"url" placeholder:"URL" env:"TANDEM_URL" help:"A node elsewhere; needs --login-key."`
	Key  string `name:"login-key" placeholder:"KEY" env:"TANDEM_LOGIN_KEY" help:"Login key for --url."`
}

// defaultData is the default data directory of a node.
const defaultData = "tandem-data"

// access returns the node's URL and login key.
func (f nodeFlags) access() (central.Access, error) {
	if f.URL == "" {
		a, err := central.ReadAccess(filepath.Join(f.Data, server.AccessFile))
		a.URL = cmp.Or(a.Local, a.URL)
		return a, err
	}
	if f.Key == "" {
		return central.Access{}, tandem.Errorf(tandem.Unauthorized, "--url needs --login-key")
	}
	return central.Access{URL: strings.TrimRight(f.URL, "/"), Key: f.Key}, nil
}

// client talks to a node's API.
type client struct {
	base  string // URL up to and including /v5
	token string
	http  http.Client
}

func (f nodeFlags) dial(ctx context.Context) (*client, error) {
	a, err := f.access()
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(a.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, tandem.Errorf(tandem.Invalid,
			"%s is not the URL of a node: write http://host:port or https://host", a.URL)
	}
	c := &client{base: a.URL + "/v5"}
	var out struct {
		Token string `json:"access_token"`
	}
	if err := c.do(ctx, "POST", "/auth/token", map[string]string{"key": a.Key}, &out); err != nil {
		return nil, err
	}
	c.token = out.Token
	return c, nil
}

// do makes an API call. in and out may be nil.
func (c *client) do(ctx context.Context, method, path string, in, out any) error {
	r, err := c.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(r.Body).Decode(out); err != nil {
		return fmt.Errorf("%s does not answer as a node does: %w", strings.TrimSuffix(c.base, "/v5"), err)
	}
	return nil
}

// request makes an API call and returns the response, whose body the caller must
// close.
func (c *client) request(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/vnd.api+json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	r, err := c.http.Do(req)
	if err != nil {
		var at *url.Error
		if errors.As(err, &at) {
			err = at.Err
		}
		return nil, &tandem.Error{
			Kind: tandem.Unavailable,
			Msg:  fmt.Sprintf("no node answers at %s: is it running?", strings.TrimSuffix(c.base, "/v5")),
			Err:  err,
		}
	}
	if r.StatusCode == http.StatusTooManyRequests && r.Header.Get("X-RateLimit-Limit") != "" {
		r.Body.Close()
		select {
		case <-time.After(time.Second): // the account has requests again then
			return c.request(ctx, method, path, in)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if r.StatusCode >= 300 {
		defer r.Body.Close()
		return nil, failure(r)
	}
	return r, nil
}

// failure returns the error in the response to an API call.
func failure(r *http.Response) error {
	var out struct {
		Errors []struct {
			Code, Detail string
			Meta         []place // when code does not compile
		}
	}
	if json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&out) != nil || len(out.Errors) == 0 {
		return fmt.Errorf("the node answered %s", r.Status)
	}
	if out.Errors[0].Code == "CX005" {
		return notCompiled(out.Errors[0].Meta)
	}
	kind := tandem.Invalid
	switch r.StatusCode {
	case http.StatusNotFound:
		kind = tandem.NotFound
	case http.StatusConflict:
		kind = tandem.Conflict
	}
	return tandem.Errorf(kind, "%s", out.Errors[0].Detail)
}

// place is an error in code that does not compile.
type place struct {
	Row, Column int
	Text        string
	File        string // as the node names it

	Plain   string // Text in plain words; "" from a node that does not say it
	Excerpt excerpt
}

// excerpt is where the offending text of a place begins; Row is 0 when there is none.
type excerpt struct {
	File        string
	Row, Column int
	Text        string // of the line
	Caret       int    // characters of Text before the place
}

// notCompiled is the error for code that does not compile.
type notCompiled []place

func (e notCompiled) Error() string {
	return strings.Join(e.lines(nil, nodeFlags{Data: defaultData}), "\n")
}

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
	if slices.ContainsFunc(e, func(p place) bool { return !strings.Contains(p.Text, addLibrary) }) {
		return "correct the file and save it again"
	}
	return "it will be when the library is added"
}

// compiled handles the error of a command that has sent code: it prints the
// places where files do not compile, and returns other errors.
func compiled(s *streams, f nodeFlags, files fileNames, err error) error {
	var bad notCompiled
	if !errors.As(err, &bad) {
		return err
	}
	fmt.Fprintln(s.err, strings.Join(bad.lines(files, f), "\n"))
	return errSilent
}

// addLibrary is the beginning of the command in a node's advice.
const addLibrary = "tandem library add "

// again returns the flags with which another command selects the same node.
func (f nodeFlags) again() string {
	switch {
	case f.URL != "":
		return "--url " + f.URL + " --login-key KEY "
	case f.Data != defaultData:
		return "--data " + f.Data + " "
	}
	return ""
}

// dialDevice returns a client of the node, and a device by its id or name.
func (f nodeFlags) dialDevice(ctx context.Context, name string) (*client, resource, error) {
	api, err := f.dial(ctx)
	if err != nil {
		return nil, resource{}, err
	}
	d, err := api.device(ctx, name)
	return api, d, err
}

// resource has the parts of the API's objects that the commands read.
type resource struct {
	ID         string `json:"id"`
	Attributes struct {
		Name   string `json:"name"`
		URL    string `json:"url"`
		Agent  string `json:"agent_url"`
		Online bool   `json:"device_online"`
		Key    string `json:"key"`
	} `json:"attributes"`
	Relationships map[string]struct{ ID string } `json:"relationships"`
}

// list reads all pages of a collection.
func (c *client) list(ctx context.Context, collection, filter string) (all []resource, err error) {
	for number := 1; ; number++ {
		var out struct {
			Data  []resource
			Links map[string]string
		}
		path := fmt.Sprintf("/%s?page[number]=%d&page[size]=100%s", collection, number, filter)
		if err := c.do(ctx, "GET", path, nil, &out); err != nil {
			return nil, err
		}
		all = append(all, out.Data...)
		if out.Links["next"] == "" {
			return all, nil
		}
	}
}

// create makes an object.
func (c *client) create(
	ctx context.Context, collection, typ string, attributes any, relationships map[string]any,
) (resource, error) {
	var out struct{ Data resource }
	in := map[string]any{"data": map[string]any{"type": typ, "attributes": attributes, "relationships": relationships}}
	err := c.do(ctx, "POST", "/"+collection, in, &out)
	return out.Data, err
}

// group returns the id of a device group by its name and its product's name. With
// make it creates what does not exist.
func (c *client) group(ctx context.Context, product, name string, make bool) (string, error) {
	id, err := c.product(ctx, product)
	if err != nil {
		return "", err
	}
	if id == "" {
		if !make {
			return "", tandem.Errorf(tandem.NotFound, "there is no product %s", product)
		}
		p, err := c.create(ctx, "products", "product", map[string]string{"name": product}, nil)
		if tandem.KindOf(err) == tandem.Conflict { // another command has made it meanwhile
			return c.group(ctx, product, name, make)
		}
		if err != nil {
			return "", err
		}
		id = p.ID
	}
	groups, err := c.list(ctx, "devicegroups", "&filter[product.id]="+id)
	if err != nil {
		return "", err
	}
	if g := named(groups, name); g != "" {
		return g, nil
	}
	if !make {
		const msg = "product %s has no device group %s: tandem deploy creates it"
		return "", tandem.Errorf(tandem.NotFound, msg, product, name)
	}
	g, err := c.create(ctx, "devicegroups", "development_devicegroup", map[string]string{"name": name},
		map[string]any{"product": map[string]string{"type": "product", "id": id}})
	if tandem.KindOf(err) == tandem.Conflict {
		return c.group(ctx, product, name, make)
	}
	return g.ID, err
}

func named(list []resource, name string) string {
	for _, r := range list {
		if r.Attributes.Name == name {
			return r.ID
		}
	}
	return ""
}

// device returns the device with an id, or with a name that only one device has.
func (c *client) device(ctx context.Context, name string) (resource, error) {
	list, err := c.list(ctx, "devices", "")
	if err != nil {
		return resource{}, err
	}
	var found []resource
	for _, d := range list {
		if d.ID == strings.ToLower(name) {
			return d, nil
		}
		if d.Attributes.Name == name {
			found = append(found, d)
		}
	}
	switch len(found) {
	case 0:
		return resource{}, tandem.Errorf(tandem.NotFound, "there is no device %s: tandem device list shows all", name)
	case 1:
		return found[0], nil
	}
	return resource{}, tandem.Errorf(tandem.Conflict, "%d devices are named %s: use the id", len(found), name)
}

// follow shows the devices' last lines and then new ones, without gaps and
// duplicates, until ctx ends.
func (c *client) follow(ctx context.Context, devices []resource, lines int, show func(tandem.LogEntry)) error {
	ids := make([]string, len(devices))
	for i, d := range devices {
		ids[i] = d.ID
	}
	stream, err := c.create(ctx, "logstream", "logstream", map[string]any{"devices": ids, "lines": lines}, nil)
	if err != nil {
		return err
	}
	r, err := c.request(ctx, "GET", "/logstream/"+stream.ID+"?format=json", nil)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	events := bufio.NewScanner(r.Body)
	events.Buffer(nil, 1<<20)
	for events.Scan() {
		data, ok := strings.CutPrefix(events.Text(), "data: ")
		if !ok {
			continue
		}
		var e tandem.LogEntry
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return err
		}
		if e.Type != "" { // events about the stream itself have none
			show(e)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return tandem.Errorf(tandem.Unavailable,
		"the node has ended the log: it is stopping, or too many logs are being followed")
}
