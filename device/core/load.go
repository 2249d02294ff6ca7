package core

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-iot/tandem"
)

// load takes in what the directory has. What is damaged is set aside and lived without; what
// it was is said when there is a log.
func (c *Core) load(from Contents) {
	d := &c.disk
	d.counted = copies{name: countersFile, size: countersSize}
	d.stated = copies{name: stateFile, size: stateSize}
	d.said = slices.Clone(from.Said)
	files := map[string]*File{}
	for i := range from.Files {
		files[from.Files[i].Name] = &from.Files[i]
	}
	c.loadCounters(files)
	c.loadState(files)
	c.loadCode(files[codeFile])
	c.loadOldPosts(from.Files)
	newest := c.loadJournals(from.Journal)
	for _, k := range c.posts.old {
		if k.Mark.After(newest) {
			newest = k.Mark
		}
	}
	// The numbers of what is kept were given. Should the counters be lost, they still are.
	d.Boot = max(d.Boot, newest.Boot)
	d.causes = d.state.cause
	for _, s := range from.Journal {
		if d.state.Numbering == "" && s.cause.Numbering != "" {
			d.state.cause = s.cause // the state is lost: the entries still know
		}
		d.state.caused(s.cause)
	}
	for _, k := range c.posts.old {
		if k.Cause != 0 {
			d.state.caused(k.cause)
		}
	}
}

// loadJournals takes in what the journals have, and returns the newest number of an entry.
func (c *Core) loadJournals(list []*Segment) (newest tandem.Mark) {
	d := &c.disk
	lines := slices.DeleteFunc(slices.Clone(list), func(s *Segment) bool { return !s.lines })
	messages := slices.DeleteFunc(slices.Clone(list), func(s *Segment) bool { return s.lines })
	f := d.journal.open(messages, d.Kept, 0)
	c.tellFindings(&f, d.journal.what())
	newest = f.newest
	f = d.lines.open(lines, max(d.KeptLines, d.Gone), d.Gone)
	c.tellFindings(&f, d.lines.what())
	if f.newest.After(newest) {
		newest = f.newest
	}
	return newest
}

// settleIn writes what is not on disk as it should be, and says what a start has found out.
func (c *Core) settleIn() {
	if d := &c.disk; !d.stated.made || d.stated.old != nil {
		c.keepState(forProbe)
	}
	c.reserve()
	if c.cfg.KeepLog || len(c.disk.lines.segments) > 0 {
		c.roomForLines()
	}
	for _, line := range c.disk.said {
		c.complain(line)
	}
	c.disk.said = nil
}

// note has a line for the log about what a start has found out.
func (c *Core) note(format string, args ...any) {
	c.disk.said = append(c.disk.said, fmt.Sprintf(format, args...))
}

// setAside keeps a damaged file under another name, for people.
func (c *Core) setAside(f *File) {
	o := c.askFor(forAside, f.Name)
	o.effect = &SetAside{Number: o.number, Name: f.Name}
	c.disk.asked = append(c.disk.asked, o)
}

// keepDamaged keeps what is left of a file with copies. Its room stays where it is, because a full
// disk may have no other.
func (c *Core) keepDamaged(f *File, k *copies) {
	if !k.made {
		c.setAside(f)
		return
	}
	o := c.askFor(forAside, f.Name)
	o.effect = &WriteFile{Number: o.number, Name: f.Name + Aside, Data: f.Data}
	c.disk.asked = append(c.disk.asked, o)
}

// why says what is wrong with a file.
func (f *File) why() string {
	if f.Err != nil {
		return "cannot be read: " + f.Err.Error()
	}
	return "is damaged"
}

func (c *Core) loadCounters(files map[string]*File) {
	d := &c.disk
	var old counters
	if f := files[oldCountersFile]; f != nil {
		if f.Err != nil || json.Unmarshal(f.Data, &old) != nil || old.Boot == 0 {
			c.note("%s %s: starts are counted from what else is known", f.Name, f.why())
		}
		d.counted.old = []string{oldCountersFile}
	}
	f := files[countersFile]
	if f == nil {
		// The first start makes them before all else.
		if files[stateFile] != nil && files[oldCountersFile] == nil {
			c.note("%s is missing: starts are counted from what else is known", countersFile)
		}
		d.counters = old
		return
	}
	switch verdict := d.counted.read(f.Data, &d.counters); {
	case f.Err != nil || verdict == lost:
		c.note("%s %s: starts are counted from what else is known", f.Name, f.why())
		d.counters = old
		c.keepDamaged(f, &d.counted)
	case verdict == fallback:
		// The damaged copy may have been the newer one, with one more.
		d.Boot++
		d.Incarnation++
		c.note("one copy of %s is damaged: the other counts", f.Name)
	}
}

func (c *Core) loadState(files map[string]*File) {
	d := &c.disk
	var old durable
	if f := files[oldStateFile]; f != nil {
		if f.Err != nil || json.Unmarshal(f.Data, &old) != nil {
			c.note("%s %s: the user configuration and server.permanent may be lost", f.Name, f.why())
		}
		d.stated.old = []string{oldStateFile}
	}
	f := files[stateFile]
	if f == nil {
		// Each start makes it, and the first may have been cut off before that.
		if d.Boot > 1 && files[oldStateFile] == nil {
			c.note("%s is missing: the user configuration and server.permanent are lost, if the code had kept any", stateFile)
		}
		d.state = old
		return
	}
	switch verdict := d.stated.read(f.Data, &d.state); {
	case f.Err != nil || verdict == lost:
		c.note("%s %s: the user configuration and server.permanent are lost", f.Name, f.why())
		d.state = old
		c.keepDamaged(f, &d.stated)
	case verdict == fallback:
		c.note("one copy of %s is damaged: the other counts, and what the code kept last may be lost", f.Name)
	}
}

func (c *Core) loadCode(f *File) {
	if f == nil {
		return
	}
	if f.Err == nil {
		c.disk.code = decodeCode(f.Data)
	}
	if c.disk.code == nil {
		c.note("the device's code, %s, %s: the server sends it again", f.Name, f.why())
		c.setAside(f)
	}
}

// loadOldPosts takes in the posts of a former version, each of which is a file. They are sent
// before those of the journal, and their files are removed as they are handled.
func (c *Core) loadOldPosts(files []File) {
	var damaged []string
	for i := range files {
		f := &files[i]
		if !strings.HasPrefix(f.Name, postsDir) || !strings.HasSuffix(f.Name, oldPostSuffix) {
			continue
		}
		k := &keptPost{file: f.Name}
		if f.Err != nil || json.Unmarshal(f.Data, k) != nil || k.Name == "" {
			damaged = append(damaged, f.Name)
			c.setAside(f)
			continue
		}
		c.posts.old = append(c.posts.old, k)
	}
	if len(damaged) > 0 {
		c.note("%d messages of tandem.post are lost, because their files are damaged: %s",
			len(damaged), strings.Join(damaged[:min(len(damaged), 5)], ", "))
	}
	slices.SortFunc(c.posts.old, func(a, b *keptPost) int {
		return cmp.Or(cmp.Compare(a.Mark.Boot, b.Mark.Boot), cmp.Compare(a.Mark.Seq, b.Mark.Seq))
	})
}

// tellFindings says what was lost of the journal. What a power cut tears is no loss, because
// nothing of it was seen.
func (c *Core) tellFindings(f *findings, what string) {
	if len(f.damaged) > 0 {
		c.note("the log of %s is damaged: %s", what, strings.Join(f.damaged, "; "))
	}
	if len(f.lost) > 0 {
		c.note("%s", lostText(f.lost, what))
	}
}

// lostText says which entries of a journal cannot be read, and what they were. The marks that would say
// which of them were handled may be lost with them.
func lostText(lost []span, what string) string {
	n, numbers := uint64(0), []string{}
	for _, p := range lost {
		n += p.last - p.first + 1
		switch {
		case len(numbers) > 5:
		case len(numbers) == 5:
			numbers = append(numbers, "…")
		case p.first == p.last:
			numbers = append(numbers, decimal(p.first))
		default:
			numbers = append(numbers, decimal(p.first)+" to "+decimal(p.last))
		}
	}
	return fmt.Sprintf("%d %s cannot be read, because their files are damaged; those that were not handled yet are lost: "+
		"the numbers %s", n, what, strings.Join(numbers, ", "))
}
