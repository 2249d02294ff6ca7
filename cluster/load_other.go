//go:build !unix

package cluster

import "time"

// processorTime is not available on this system: the node counts as idle.
func processorTime() time.Duration { return 0 }
