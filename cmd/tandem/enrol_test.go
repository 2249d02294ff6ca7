package main

import (
	"image"
	"image/color"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/piglig/go-qr"
)

// TestQRCode decodes what a terminal shows.
func TestQRCode(t *testing.T) {
	for _, text := range []string{
		"tandem:7K3M-Q0D4-X9TW@https://node.example.com",
		"tandem:3dce1a4f9c27ab06:58f4ee2cf69ff8b2a8e2dd5d0dfde4a9@https://a-node-with-a-long-name.example.com:17880",
	} {
		drawn, err := qrCode(text)
		if err != nil {
			t.Fatal(err)
		}
		const scale = 4
		lines := strings.Split(strings.TrimSpace(regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(drawn, "|")), "\n")
		width := len([]rune(lines[0])) - 2
		m := image.NewGray(image.Rect(0, 0, width*scale, 2*len(lines)*scale))
		for i := range m.Pix {
			m.Pix[i] = 255
		}
		for row, line := range lines {
			for x, r := range []rune(strings.Trim(line, "|")) {
				for half := range 2 {
					dark := r == '█' || r == '▀' && half == 0 || r == '▄' && half == 1
					for k := 0; dark && k < scale*scale; k++ {
						m.Set(x*scale+k%scale, (2*row+half)*scale+k/scale, color.Black)
					}
				}
			}
		}
		if got, err := go_qr.Decode(m); err != nil || got != text {
			t.Errorf("%q is shown as %q, %v\n%s", text, got, err, drawn)
		}
	}
}

// TestReadRows: what is wrong with a file of devices is said with its lines.
func TestReadRows(t *testing.T) {
	const key = "a key of 16 signs"
	print64 := strings.Repeat("Ab", 32)
	for _, tt := range []struct {
		text    string
		partial bool
		rows    int
		says    []string
	}{
		{"id,key\n0123456789abcdef,0123456789abcdef\n", false, 1, nil},
		{"\ufeffKEY, Id \r\n0123456789abcdef,0123456789ABCDEF\r\n\r\n", false, 1, nil},
		{"id,certificate\n0123456789abcdef," + print64 + "\n", false, 1, nil},
		{`{"id":"0123456789abcdef","key":"0123456789abcdef","name":"a, b"}` + "\n\n" + `{"id":"0123456789abcde0","key":"0123456789abcdef"}`, false, 2, nil},
		{"name\nlamp\ndesk\n", true, 2, nil},
		{"name\nlamp\n", false, 1, []string{"2: the device has no id", "2: the device has neither a key nor a certificate"}},
		{"id,key\n0123456789abcdef,short\nx,0123456789abcdef\n0123456789abcdef,0123456789abcdef\n", false, 3,
			[]string{"2: a key has 16 to 128", `3: "x" is not a device id`, "4: device 0123456789abcdef is in line 2 already"}},
		{"id,key\n0123456789abcdef,0123456789abcdef,more\n0123456789abcde0,k\n", false, 1, []string{"2: wrong number of fields", "3: a key has"}},
		{"id,key\n0123456789abcdef,\"" + key + "\n", false, 0, []string{"extraneous or missing"}},
		{"id,certificate\n0123456789abcdef," + print64 + "\n0123456789abcde0," + strings.ToLower(print64) + "\n0123456789abcde1,zz\n", false, 3,
			[]string{"3: the certificate is in line 2 already", `4: "zz" is not a fingerprint`}},
		{`{"id":"0123456789abcdef","kye":"0123456789abcdef"}` + "\n[]\n{} {}\n", false, 0,
			[]string{`1: this is not one JSON object`, `json: unknown field "kye"`, "2: this is not", "3: this is not"}},
		{"id,color\n1,red\n", false, 0, []string{`"color" is not one`}},
		{"id,id\n1,2\n", false, 0, []string{`"id" is not one`}},
		{"", false, 0, []string{"the file is empty"}},
		{"id,key\n", false, 0, []string{"no devices"}},
		{"id,key\n" + strings.Repeat("x,y\n", 100), false, 100, []string{"2: ", "6: a key has"}},
		{"id,key,name\n0123456789abcdef,0123456789abcdef," + strings.Repeat("n", 201) + "\n", false, 1, []string{"2: the name has 201 bytes"}},
	} {
		rows, problems, err := readRows(strings.NewReader(tt.text), tt.partial)
		said := strings.Join(problems, "\n")
		if err != nil {
			said += err.Error()
		}
		if len(rows) != tt.rows || (said == "") != (tt.says == nil) || len(problems) > mostProblems {
			t.Errorf("%.60q: %d rows, %s", tt.text, len(rows), said)
		}
		for _, s := range tt.says {
			if !strings.Contains(said, s) {
				t.Errorf("%.60q: %s; want %q", tt.text, said, s)
			}
		}
	}
}

func FuzzReadRows(f *testing.F) {
	f.Add("id,key\n0123456789abcdef,0123456789abcdef\n", true)
	f.Add(`{"id":"0123456789abcdef"}`, false)
	f.Fuzz(func(t *testing.T, text string, partial bool) {
		rows, problems, err := readRows(strings.NewReader(text), partial)
		if err != nil || len(problems) > 0 || partial {
			return
		}
		for _, r := range rows {
			if r.ID == "" || r.Key == "" && r.Certificate == "" || r.line == 0 {
				t.Errorf("%q has the row %+v", text, r)
			}
		}
	})
}

// session runs commands against one node.
type session struct {
	t    *testing.T
	dir  string
	data string
	said string // by the last command
}

// run runs a command, checks its status and what it says, and returns what a group of the
// pattern has matched.
func (s *session) run(status int, says string, args ...string) string {
	s.t.Helper()
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "DIR", s.dir)
	}
	got, out, errs := runCommand(s.t, "", args...)
	s.said = out + errs
	m := regexp.MustCompile("(?s)" + says).FindStringSubmatch(s.said)
	if got != status || m == nil {
		s.t.Fatalf("tandem %s: %d, %s\nwant %d, %s", strings.Join(args, " "), got, s.said, status, says)
	}
	return m[len(m)-1]
}

// on is run for a command that needs the node.
func (s *session) on(status int, says string, args ...string) string {
	s.t.Helper()
	return s.run(status, says, append(args, "--data", s.data)...)
}

// TestEnrolling goes through the guide "Enrolling devices" with the real commands.
func TestEnrolling(t *testing.T) {
	s := &session{t: t, dir: t.TempDir()}
	s.data = filepath.Join(s.dir, "data")
	node := start(t, "up", "--data", s.data, "--http", freeAddr(t), "--agents", freeAddr(t), "--mqtt", freeAddr(t))
	url := node.expect(`HTTP at (http://[^,]+)`)[1]

	ticket := s.on(0, `CODE=\S+\nTICKET=(\S+)\nEXPIRES=.*█.*shown only once`, "device", "claim", "add", "--name", "desk")
	id := s.run(0, `^ID=(\S+)\nNODE=ws://`, "device", "enrol", "--dir", "DIR/desk", ticket)
	s.run(0, `^ID=`+id, "device", "enrol", "--dir", "DIR/desk", ticket)
	s.run(1, `another device has used this claim code`, "device", "enrol", "--dir", "DIR/other", ticket)
	s.run(1, `12 letters and digits`, "device", "enrol", "--dir", "DIR/other", "7K3M")
	code, _, _ := strings.Cut(strings.TrimPrefix(ticket, "tandem:"), "@")
	s.run(1, `give that with --server`, "device", "enrol", "--dir", "DIR/other", code)
	s.on(0, id+` +desk`, "device", "claim", "list")
	s.on(0, id+` +desk`, "device", "list")

	device := start(t, "device", "run", "--dir", filepath.Join(s.dir, "desk"))
	device.expect(`msg=connected`)
	s.on(0, `KEY  valid`, "device", "key", "show", "desk")
	s.on(0, `gets its new key`, "device", "key", "rotate", "desk")
	device.expect(`has given the device a new key`)
	s.on(0, `was given the new key`, "device", "key", "show", "desk")
	device.stop()
	device = start(t, "device", "run", "--dir", filepath.Join(s.dir, "desk"))
	device.expect(`msg=connected`)
	s.on(0, `KEY  valid\n$`, "device", "key", "show", "desk")

	s.on(0, `tandem device claim add --device `+id, "device", "revoke", "--yes", "desk")
	device.expect(`was revoked: enrol it again, with a code of tandem device claim add --device ` + id)
	s.on(0, `KEY  revoked at`, "device", "key", "show", "desk")
	s.on(1, `is revoked`, "device", "key", "rotate", "desk")
	device.stop()
	again := s.on(0, `TICKET=(\S+)`, "device", "claim", "add", "--no-qr", "--device", "desk")
	device = start(t, "device", "run", "--dir", filepath.Join(s.dir, "desk"), "--claim", again)
	device.expect(`msg=connected`)
	device.stop()

	s.on(1, `--print needs --within`, "device", "key", "rotate", "--print", "desk")
	s.on(0, `KEY=[0-9a-f]{32}\n.*valid until 2`, "device", "key", "rotate", "--print", "--within", "1h", "desk")
	s.on(0, `the old and the new key are valid`, "device", "key", "show", "desk")

	s.on(0, `DIR/c.crt`[3:], "device", "certificate", "issue", "--out", "DIR/c", "desk")
	s.on(1, `exists already`, "device", "certificate", "issue", "--out", "DIR/c", "desk")
	print := s.on(0, `\n([0-9a-f]{64}) +valid +9999-12-31`, "device", "key", "show", "desk")
	s.on(0, ``, "device", "certificate", "revoke", "--yes", "desk", print)
	s.on(0, print+` +revoked`, "device", "key", "show", "desk")
	s.on(0, `^-----BEGIN CERTIFICATE-----`, "ca", "show")

	unused := s.on(0, `^(\S+)\n\S+\n`, "device", "claim", "add", "--count", "2")
	claim := s.on(0, `\n(\S+) +unused`, "device", "claim", "list")
	s.on(0, ``, "device", "claim", "revoke", "--yes", claim)
	s.run(1, `no such claim code, or it was revoked`, "device", "enrol", "--dir", "DIR/other", "--server", url, unused)
	node.stop()
}

// TestProvisioning makes a thousand devices, goes on after an interruption, and refuses nonsense.
func TestProvisioning(t *testing.T) {
	s := &session{t: t, dir: t.TempDir()}
	s.data = filepath.Join(s.dir, "data")
	node := start(t, "up", "--data", s.data, "--http", freeAddr(t), "--agents", freeAddr(t), "--mqtt", freeAddr(t))
	node.expect(`HTTP at`)
	s.on(0, `1000 devices made, 0 were there already`, "device", "provision", "--count", "1000", "--out", "DIR/all.csv")
	s.on(1, `exists already`, "device", "provision", "--count", "1", "--out", "DIR/all.csv")
	s.on(0, `0 devices made, 1000 were there already`, "device", "provision", "--in", "DIR/all.csv")
	all, err := os.ReadFile(filepath.Join(s.dir, "all.csv"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(s.dir, "all.csv"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the keys is for %v, %v", info.Mode(), err)
	}
	lines := strings.Split(strings.TrimSpace(string(all)), "\n")
	if len(lines) != 1001 {
		t.Fatalf("%d lines", len(lines))
	}
	ticket := lines[500][strings.LastIndexByte(lines[500], ',')+1:]
	id := s.run(0, `^ID=(\S+)\n`, "device", "enrol", "--dir", "DIR/made", ticket)
	device := start(t, "device", "run", "--dir", filepath.Join(s.dir, "made"))
	device.expect(`msg=connected device=` + id)
	device.stop()

	write(t, filepath.Join(s.dir, "names.csv"), "name\nlamp\ndoor\n")
	s.on(0, `2 devices made`, "device", "provision", "--in", "DIR/names.csv", "--out", "DIR/names.jsonl")
	s.on(0, `lamp.*door`, "device", "list")
	s.on(0, `0 devices made, 2 were there`, "device", "provision", "--in", "DIR/names.jsonl")

	other := regexp.MustCompile(`[0-9a-f]{32}`).ReplaceAllString(lines[1], strings.Repeat("0", 32))
	text := lines[0] + "\n00000000000000ff,,0123456789abcdef,,\n" + other + "\n"
	write(t, filepath.Join(s.dir, "other.csv"), text)
	const refused = `exists already, with another key.*0 devices are made; to go on: tandem device provision`
	s.on(1, refused, "device", "provision", "--in", "DIR/other.csv")
	if s.on(0, ``, "device", "list"); strings.Contains(s.said, "00000000000000ff") {
		t.Error("a part of a list that is refused is made")
	}
	write(t, filepath.Join(s.dir, "bad.csv"), "id,key\nx,y\n")
	s.on(1, `bad\.csv:2: "x" is not a device id.*no device is made`, "device", "provision", "--in", "DIR/bad.csv")
	s.on(1, `either how many`, "device", "provision")
	s.on(1, `needs --out`, "device", "provision", "--count", "3")
	s.on(1, `there is no file`, "device", "provision", "--in", "DIR/nowhere.csv")
	node.stop()
}
