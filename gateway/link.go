package gateway

import "github.com/tandem-iot/tandem/host"

// Link is a device's connection, as the host sees it.
type Link = host.Link
