package core

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
)

// Names in the device's directory.
const (
	countersFile = "counters.json"
	codeFile     = "code.json"
	stateFile    = "state.json"
	postsDir     = "posts/"
)

// File is a file of the device's directory. Name is relative, with slashes.
type File struct {
	Name string
	Data []byte
}

// code is device code, as sys/code has it and as it is kept.
type code struct {
	SHA  string            `json:"sha"` // SHA-256 of Text in hexadecimal
	Text string            `json:"code"`
	Env  map[string]string `json:"env,omitempty"`
}

func codeOf(text string, env map[string]string) *code {
	sum := sha256.Sum256([]byte(text))
	return &code{SHA: hex.EncodeToString(sum[:]), Text: text, Env: env}
}

// same reports whether two codes behave alike. Either may be nil.
func (k *code) same(o *code) bool {
	return k != nil && o != nil && k.SHA == o.SHA && maps.Equal(k.Env, o.Env)
}

// counters never go back.
type counters struct {
	Boot        uint64 `json:"boot"`
	Incarnation uint64 `json:"incarnation"`
	history
}

// durable is what the code and the agent's posts have left. One file has it all,
// so that what becomes durable together does.
type durable struct {
	User []byte `json:"user"` // the user configuration; nil: none

	Permanent []byte `json:"permanent,omitempty"` // the table server.permanent, compact
	Numbering string `json:"numbering,omitempty"` // whose posts the numbers below are of; "": not known yet
	Applied   uint64 `json:"applied"`             // number of the newest of the agent's posts that have been handled
	Cause     uint64 `json:"cause"`               // number of the newest of them during which the code has posted,
	Nth       uint32 `json:"nth"`                 // and how often
}

// disk is the content of the files as it is when all operations are done.
type disk struct {
	counters
	state durable
	code  *code // nil: none yet
	ahead bool  // the posts know a newer cause than stateFile

	pending []operation // asked for and not done, oldest first
	writes  int         // how many of them are writes
}

// operation is a WriteFile or RemoveFile that is not done.
type operation struct {
	number uint64
	name   string
	remove bool
}

// load takes in the files.
func (c *Core) load(files []File) error {
	var kept []*keptPost
	for _, f := range files {
		var err error
		switch {
		case f.Name == countersFile:
			err = f.decode(&c.disk.counters)
		case f.Name == codeFile:
			err = f.decode(&c.disk.code)
		case f.Name == stateFile:
			err = f.decode(&c.disk.state)
		case strings.HasPrefix(f.Name, postsDir):
			k := &keptPost{}
			err = f.decode(k)
			kept = append(kept, k)
		}
		if err != nil {
			return err
		}
	}
	slices.SortFunc(kept, func(a, b *keptPost) int {
		return cmp.Or(cmp.Compare(a.Mark.Boot, b.Mark.Boot), cmp.Compare(a.Mark.Seq, b.Mark.Seq))
	})
	for _, k := range kept {
		if k.Cause != 0 && c.disk.state.caused(k) {
			c.disk.ahead = true
		}
	}
	c.posts.kept = kept
	return nil
}

func (f *File) decode(into any) error {
	if err := json.Unmarshal(f.Data, into); err != nil {
		const remedy = "restore it from a backup, or give the device a new directory and a new id"
		return &tandem.Error{Msg: fmt.Sprintf("%s is damaged: %s", f.Name, remedy), Err: err}
	}
	return nil
}

// writeFile asks for a file to be written, and returns the number of the effect.
func (c *Core) writeFile(name string, x any) uint64 {
	n := c.number()
	c.disk.pending = append(c.disk.pending, operation{number: n, name: name})
	c.disk.writes++
	c.emit(&WriteFile{Number: n, Name: name, Data: encode(x)})
	return n
}

func (c *Core) removeFile(name string) {
	n := c.number()
	c.disk.pending = append(c.disk.pending, operation{number: n, name: name, remove: true})
	c.emit(&RemoveFile{Number: n, Name: name})
}

// held reports whether something is being written: nothing that comes after it
// may be seen before it is durable.
func (c *Core) held() bool { return c.disk.writes > 0 }

// fileDone takes the outcome of the oldest operation. A shell that tells it of
// another has done them out of order, and what is on disk cannot be relied on.
func (c *Core) fileDone(ev *FileDone) {
	if len(c.disk.pending) == 0 || c.disk.pending[0].number != ev.Number {
		panic(fmt.Sprintf("core: FileDone %d is not of the oldest operation", ev.Number))
	}
	done := c.disk.pending[0]
	c.disk.pending = slices.Delete(c.disk.pending, 0, 1)
	if done.remove {
		if ev.Err != nil {
			c.log(Warn, "cannot remove a file that is not needed any more", "file", done.name, "error", ev.Err.Error())
		}
		return
	}
	c.disk.writes--
	if ev.Err != nil {
		c.fail(fmt.Errorf("cannot write %s: %w", done.name, ev.Err))
		return
	}
	switch {
	case ev.Number == c.life.booting:
		c.booted()
	case ev.Number == c.life.plan.number:
		c.launch()
	}
	if !c.held() {
		c.release()
	}
}

// release goes on with what was held back.
func (c *Core) release() {
	acks := c.mail.acks
	c.mail.acks = nil
	for _, r := range acks {
		c.acknowledge(r)
	}
	c.pump()
}

// encode returns the JSON of what is known to have one.
func encode(x any) []byte {
	b, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	return b
}
