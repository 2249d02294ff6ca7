package impunit

import (
	"encoding/json"
	"io"
)

// The forms of results as JSON.
type (
	jsonResult struct {
		File       string     `json:"file"`
		Program    string     `json:"program"` // agent, device or test
		Tests      []jsonTest `json:"tests"`
		Seconds    float64    `json:"seconds"` // of the tests' worlds
		Assertions int        `json:"assertions"`
		Failures   int        `json:"failures"`
		Error      string     `json:"error,omitempty"`
	}
	jsonTest struct {
		Case       string       `json:"case"`
		Method     string       `json:"method"`
		OK         bool         `json:"ok"`
		Assertions int          `json:"assertions"`
		Seconds    float64      `json:"seconds"`
		Value      string       `json:"value,omitempty"`
		Infos      []string     `json:"infos,omitempty"`
		Failure    *jsonFailure `json:"failure,omitempty"`
	}
	jsonFailure struct {
		Text   string            `json:"text"`
		File   string            `json:"file,omitempty"`
		Line   int               `json:"line,omitempty"`
		Source string            `json:"source,omitempty"`
		Values map[string]string `json:"values,omitempty"`
		Stack  []string          `json:"stack,omitempty"`
		Log    []string          `json:"log,omitempty"`
	}
)

// WriteJSON writes results as JSON, a file a line.
func WriteJSON(w io.Writer, results []Result) error {
	e := json.NewEncoder(w)
	for i := range results {
		if err := e.Encode(jsonOf(&results[i])); err != nil {
			return err
		}
	}
	return nil
}

func jsonOf(r *Result) jsonResult {
	x := jsonResult{File: r.File, Program: string(r.Where), Tests: []jsonTest{}, Seconds: r.Virtual.Seconds()}
	_, x.Assertions, x.Failures = r.Counts()
	if r.Err != nil {
		x.Error = r.Err.Error()
	}
	for _, t := range r.Tests {
		one := jsonTest{
			Case: t.Case, Method: t.Method, OK: t.Failure == nil, Assertions: t.Assertions, Seconds: t.Took.Seconds(),
			Value: t.Value, Infos: t.Infos,
		}
		if f := t.Failure; f != nil {
			one.Failure = &jsonFailure{Text: f.Text, File: f.File, Line: f.Line, Source: f.Source, Stack: f.Stack}
			for _, v := range f.Values {
				if one.Failure.Values == nil {
					one.Failure.Values = map[string]string{}
				}
				one.Failure.Values[v.Name] = v.Shown()
			}
			for _, l := range f.Log {
				one.Failure.Log = append(one.Failure.Log, LineText(l))
			}
		}
		x.Tests = append(x.Tests, one)
	}
	return x
}
