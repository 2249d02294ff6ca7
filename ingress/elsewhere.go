package ingress

import "net/http"

// Elsewhere answers requests on a listener that does not serve agents: 404 with the
// address of the agent when the path is that of one. It does not redirect, so that
// clients are changed to the address that lasts.
type Elsewhere struct{ Site Site }

func (e Elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text := "there is nothing at this address"
	if id, _ := cutAgent(r.URL.Path); id.Valid() {
		text = "agents are not served here: the address of this one is " + e.Site.URL(id)
	}
	refuse(w, http.StatusNotFound, text)
}
