package central

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tandem-iot/tandem"
	"github.com/tandem-iot/tandem/store"
)

// params are the parameters of each route's query, beside those of pages, which every GET has.
// Any other is refused: a filter that is not known must not select everything.
var params = map[string][]string{
	"GET products":     filters("owner.id"),
	"GET devicegroups": filters("owner.id", "product.id", "type"),
	"GET deployments": filters("owner.id", "creator.id", "product.id", "devicegroup.id", "sha", "flagged", "flagger.id",
		"tags"),
	"GET devices": filters("owner.id", "account.id", "product.id", "devicegroup.id", "devicegroup.owner.id",
		"devicegroup.type"),
	"GET webhooks":                 filters("owner.id", "devicegroup.id"),
	"GET collaborators":            filters("owner.id", "product.id", "devicegroup.id", "member.id"),
	"GET invitations":              filters("owner.id", "product.id", "devicegroup.id"),
	"GET audit":                    filters("owner.id", "product.id", "devicegroup.id", "actor.id"),
	"POST devices/:id/restart":     {"side", "give_up_saved"},
	"POST logstream":               {"format"},
	"GET logstream/:id":            {"format"},
	"PUT logstream/:id/:device":    {"format"},
	"DELETE logstream/:id/:device": {"format"},
}

func filters(names ...string) []string {
	for i, name := range names {
		names[i] = "filter[" + name + "]"
	}
	return names
}

// pageParams say which part of a list is wanted.
var pageParams = []string{"page[number]", "page[size]", "page[after]"}

// checkQuery refuses parameters that a route does not know, and those that are given twice.
func (c *call) checkQuery(r route) error {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return tandem.Errorf(tandem.Invalid, "the query of the URL is not well-formed")
	}
	known := params[r.method+" "+r.path]
	if r.method == http.MethodGet {
		known = append(slices.Clone(known), pageParams...)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			return tandem.Errorf(tandem.Invalid, "%s is not known here: this takes no parameters", name)
		case !slices.Contains(known, name):
			return tandem.Errorf(tandem.Invalid, "%s is not known here: this takes %s", name, strings.Join(known, ", "))
		case len(query[name]) > 1:
			return tandem.Errorf(tandem.Invalid, "%s is given twice", name)
		}
	}
	c.query = query
	return nil
}

func (c *call) filter(name string) string { return c.query.Get("filter[" + name + "]") }

// accountFilter is filter for an account, which is the caller's if it is me.
func (c *call) accountFilter(name string) string {
	id := c.filter(name)
	if id == "me" {
		id = c.account.ID
	}
	return id
}

// filterType returns the group type that a filter names, without its suffix.
func (c *call) filterType(name string) (string, error) {
	text := c.filter(name)
	if text == "" {
		return "", nil
	}
	kind, ok := strings.CutSuffix(text, groupSuffix)
	if !ok || !slices.Contains(groupKinds, kind) {
		return "", errGroupType(text)
	}
	return kind, nil
}

// sizes of a page of a list.
const (
	defaultPage = 20
	largestPage = 100
)

// page returns which page of a list is wanted. Where it begins is known when the page before
// was read lately; a client that asks for any other page has the index walked.
func (c *call) page() (number int, p store.Page) {
	number, size := 1, defaultPage
	if n, err := strconv.Atoi(c.query.Get("page[number]")); err == nil && n > 0 {
		number = min(n, 1<<24) // no list is so long, and what is passed over must not overflow
	}
	if n, err := strconv.Atoi(c.query.Get("page[size]")); err == nil && n > 0 {
		size = min(n, largestPage)
	}
	p.Limit = size
	if n, err := strconv.Atoi(c.query.Get("page[after]")); err == nil && n > 0 {
		p.After = n
		return number, p
	}
	if number > 1 {
		from := 0
		from, p.After = c.places.before(c.listKey(size), number)
		p.Skip = (number - 1 - from) * size
		p.Began = &c.began
	}
	return number, p
}

// listKey identifies a list with its filters, and the size of its pages.
func (c *call) listKey(size int) string {
	query := maps.Clone(c.query)
	for _, name := range pageParams {
		delete(query, name)
	}
	return c.account.ID + " " + strings.Join(c.path, "/") + "?" + query.Encode() + " " + strconv.Itoa(size)
}

// places remembers where the pages of lists begin that were read lately, so that a client
// that counts through the pages does not have each list walked from its beginning.
type places struct {
	mu  sync.Mutex
	all map[string]*pagesOf
}

// pagesOf has places of a list: the After of some of its pages, in order.
type pagesOf struct {
	known []boundary
	at    time.Time // of the first that was found
}

// boundary is the After that belongs to a page.
type boundary struct{ pages, after int } // how many pages lie before it

const (
	maxPlaces = 1000            // lists
	maxKnown  = 10_000          // places of a list
	placeLife = 2 * time.Minute // then all is found again, for objects are deleted
)

// before returns the last known place up to the beginning of a page.
func (p *places) before(key string, number int) (pages, after int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.all[key]
	if of == nil || time.Since(of.at) > placeLife {
		return 0, 0
	}
	i, found := of.find(number - 1)
	switch {
	case found:
	case i == 0:
		return 0, 0
	default:
		i--
	}
	return of.known[i].pages, of.known[i].after
}

func (o *pagesOf) find(pages int) (int, bool) {
	return slices.BinarySearchFunc(o.known, pages, func(k boundary, n int) int { return cmp.Compare(k.pages, n) })
}

// set remembers where the page after one begins. With the first page all is found again.
func (p *places) set(key string, number, after int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := p.all[key]
	if of == nil || time.Since(of.at) > placeLife || number == 1 || len(of.known) >= maxKnown {
		if len(p.all) >= maxPlaces || p.all == nil {
			p.all = map[string]*pagesOf{}
		}
		of = &pagesOf{at: time.Now()}
		p.all[key] = of
	}
	i, found := of.find(number)
	if found {
		of.known[i].after = after
	} else {
		of.known = slices.Insert(of.known, i, boundary{number, after})
	}
}

// sendList sends one page of a list. next is the After of the page that follows, 0 if there is
// none.
func sendList[T any](c *call, number int, p store.Page, next int, list []T, show func(T) any) error {
	data := make([]any, len(list))
	for i, x := range list {
		data[i] = show(x)
	}
	query := maps.Clone(c.query)
	at := func(n, after int) string {
		for _, name := range pageParams {
			query.Del(name)
		}
		query.Set("page[number]", strconv.Itoa(n))
		query.Set("page[size]", strconv.Itoa(p.Limit))
		if after > 0 {
			query.Set("page[after]", strconv.Itoa(after))
		}
		return c.URL + c.r.URL.Path + "?" + query.Encode()
	}
	links := map[string]string{"self": at(number, 0), "first": at(1, 0)}
	if number > 1 {
		links["prev"] = at(number-1, 0)
	}
	if c.began > 0 {
		c.places.set(c.listKey(p.Limit), number-1, c.began)
	}
	if next > 0 {
		links["next"] = at(number+1, next)
		c.places.set(c.listKey(p.Limit), number, next)
	}
	return c.send(http.StatusOK, map[string]any{"data": data, "links": links})
}

// sendNone sends an empty list.
func (c *call) sendNone() error {
	number, page := c.page()
	return sendList(c, number, page, 0, []any{}, func(x any) any { return x })
}

// sendPart sends one page of a list that is in memory. The After of its pages is an index.
func sendPart[T any](c *call, number int, p store.Page, all []T, show func(T) any) error {
	from := min(p.After+p.Skip, len(all))
	to := min(from+p.Limit, len(all))
	next := 0
	if to < len(all) {
		next = to
	}
	return sendList(c, number, p, next, all[from:to], show)
}
