package syntax

import (
	"reflect"
	"testing"
)

// heightOf returns how many expressions are within each other, in whatever there
// is between them.
func heightOf(v reflect.Value) (h int) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return 0
		}
		h = heightOf(v.Elem())
		if _, ok := v.Interface().(Expr); ok && v.Kind() == reflect.Pointer {
			h++
		}
		return h
	case reflect.Slice:
		for i := range v.Len() {
			h = max(h, heightOf(v.Index(i)))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			h = max(h, heightOf(v.Field(i)))
		}
	}
	return h
}

// TestHeight: the parser knows how high each expression is, so that its limit is
// one of all expressions.
func TestHeight(t *testing.T) {
	forms := []string{
		"a", "1", `"s"`, "null", "-a", "!a", "~a", "~1", "-1", "typeof a", "clone a", "resume a", "delete a.b",
		"delete a[-b]",
		"a + b", "a + -b", "-a + b", "a && b || c", "a <=> (b, c)", "a in b", "a instanceof b", "a.b", "a[b]", "a[-b]",
		"(-a)[b]", "::a", "::a.b",
		"a()", "a(b)", "a(-b, c)", "a(b, -c)", "(-a)(b)", "a.b(c)", "a++", "--a", "a.b++", "-a.b[c](d)",
		"a = b", "a = -b", "a.b = c", "a += b", "a.b <- c", "a.b <- -c", "a[-b] = c", "a ? b : c", "-a ? b : c",
		"a ? -b : c", "a ? b : -c",
		"[]", "[a]", "[a, -b]", "[-a, b]", "{}", "{ a = b }", "{ a = -b, c = d }", "{ [-a] = b }",
		"{ function f() { return -a; } }",
		"function() {}", "function() { return a; }", "function() { return -a; }", "function() { if (-a) b(); }",
		"function(p = -a) {}",
		"@() a", "@() -a", "@() @() a", "class {}", "class { a = -b }", "class extends a.b {}", "class </ a = -b /> {}",
		"class { </ a = -b /> c = 1 }",
		"class { function f() { return -a; } }", "class { constructor() { a = -b; } }",
	}
	for _, src := range forms {
		for _, whole := range []string{src, "[[" + src + "]]", "(" + src + ", z)"} {
			p := parser{scanner: newScanner("test", []byte(whole)), fn: &funcState{}}
			p.scan()
			x := p.expression()
			if p.tok != tokEOF {
				t.Errorf("%s: not read to its end", whole)
			}
			if got, want := p.height, heightOf(reflect.ValueOf(x)); got != want {
				t.Errorf("%s: %d high for the parser, and really %d", whole, got, want)
			}
		}
	}
}
