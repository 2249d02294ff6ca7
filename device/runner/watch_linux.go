package runner

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// groups are the kinds of news that we want, by the numbers of rtnetlink(7).
const groups = 1<<(syscall.RTNLGRP_LINK-1) |
	1<<(syscall.RTNLGRP_IPV4_IFADDR-1) | 1<<(syscall.RTNLGRP_IPV4_ROUTE-1) |
	1<<(syscall.RTNLGRP_IPV6_IFADDR-1) | 1<<(syscall.RTNLGRP_IPV6_ROUTE-1)

// networkNews returns a channel that has something when the kernel tells of links, addresses or routes.
// It is closed when the kernel tells nothing more, and nil when it does not tell at all.
func networkNews(ctx context.Context) <-chan struct{} {
	const kind = syscall.SOCK_RAW | syscall.SOCK_CLOEXEC | syscall.SOCK_NONBLOCK
	fd, err := syscall.Socket(syscall.AF_NETLINK, kind, syscall.NETLINK_ROUTE)
	if err != nil {
		return nil
	}
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: groups}); err != nil {
		syscall.Close(fd)
		return nil
	}
	f := os.NewFile(uintptr(fd), "netlink")
	news := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { f.Close() })
	go func() {
		defer close(news)
		defer stop()
		defer f.Close()
		buf := make([]byte, 8192)
		for {
			// What does not fit is lost, and the kernel says so by an error; both are news, too.
			if _, err := f.Read(buf); err != nil && !lostNews(err) {
				return
			}
			select {
			case news <- struct{}{}:
			default: // the last was not taken yet
			}
		}
	}()
	return news
}

// lostNews reports whether the kernel has had more to tell than there was room for.
func lostNews(err error) bool { return errors.Is(err, syscall.ENOBUFS) }
