package ingress

import "net/http"

// Elsewhere answers requests on a listener that does not serve agents: 404 with the
// address of the agent when the path is that of one. It does not redirect, so that
// clients are changed to the address that lasts. Other paths are for Else.
type Elsewhere struct {
	Site Site
	Else http.Handler
}

func (e Elsewhere) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, _ := cutAgent(r.URL.Path)
	if !id.Valid() {
		e.Else.ServeHTTP(w, r)
		return
	}
	refuse(w, http.StatusNotFound, "agents are not served here: the address of this one is "+e.Site.URL(id))
}
