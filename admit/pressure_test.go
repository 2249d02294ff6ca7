package admit

import (
	"testing"
	"testing/fstest"
)

func TestPressure(t *testing.T) {
	for _, tc := range []struct {
		from Pressure
		used int64
		want Pressure
	}{
		{Calm, 0, Calm}, {Calm, 74, Calm}, {Calm, 75, Tight}, {Calm, 85, Short}, {Calm, 95, Critical}, {Calm, 500, Critical},
		{Tight, 71, Tight}, {Tight, 70, Tight}, {Tight, 69, Calm}, {Short, 80, Short}, {Short, 79, Tight}, {Short, 69, Calm},
		{Critical, 90, Critical}, {Critical, 89, Short}, {Critical, 79, Tight}, {Critical, 0, Calm}, {Tight, 84, Tight},
	} {
		if got := tc.from.Next(tc.used, 100); got != tc.want {
			t.Errorf("%v with %d %% is followed by %v, want %v", tc.from, tc.used, got, tc.want)
		}
	}
	if Critical.Next(1<<40, 0) != Calm {
		t.Error("there is pressure without a target")
	}
}

func TestMemoryInUse(t *testing.T) {
	before := MemoryInUse()
	if before < 100_000 || before > 1<<32 {
		t.Errorf("%d bytes are in use", before)
	}
}

func TestContainerMemory(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for _, tc := range []struct {
		name string
		fs   fstest.MapFS
		want int64
	}{
		{"not Linux", fstest.MapFS{}, 0},
		{"a container", fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("1000000\n")}, 1000000},
		{"the path of the host", fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/memory.max": file("7\n")}, 7},
		{"a service", fstest.MapFS{
			"proc/self/cgroup":                      file("0::/system.slice/x.service\n"),
			"sys/fs/cgroup/system.slice/memory.max": file("500\n"), "sys/fs/cgroup/system.slice/x.service/memory.max": file("max\n"),
		}, 500},
		{"no limit", fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n")}, 0},
		{"version 1", fstest.MapFS{
			"proc/self/cgroup": file("5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n"),
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": file("300\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes":          file("9223372036854771712\n"),
		}, 300},
		{"version 1 without a limit", fstest.MapFS{
			"proc/self/cgroup": file("4:memory:/\n"), "sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"),
		}, 0},
		{"nonsense", fstest.MapFS{"proc/self/cgroup": file("x\n"), "sys/fs/cgroup/memory.max": file("y")}, 0},
	} {
		if got := ContainerMemory(tc.fs); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}
