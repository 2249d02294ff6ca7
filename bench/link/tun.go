package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The two ends of the network. Each is a network namespace with a TUN device, whose packets the processes
// in them hand each other over a pair of sockets. The end of the devices delays and loses them.
const (
	deviceAddress = "10.8.0.2"
	plainAddress  = "10.9.0.1" // of the nodes, without delay and loss
	mask          = "/15"
	mtu           = 1400
)

// shapedAddress is the nodes' address in the network of a number.
func shapedAddress(n int) string { return fmt.Sprintf("10.9.1.%d", n+1) }

// openTUN makes a TUN device in the namespace of this process, with addresses. TCP uses the congestion
// control of that name there.
func openTUN(congestion string, addresses ...string) (*os.File, error) {
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_congestion_control", []byte(congestion), 0o600); err != nil {
		return nil, err
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq("link0")
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("TUNSETIFF: %w", err)
	}
	f := os.NewFile(uintptr(fd), "link0")
	commands := []string{"link set lo up", fmt.Sprint("link set link0 mtu ", mtu, " txqueuelen 20000 up")}
	for _, a := range addresses {
		commands = append(commands, "addr add "+a+mask+" dev link0")
	}
	for _, c := range commands {
		if err := ip(c); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// copyPackets hands packets on until one end fails. A TUN device that is down neither takes nor gives any.
func copyPackets(to interface{ Write([]byte) (int, error) }, from interface{ Read([]byte) (int, error) }) error {
	buf := make([]byte, mtu+100)
	for {
		n, err := from.Read(buf)
		if errors.Is(err, unix.EIO) {
			time.Sleep(downPause)
			continue
		}
		if err != nil {
			return err
		}
		if _, err := to.Write(buf[:n]); err != nil && !errors.Is(err, unix.EIO) {
			return err
		}
	}
}

// downPause is how often a TUN device that is down is looked at.
const downPause = 10 * time.Millisecond

// sockets returns a pair of sockets that keep the bounds of packets.
func sockets() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range fds {
		for _, option := range []int{unix.SO_SNDBUFFORCE, unix.SO_RCVBUFFORCE} {
			// The usual size will do, too.
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 8<<20)
		}
	}
	return os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b"), nil
}

// inherited is the socket that the parent has given this process.
func inherited() (net.Conn, error) {
	f := os.NewFile(3, "peer")
	defer f.Close() // FileConn has a copy
	return net.FileConn(f)
}

// ends returns the source and the destination of an IPv4 packet.
func ends(packet []byte) (from, to netip.Addr, ok bool) {
	if len(packet) < 20 || packet[0]>>4 != 4 {
		return from, to, false
	}
	return netip.AddrFrom4([4]byte(packet[12:16])), netip.AddrFrom4([4]byte(packet[16:20])), true
}
