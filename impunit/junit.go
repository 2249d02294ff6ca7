package impunit

import (
	"encoding/xml"
	"io"
	"strings"
)

// The elements of a report for continuous integration, as JUnit's XML has them.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Time     float64     `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string      `xml:"classname,attr"`
		Name    string      `xml:"name,attr"`
		Time    float64     `xml:"time,attr"`
		Failure *junitFault `xml:"failure,omitempty"`
		Error   *junitFault `xml:"error,omitempty"`
		Out     string      `xml:"system-out,omitempty"`
	}
	junitFault struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes results as JUnit's XML. Times are those of the tests' worlds.
func WriteJUnit(w io.Writer, results []Result) error {
	all := junitSuites{}
	for i := range results {
		s := suiteOf(&results[i])
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Suites = append(all.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func suiteOf(r *Result) junitSuite {
	s := junitSuite{Name: r.File, Time: r.Virtual.Seconds()}
	s.Tests, _, s.Failures = r.Counts()
	for _, t := range r.Tests {
		if !t.Counts && t.Failure == nil {
			continue
		}
		c := junitCase{Class: t.Case, Name: t.Method, Time: t.Took.Seconds(), Out: printable(strings.Join(t.Infos, "\n"))}
		if f := t.Failure; f != nil {
			c.Failure = &junitFault{printable(f.Text), printable(f.String())}
		}
		s.Cases = append(s.Cases, c)
	}
	if r.Err != nil {
		s.Errors++
		fault := &junitFault{printable(r.Err.Error()), ""}
		s.Cases = append(s.Cases, junitCase{Class: r.File, Name: "run", Error: fault})
	}
	return s
}

// printable replaces the characters that XML cannot have.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' && c != '\t' {
			return '\ufffd'
		}
		return c
	}, strings.ToValidUTF8(s, "\ufffd"))
}
