package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"strconv"
)

// pageSize is the size of the pages in which lists are read, the largest that there is.
const pageSize = 100

// Ref is an object to which another is related. Name is not part of what a node sends; who shows
// objects to people fills it in.
type Ref struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// wire is an object in the API's form.
type wire struct {
	Type          string                     `json:"type"`
	ID            string                     `json:"id"`
	Attributes    map[string]json.RawMessage `json:"attributes"`
	Relationships map[string]json.RawMessage `json:"relationships"`
}

// flat reads an object in the API's form: its type, its id, its attributes and its relationships
// become fields of one struct. An attribute goes before a relationship of the same name.
type flat[T any] struct{ value T }

func (f *flat[T]) UnmarshalJSON(data []byte) error {
	var w wire
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	all := map[string]json.RawMessage{}
	for _, part := range []map[string]json.RawMessage{w.Relationships, w.Attributes} {
		for name, value := range part {
			all[name] = value
		}
	}
	// What is no object in this form, such as an event of a device's history, is read as it is.
	if w.Attributes == nil && w.ID == "" {
		return json.Unmarshal(data, &f.value)
	}
	for name, text := range map[string]string{"type": w.Type, "id": w.ID} {
		value, err := json.Marshal(text)
		if err != nil {
			return err
		}
		all[name] = value
	}
	joined, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return json.Unmarshal(joined, &f.value)
}

// sent is an object in the form in which it is sent.
type sent struct {
	Type          string         `json:"type"`
	ID            string         `json:"id,omitempty"`
	Attributes    any            `json:"attributes,omitempty"`
	Relationships map[string]Ref `json:"relationships,omitempty"`
}

// related returns relationships without the empty ones.
func related(all map[string]Ref) map[string]Ref {
	for name, r := range all {
		if r.ID == "" {
			delete(all, name)
		}
	}
	return all
}

// document is a request or an answer with one object.
type document[T any] struct {
	Data T `json:"data"`
}

// object makes a call that answers with an object.
func object[T any](ctx context.Context, c *Client, k call) (T, error) {
	if s, ok := k.in.(sent); ok {
		k.in = document[sent]{s}
	}
	var out document[flat[T]]
	err := c.do(ctx, k, &out)
	return out.Data.value, err
}

// objects reads a list, page by page.
func objects[T any](ctx context.Context, c *Client, path string, filters map[string]string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		query := url.Values{"page[size]": {strconv.Itoa(pageSize)}}
		for name, value := range filters {
			if value != "" {
				query.Set("filter["+name+"]", value)
			}
		}
		for {
			var page struct {
				Data  []flat[T]
				Links map[string]string
			}
			if err := c.do(ctx, call{method: "GET", path: path, query: query}, &page); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, x := range page.Data {
				if !yield(x.value, nil) {
					return
				}
			}
			// Of the address of the next page only the query counts: the node may be known by another
			// name to those outside.
			next, err := url.Parse(page.Links["next"])
			if page.Links["next"] == "" || err != nil {
				return
			}
			query = next.Query()
		}
	}
}

// at returns a path with ids in it.
func at(words ...string) (path string) {
	for _, w := range words {
		path += "/" + url.PathEscape(w)
	}
	return path
}
