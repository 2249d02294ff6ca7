// Package admit decides who gets in when a node has more to do than it can. Its parts
// do not know each other:
//
//   - [Source] is a client's address as limits count it.
//   - [Pool] shares something scarce, such as connections or bytes, among keys. When it
//     is used up, the holder that has waited longest for its client gives way.
//   - [Gate] is a Pool for the connections of listeners.
//   - [Logins] slows down those who guess keys.
//   - [Queue] is a Pool whose users wait for their turn instead of being refused.
//   - [Pressure] says what to shed when memory runs short.
//   - [Pace] and [Answer] give HTTP clients time as long as they make progress.
//
// Time is an argument wherever it matters, except in Gate and Pace, which are shells.
package admit

import (
	"net"
	"net/netip"
)

// Source is a client's address as limits count it: an IPv4 address, or the first 64
// bits of an IPv6 address, since a customer gets at least as many addresses. The zero
// value stands for all addresses that are not of the Internet.
type Source struct{ addr netip.Addr }

// SourceOf returns the source of an address.
func SourceOf(a netip.Addr) Source {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		prefix, err := a.Prefix(64)
		if err != nil {
			return Source{}
		}
		a = prefix.Addr()
	}
	return Source{a}
}

// SourceOfConn returns the source of the other end of a connection.
func SourceOfConn(a net.Addr) Source {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return SourceOf(tcp.AddrPort().Addr())
	}
	if a == nil {
		return Source{}
	}
	return SourceOf(Addr(a.String()))
}

// Addr returns the address in a text such as "192.0.2.1:80", "[2001:db8::1]:80" or
// "192.0.2.1". It returns the zero address when there is none.
func Addr(text string) netip.Addr {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}

// String returns the address, for IPv6 as a network.
func (s Source) String() string {
	switch {
	case !s.addr.IsValid():
		return "unknown"
	case s.addr.Is6():
		return s.addr.String() + "/64"
	}
	return s.addr.String()
}
