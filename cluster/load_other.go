//go:build !unix

package cluster

import "time"

// processorTime is not known here: the node counts as idle.
func processorTime() time.Duration { return 0 }
