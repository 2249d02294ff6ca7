//go:build !linux

package runner

import "context"

// networkNews returns nil: the system is not asked to tell.
func networkNews(context.Context) <-chan struct{} { return nil }
