package central

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tandem-iot/tandem"
)

// A request is decoded strictly: what is not known in it is refused, so that a misspelt name
// is not taken for a wish that was not made; and names are compared as they are, while
// package json ignores the case.

// strict decodes JSON into v, which is a pointer. path is where the value is in the request,
// for messages.
func strict(data []byte, v reflect.Value, path string) error {
	v = v.Elem()
	if string(data) == "null" && v.Type() != rawType {
		return nil
	}
	switch {
	case v.Type() == rawType:
		v.SetBytes(data)
		return nil
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return strict(data, v, path)
	case v.Kind() == reflect.Struct:
		return strictStruct(data, v, path)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		var list []json.RawMessage
		if err := decodeAs(data, &list, path, "a list"); err != nil {
			return err
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, one := range list {
			if err := strict(one, v.Index(i).Addr(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case v.Kind() == reflect.Map:
		var members map[string]json.RawMessage
		if err := decodeAs(data, &members, path, "an object"); err != nil {
			return err
		}
		v.Set(reflect.MakeMap(v.Type()))
		for _, name := range slices.Sorted(maps.Keys(members)) {
			one := reflect.New(v.Type().Elem())
			if err := strict(members[name], one, join(path, name)); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(name), one.Elem())
		}
		return nil
	}
	return decodeAs(data, v.Addr().Interface(), path, wanted(v.Kind()))
}

var rawType = reflect.TypeFor[json.RawMessage]()

func strictStruct(data []byte, v reflect.Value, path string) error {
	var members map[string]json.RawMessage
	if err := decodeAs(data, &members, path, "an object"); err != nil {
		return err
	}
	fields := map[string]int{}
	for i := range v.NumField() {
		fields[memberName(v.Type().Field(i))] = i
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		i, ok := fields[name]
		if !ok {
			return unknownMember(join(path, name), slices.Sorted(maps.Keys(fields)))
		}
		if err := strict(members[name], v.Field(i).Addr(), join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

func unknownMember(path string, known []string) error {
	if len(known) == 0 {
		return tandem.Errorf(tandem.Invalid, "%q is not known here: this takes no attributes", path)
	}
	return tandem.Errorf(tandem.Invalid, "%q is not known here: this takes %s", path, strings.Join(known, ", "))
}

// memberName is the name of a field in JSON.
func memberName(f reflect.StructField) string {
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
		return name
	}
	return strings.ToLower(f.Name)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// wanted names what JSON a kind of value is read from.
func wanted(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a string in base64"
	}
	return "a number"
}

// decodeAs decodes JSON. Its errors do not say how the request is read.
func decodeAs(data []byte, v any, path, want string) error {
	err := json.Unmarshal(data, v)
	var at *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &at):
		return tandem.Errorf(tandem.Invalid, "the request is not valid JSON: it is wrong at byte %d", at.Offset)
	case path == "":
		return tandem.Errorf(tandem.Invalid, "this must be %s in JSON", want)
	}
	return tandem.Errorf(tandem.Invalid, "%s must be %s", path, want)
}

// Limits of texts, in characters, and of environment variables, in bytes.
const (
	longestName        = 80
	longestDescription = 255
	longestTags        = 500 // all tags of a deployment
	largestEnv         = 64 << 10
)

// checkName checks the name of a new or renamed thing.
func checkName(noun, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return tandem.Errorf(tandem.Invalid, "a %s needs a name", noun)
	case strings.ContainsFunc(name, unicode.IsControl):
		return tandem.Errorf(tandem.Invalid, "the name of a %s cannot have control characters", noun)
	}
	return checkText("name", name, longestName)
}

// checkText checks another text that people give.
func checkText(what, text string, longest int) error {
	switch {
	case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
		return tandem.Errorf(tandem.Invalid, "the %s must be text in UTF-8, without characters of code 0", what)
	case utf8.RuneCountInString(text) > longest:
		return tandem.Errorf(tandem.Invalid, "the %s can have at most %d characters", what, longest)
	}
	return nil
}

// shape is what the resource of a request may be, beside its attributes.
type shape struct {
	types   []string            // one of these, or none
	related map[string][]string // relationships, with the types they may have
}

// readAs reads a request whose resource has a shape. In a change its id may be that of the path.
func (c *call) readAs(s shape, attributes any) (received, error) {
	in, err := c.read(attributes)
	if err != nil {
		return in, err
	}
	d := in.Data
	if d.Type != "" && !slices.Contains(s.types, d.Type) {
		return in, tandem.Errorf(tandem.Invalid, "the type here is %s, not %q", strings.Join(s.types, " or "), d.Type)
	}
	if d.ID != "" && (c.r.Method == "POST" || d.ID != c.path[len(c.path)-1]) {
		return in, tandem.Errorf(tandem.Invalid, "the id %q is not that of the path", d.ID)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Relationships)) {
		types, ok := s.related[name]
		r := d.Relationships[name]
		switch {
		case !ok:
			return in, unknownMember("relationships."+name, slices.Sorted(maps.Keys(s.related)))
		case r.Type != "" && !slices.Contains(types, r.Type):
			return in, tandem.Errorf(tandem.Invalid, "the relationship %s is to a %s, not to a %q",
				name, strings.Join(types, " or a "), r.Type)
		case r.ID == "":
			return in, tandem.Errorf(tandem.Invalid, "the relationship %s needs an id", name)
		}
	}
	return in, nil
}
