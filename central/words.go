package central

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// inWords returns what is wrong with a request's JSON, without the words of Go's library.
func inWords(err error) error {
	if e := new(json.SyntaxError); errors.As(err, &e) {
		if strings.HasPrefix(e.Error(), "unexpected end") {
			return errors.New("it ends too early")
		}
		return fmt.Errorf("there is a mistake at byte %d", e.Offset)
	}
	if e := new(json.UnmarshalTypeError); errors.As(err, &e) {
		kind, _, _ := strings.Cut(e.Value, " ") // "number 1.5" is one that does not fit
		subject := strings.ToLower(strings.TrimPrefix(e.Field, "."))
		if subject == "" {
			subject = "it"
		}
		return fmt.Errorf("%s is %s; it must be %s", subject, article(kind), typeInWords(e.Type))
	}
	return err
}

// article puts one before the name of a JSON type.
func article(kind string) string {
	if kind == "array" || kind == "object" {
		return "an " + kind
	}
	return "a " + kind
}

// typeInWords names what a member of a request must be.
func typeInWords(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "a number in its range"
}
