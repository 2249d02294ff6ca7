package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/central"
	"github.com/tandem-iot/tandem/central/client"
	"github.com/tandem-iot/tandem/device/enrol"
)

type deviceProvisionCmd struct {
	nodeFlags
	groupFlags
	Count int    `placeholder:"N" help:"Make so many devices; needs --out."`
	In    string `placeholder:"FILE" help:"${help_provision_in}"`
	Out   string `placeholder:"FILE" help:"${help_provision_out}"`
}

// row is a device of a file.
type row struct {
	ID          string `json:"id"`
	Name        string `json:"name,omitempty"`
	Key         string `json:"key,omitempty"`
	Certificate string `json:"certificate,omitempty"` // fingerprint
	Ticket      string `json:"ticket,omitempty"`      // what the device's QR code contains

	line int // where it is in the file; 0: nowhere
}

// mostRows bounds a file.
const mostRows = 1_000_000

func (c *deviceProvisionCmd) Run(ctx context.Context, s *streams) error {
	rows, err := c.rows()
	if err != nil {
		return err
	}
	n, err := c.dial(ctx, s)
	if err != nil {
		return err
	}
	group, err := n.target(ctx, c.groupFlags)
	if err != nil {
		return err
	}
	if c.Out != "" {
		for i := range rows {
			rows[i].complete(n.Node())
		}
		// The file is on disk before there is any of the devices: the keys are in no other place.
		if err := writeRows(c.Out, rows); err != nil {
			return err
		}
	}
	var all client.Provisioned
	bar := s.progress("Making devices", len(rows))
	defer bar.end()
	for batch := range slices.Chunk(rows, central.MaxProvision) {
		p, err := n.Provision(ctx, group.ID, newcomers(batch))
		if err != nil {
			file := c.Out
			if file == "" {
				file = c.In
			}
			return fmt.Errorf("%w\n%d devices are made; to go on: tandem device provision %s--group %s --in %s",
				err, all.Made, c.again(), group.ID, file)
		}
		all.Made += p.Made
		all.Known += p.Known
		bar.add(len(batch))
	}
	bar.end()
	s.say("%d devices made, %d were there already", all.Made, all.Known)
	return s.result(all, "")
}

// rows returns the devices that are asked for.
func (c *deviceProvisionCmd) rows() ([]row, error) {
	switch {
	case (c.Count == 0) == (c.In == ""):
		return nil, tandem.Errorf(tandem.Invalid, "say either how many devices to make, with --count, or which, with --in")
	case c.Count < 0 || c.Count > mostRows:
		return nil, tandem.Errorf(tandem.Invalid, "--count is 1 to %d", mostRows)
	case c.In == "" && c.Out == "":
		return nil, tandem.Errorf(tandem.Invalid, "--count needs --out, the file to which the ids and keys are written")
	case c.In == "":
		return make([]row, c.Count), nil
	}
	f, err := os.Open(c.In)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, tandem.Errorf(tandem.NotFound, "there is no file %s", c.In)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, problems, err := readRows(f, c.Out != "")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.In, err)
	}
	if len(problems) > 0 {
		for i := range problems {
			problems[i] = c.In + ":" + problems[i]
		}
		return nil, tandem.Errorf(tandem.Invalid, "%s\nno device is made", strings.Join(problems, "\n"))
	}
	return rows, nil
}

// complete fills in what the file leaves out.
func (r *row) complete(server string) {
	if r.ID == "" {
		r.ID = string(tandem.NewDeviceID())
	}
	if r.Key == "" && r.Certificate == "" {
		r.Key = tandem.NewKey()
	}
	if r.Key != "" {
		r.Ticket = enrol.Ticket{Device: tandem.DeviceID(r.ID), Key: r.Key, Server: server}.String()
	}
}

// newcomers returns devices as they are sent: of a key only the hash.
func newcomers(rows []row) []client.Newcomer {
	list := make([]client.Newcomer, len(rows))
	for i, r := range rows {
		list[i] = client.Newcomer{ID: r.ID, Name: r.Name, Certificate: r.Certificate}
		if r.Key != "" {
			sum := sha256.Sum256([]byte(r.Key))
			list[i].KeyHash = hex.EncodeToString(sum[:])
		}
	}
	return list
}

var columns = []string{"id", "name", "key", "certificate", "ticket"}

// writeRows writes a file of devices, which must not exist: CSV, or a JSON object a line if its
// name ends so.
func writeRows(name string, rows []row) error {
	var b bytes.Buffer
	if isJSON(name) {
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		for _, r := range rows {
			if err := e.Encode(r); err != nil {
				return err
			}
		}
		return writeNew(name, b.String())
	}
	w := csv.NewWriter(&b)
	if err := w.Write(columns); err != nil {
		return err
	}
	for _, r := range rows {
		if err := w.Write([]string{r.ID, r.Name, r.Key, r.Certificate, r.Ticket}); err != nil {
			return err
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	return writeNew(name, b.String())
}

func isJSON(name string) bool {
	ext := filepath.Ext(name)
	return ext == ".json" || ext == ".jsonl" || ext == ".ndjson"
}

// mostProblems bounds how many mistakes of a file are said at once.
const mostProblems = 10

// checker finds mistakes in the rows of a file.
type checker struct {
	partial  bool // ids and keys may be left out
	problems []string
	seen     map[string]int // line of each id and certificate
}

func (c *checker) say(line int, format string, args ...any) {
	if len(c.problems) < mostProblems {
		c.problems = append(c.problems, fmt.Sprintf("%d: %s", line, fmt.Sprintf(format, args...)))
	}
}

// readRows reads a file of devices: lines with a JSON object each, or CSV with a header. problems
// has its mistakes with their lines. With partial, ids and keys may be left out.
func readRows(in io.Reader, partial bool) (rows []row, problems []string, err error) {
	c := &checker{partial: partial, seen: map[string]int{}}
	text := bufio.NewReader(in)
	if bom, err := text.Peek(3); err == nil && string(bom) == "\ufeff" {
		text.Discard(3) // what spreadsheets begin a file with
	}
	first, err := text.Peek(1)
	switch {
	case err == io.EOF:
		return nil, nil, tandem.Errorf(tandem.Invalid, "the file is empty")
	case err != nil:
		return nil, nil, err
	case first[0] == '{':
		rows, err = c.jsonRows(text)
	default:
		rows, err = c.csvRows(text)
	}
	if err == nil && len(rows) == 0 && len(c.problems) == 0 {
		err = tandem.Errorf(tandem.Invalid, "the file has no devices")
	}
	for i := range rows {
		c.check(&rows[i])
	}
	return rows, c.problems, err
}

func (c *checker) jsonRows(in io.Reader) (rows []row, err error) {
	lines := bufio.NewScanner(in)
	for line := 1; lines.Scan() && len(rows) <= mostRows; line++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		r := row{line: line}
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil || d.More() {
			c.say(line, "this is not one JSON object with id, name, key and certificate: %v", err)
			continue
		}
		rows = append(rows, r)
	}
	return rows, errors.Join(lines.Err(), tooMany(rows))
}

func tooMany(rows []row) error {
	if len(rows) > mostRows {
		return tandem.Errorf(tandem.Invalid, "a file has at most %d devices", mostRows)
	}
	return nil
}

func (c *checker) csvRows(in io.Reader) (rows []row, err error) {
	r := csv.NewReader(in)
	header, err := r.Read()
	if err != nil {
		return nil, err
	}
	for i, name := range header {
		header[i] = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(columns, header[i]) || slices.Contains(header[:i], header[i]) {
			return nil, tandem.Errorf(tandem.Invalid,
				"line 1: the columns are named %s in the first line, each at most once; %q is not one",
				strings.Join(columns, ", "), name)
		}
	}
	for len(rows) <= mostRows {
		fields, err := r.Read()
		if err == io.EOF {
			break
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			c.say(bad.Line, "%v", bad.Err)
			if errors.Is(bad.Err, csv.ErrFieldCount) {
				continue
			}
			break // what follows cannot be told apart
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		x := row{line: line}
		for i, name := range header {
			*x.field(name) = strings.TrimSpace(fields[i])
		}
		rows = append(rows, x)
	}
	return rows, tooMany(rows)
}

func (r *row) field(name string) *string {
	return map[string]*string{
		"id": &r.ID, "name": &r.Name, "key": &r.Key, "certificate": &r.Certificate, "ticket": &r.Ticket,
	}[name]
}

// check finds mistakes in one row.
func (c *checker) check(r *row) {
	r.ID = strings.ToLower(r.ID)
	switch {
	case r.ID == "" && !c.partial:
		c.say(r.line, "the device has no id; with --out it gets one")
	case r.ID != "" && !tandem.DeviceID(r.ID).Valid():
		c.say(r.line, "%.40q is not a device id, which has 16 digits of 0-9a-f", r.ID)
	case c.seen[r.ID] != 0:
		c.say(r.line, "device %s is in line %d already", r.ID, c.seen[r.ID])
	case r.ID != "":
		c.seen[r.ID] = r.line
	}
	if f := central.Fingerprint(r.Certificate); r.Certificate != "" {
		switch {
		case f == "":
			c.say(r.line, "%.40q is not a fingerprint, the SHA-256 of a certificate in hexadecimal", r.Certificate)
		case c.seen[f] != 0:
			c.say(r.line, "the certificate is in line %d already", c.seen[f])
		}
		if r.Certificate = f; f != "" {
			c.seen[f] = r.line
		}
	}
	switch {
	case r.Key != "" && !enrol.ValidKey(r.Key):
		c.say(r.line, "a key has %d to %d letters, digits and signs, without spaces and @", enrol.MinKey, enrol.MaxKey)
	case r.Key == "" && r.Certificate == "" && !c.partial:
		c.say(r.line, "the device has neither a key nor a certificate; with --out it gets a key")
	}
	if len(r.Name) > 200 {
		c.say(r.line, "the name has %d bytes, more than 200", len(r.Name))
	}
}
