package imp

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
)

// variablePrefix is before the names of members of __VARS in an Environment; their values are JSON.
const variablePrefix = "__VARS."

// Variables returns the environment that the variables of a device group are, which are the members
// of a JSON object. Texts, numbers and booleans can be members of an enum; others are left out.
func Variables(object string) Environment {
	var list map[string]json.RawMessage
	if json.Unmarshal([]byte(object), &list) != nil {
		return nil // no object, or none yet
	}
	env := Environment{}
	for name, val := range list {
		if constant(string(val)) != nil {
			env[variablePrefix+name] = string(bytes.TrimSpace(val))
		}
	}
	return env
}

// For returns the environment without the variables that a device's code does not mention: it gets
// no secrets of its agent's.
func (e Environment) For(code string) Environment {
	out := Environment{}
	for name, val := range e {
		if v, ok := strings.CutPrefix(name, variablePrefix); !ok || strings.Contains(code, v) {
			out[name] = val
		}
	}
	return out
}

// constant returns what JSON is as a constant: a string, int, float64 or bool, nil for others.
func constant(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var val any
	if d.Decode(&val) != nil {
		return nil
	}
	switch val := val.(type) {
	case string, bool:
		return val
	case json.Number:
		if n, err := val.Int64(); err == nil && n >= math.MinInt32 && n <= math.MaxInt32 {
			return int(n)
		}
		if f, err := val.Float64(); err == nil {
			return f
		}
	}
	return nil
}
