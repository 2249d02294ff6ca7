package core

import (
	"bytes"
	"errors"
	"maps"
	"slices"
)

// Memory is a device's directory in memory, for simulations: it does what a core asks of the
// disk, and loses what a disk loses with its power. The zero value is an empty directory.
type Memory struct {
	files   map[string]*memoryFile
	removed map[string]*memoryFile // a power cut may bring them back
}

type memoryFile struct {
	data  []byte
	flush []byte // what is durable, when it is not data
}

// errNoFile is the error of a file that is not there, or too small.
var errNoFile = errors.New("no such file, or not so large")

// sector is what a disk writes whole, in bytes.
const sector = 512

// Install puts a file into the directory.
func (m *Memory) Install(name string, data []byte) {
	if m.files == nil {
		m.files, m.removed = map[string]*memoryFile{}, map[string]*memoryFile{}
	}
	m.files[name] = &memoryFile{data: data}
}

// Clone returns a copy of the directory, as it is after a loss of power.
func (m *Memory) Clone() Memory {
	var c Memory
	for _, name := range m.Names() {
		c.Install(name, slices.Clone(m.files[name].data))
	}
	return c
}

// Data returns a file's content, nil if there is none.
func (m *Memory) Data(name string) []byte {
	if f := m.files[name]; f != nil {
		return f.data
	}
	return nil
}

// Names returns the names of the files, in order.
func (m *Memory) Names() []string { return slices.Sorted(maps.Keys(m.files)) }

// Contents returns what a core is made of.
func (m *Memory) Contents() (c Contents) {
	for _, name := range m.Names() {
		data := m.files[name].data
		if n, ok := SegmentNumber(name); ok {
			c.Journal = append(c.Journal, ScanSegment(n, int64(len(data)), bytes.NewReader(data)))
		} else if Kept(name) {
			c.Files = append(c.Files, File{Name: name, Data: data})
		}
	}
	return c
}

// Do does what an effect asks of the disk and returns the answer; nil when it asks nothing of
// it.
func (m *Memory) Do(e Effect) Event {
	switch e := e.(type) {
	case *WriteFile:
		m.Install(e.Name, e.Data)
		delete(m.removed, e.Name)
		return &FileDone{Number: e.Number}
	case *WriteAt:
		return &FileDone{Number: e.Number, Err: m.writeAt(e)}
	case *Reserve:
		m.Install(e.Name, make([]byte, e.Size))
		return &FileDone{Number: e.Number}
	case *RemoveFile:
		if f := m.files[e.Name]; f != nil {
			m.removed[e.Name] = f
			delete(m.files, e.Name)
		}
		return &FileDone{Number: e.Number}
	case *SetAside:
		f := m.files[e.Name]
		if f == nil {
			return &FileDone{Number: e.Number, Err: errNoFile}
		}
		delete(m.files, e.Name)
		m.files[e.Name+Aside] = f
		return &FileDone{Number: e.Number}
	case *ReadFile:
		return m.read(e)
	}
	return nil
}

func (m *Memory) writeAt(e *WriteAt) error {
	f := m.files[e.Name]
	end := int(e.Offset) + len(e.Data)
	if f == nil || end > len(f.data) {
		return errNoFile
	}
	if f.flush == nil && !e.Flush {
		f.flush = slices.Clone(f.data)
	}
	copy(f.data[e.Offset:], e.Data)
	if e.Flush {
		f.flush = nil
	}
	return nil
}

func (m *Memory) read(e *ReadFile) Event {
	f := m.files[e.Name]
	if f == nil || e.Offset > int64(len(f.data)) {
		return &FileRead{Number: e.Number, Err: errNoFile}
	}
	rest := f.data[e.Offset:]
	return &FileRead{Number: e.Number, Data: slices.Clone(rest[:min(len(rest), e.Size)])}
}

// Cut loses the power while an effect is being done; nil is none. chance returns a random number
// below n. Of what was not flushed any sectors are kept.
func (m *Memory) Cut(during Effect, chance func(n uint64) uint64) {
	switch e := during.(type) {
	case *WriteAt:
		// Its flush is not done. A failure to write is one that the core does not hear of.
		if m.writeAt(&WriteAt{Name: e.Name, Offset: e.Offset, Data: e.Data}) != nil {
			break
		}
	case nil, *ReadFile:
	default:
		if chance(2) == 0 {
			m.Do(e)
		}
	}
	for _, name := range m.Names() {
		f := m.files[name]
		for at := 0; f.flush != nil && at < len(f.data); at += sector {
			if end := min(at+sector, len(f.data)); chance(2) == 0 {
				copy(f.data[at:end], f.flush[at:end])
			}
		}
		f.flush = nil
	}
	for _, name := range slices.Sorted(maps.Keys(m.removed)) {
		if m.files[name] == nil && chance(4) == 0 {
			m.files[name] = m.removed[name]
			m.files[name].flush = nil
		}
	}
	clear(m.removed)
}
