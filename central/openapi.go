package central

import (
	_ "embed"
	"net/http"

	"github.com/tandem-iot/tandem/ingress"
)

// description is the API in OpenAPI 3.1. Its paths, texts and rules are those of the routes, which
// TestDescription compares; the forms of requests and answers are compared by every test of the API.
//
//go:embed openapi.json
var description []byte

// getDescription sends the description of the API.
func (c *call) getDescription() error {
	if c.r.ContentLength != 0 { // which nothing reads
		ingress.HangUp(c.w, c.r)
	}
	c.w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(description) // an error means that the client has closed the connection
	return nil
}
