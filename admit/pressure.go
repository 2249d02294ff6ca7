package admit

import (
	"io/fs"
	"path"
	"runtime/metrics"
	"strconv"
	"strings"
)

// Pressure says how short of memory a node is, and so what it sheds.
type Pressure int

// The levels of pressure. Each includes what those before it shed.
const (
	Calm     Pressure = iota
	Tight             // connections that wait for their client, the oldest first, and caches
	Short             // requests to agents: new ones, and the oldest of those that wait for an answer
	Critical          // requests to the API; never the health check
)

// levels have the share of the target, in percent, from which on each level holds.
var levels = [...]int64{Tight: 75, Short: 85, Critical: 95}

// relief is how far below its share the memory must be for a level to end, so that levels
// do not flicker.
const relief = 5

// Next returns the level that follows p when used bytes are in use. A target of 0 is none.
func (p Pressure) Next(used, target int64) Pressure {
	if target <= 0 {
		return Calm
	}
	next := Calm
	for level := Tight; level <= Critical; level++ {
		from := levels[level]
		if p >= level {
			from -= relief
		}
		if used*100 >= target*from {
			next = level
		}
	}
	return next
}

// String returns the name of the level.
func (p Pressure) String() string { return [...]string{"calm", "tight", "short", "critical"}[p] }

// MemoryInUse returns the bytes that Go cannot free: what was alive after the last garbage
// collection, and stacks and tables. Garbage is not in it, because the collector lets it
// grow up to the target.
func MemoryInUse() int64 {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/metadata/mcache/inuse:bytes"}, {Name: "/memory/classes/metadata/mspan/inuse:bytes"},
		{Name: "/memory/classes/metadata/other:bytes"}, {Name: "/memory/classes/os-stacks:bytes"},
		{Name: "/memory/classes/other:bytes"},
	}
	metrics.Read(samples)
	sum := int64(0)
	for _, s := range samples {
		sum += int64(s.Value.Uint64())
	}
	return sum
}

// ContainerMemory returns the limit of the memory of this process's control group, in
// bytes, 0 when there is none. root is the root of the file system.
func ContainerMemory(root fs.FS) int64 {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0 // not Linux
	}
	least := int64(0)
	for line := range strings.Lines(string(groups)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3) // number:controllers:path
		if len(fields) < 3 {
			continue
		}
		dir, file := "sys/fs/cgroup", "memory.max"
		if fields[1] != "" {
			if !strings.Contains(","+fields[1]+",", ",memory,") {
				continue
			}
			dir, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		// The limits of all groups above count too. In a container the path may be the
		// host's and not exist; then the container's own group is the root.
		for at := path.Clean("/" + fields[2]); ; at = path.Dir(at) {
			if n := memoryLimit(root, path.Join(dir, at, file)); n > 0 && (least == 0 || n < least) {
				least = n
			}
			if at == "/" {
				break
			}
		}
	}
	return least
}

// unlimited is what control groups of version 1 have in place of no limit, or more.
const unlimited = 1 << 60

func memoryLimit(root fs.FS, file string) int64 {
	text, err := fs.ReadFile(root, file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n >= unlimited {
		return 0 // "max"
	}
	return n
}
