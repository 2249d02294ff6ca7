package reference

import (
	"bytes"
	"html"
	"html/template"
	"path"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"

	"github.com/tandem-iot/tandem/imp"
)

// repository is the address of files that are not part of the site.
const repository = "https://github.com/tandem-iot/tandem/blob/main/"

var markdownParser = goldmark.New(
	goldmark.WithExtensions(extension.Table),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(codeRenderer{}, 1))),
)

// markdown returns a document as HTML: links lead to the site's pages, code is
// coloured, and the name of an entry in code is a link to it.
func markdown(source string) template.HTML {
	src := []byte(source)
	doc := markdownParser.Parser().Parse(text.NewReader(src))
	walkNodes(doc, func(n ast.Node) {
		if l, ok := n.(*ast.Link); ok {
			l.Destination = []byte(siteLink(string(l.Destination)))
		}
	})
	var b bytes.Buffer
	if err := markdownParser.Renderer().Render(&b, src, doc); err != nil {
		panic("reference: " + err.Error()) // writing to a buffer does not fail
	}
	return template.HTML(b.String())
}

// passage is a part of a document: the text before its first second-level heading,
// or one of these headings with the text below it.
type passage struct {
	link        // the heading and its anchor; empty before the first heading
	Body string // the text
}

// passages returns the parts of a document in order.
func passages(source string) []passage {
	src := []byte(source)
	all := []passage{{}}
	root := markdownParser.Parser().Parse(text.NewReader(src))
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		switch h, ok := n.(*ast.Heading); {
		case ok && h.Level == 1: // the title
		case ok && h.Level == 2:
			id, _ := h.AttributeString("id")
			all = append(all, passage{link: link{"#" + string(id.([]byte)), words(h, src)}})
		default:
			all[len(all)-1].Body += words(n, src) + " "
		}
	}
	return all
}

// words returns the text of a part of a document, without markup.
func words(root ast.Node, src []byte) string {
	var b strings.Builder
	walkNodes(root, func(n ast.Node) {
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(src))
			if n.SoftLineBreak() || n.NextSibling() == nil {
				b.WriteByte(' ')
			}
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			b.Write(n.Lines().Value(src))
		}
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

func walkNodes(root ast.Node, visit func(ast.Node)) {
	visit(root)
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		walkNodes(n, visit)
	}
}

// siteLink turns a link between files of the repository into one of the site, where
// all documents are pages in one directory.
func siteLink(to string) string {
	if strings.Contains(to, ":") || strings.HasPrefix(to, "#") {
		return to
	}
	name, anchor, hasAnchor := strings.Cut(to, "#")
	if hasAnchor {
		anchor = "#" + anchor
	}
	base, isDocument := strings.CutSuffix(path.Base(name), ".md")
	for strings.HasPrefix(name, "../") {
		name = name[len("../"):]
	}
	if isDocument && path.Dir(name) == "." || path.Dir(name) == "guides" {
		if documentNames()[base] {
			return file(base) + anchor
		}
	}
	return repository + name + anchor
}

// codeRenderer renders code.
type codeRenderer struct{}

func (codeRenderer) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, renderBlock)
	r.Register(ast.KindCodeSpan, renderSpan)
}

func renderBlock(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	block := n.(*ast.FencedCodeBlock)
	code := string(block.Lines().Value(src))
	out := "<pre tabindex=\"0\"><code>" + html.EscapeString(code) + "</code></pre>\n"
	if string(block.Language(src)) == "squirrel" {
		out = program(code, strings.TrimPrefix(string(block.Info.Segment.Value(src)), "squirrel "))
	}
	_, err := w.WriteString(out)
	return ast.WalkContinue, err
}

func renderSpan(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	var code strings.Builder
	walkNodes(n, func(n ast.Node) {
		if t, ok := n.(*ast.Text); ok {
			code.Write(t.Segment.Value(src))
		}
	})
	_, err := w.WriteString(string(codeLink(code.String(), insideLink(n))))
	return ast.WalkSkipChildren, err
}

// program renders Squirrel code that is for one side, or for both.
func program(code, side string) string {
	on := map[string]imp.Sides{"agent": imp.OnAgent, "device": imp.OnDevice, "both": imp.OnBoth}
	out := "<pre tabindex=\"0\"><code>" + string(highlight(code)) + "</code></pre>\n"
	if on[side] == 0 {
		return out
	}
	return "<figure><figcaption>" + string(render("badges", on[side])) + "</figcaption>" + out + "</figure>\n"
}

func insideLink(n ast.Node) bool {
	for ; n != nil; n = n.Parent() {
		if n.Kind() == ast.KindLink {
			return true
		}
	}
	return false
}

// codeLink returns code as HTML, with a link when it is the name or a call of an
// entry.
func codeLink(code string, plain bool) template.HTML {
	out := "<code>" + html.EscapeString(code) + "</code>"
	name, _, _ := strings.Cut(code, "(")
	if href, ok := entryLinks()[name]; ok && !plain && strings.ContainsAny(code, "._(") {
		out = `<a class="code" href="` + href + `">` + out + "</a>"
	}
	return template.HTML(out)
}

// word matches words of a text that may be names of entries.
var word = regexp.MustCompile(`[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_0-9]+)+|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+`)

// linked returns plain text as HTML in which names of entries are links.
func linked(plain string) template.HTML {
	var b strings.Builder
	at := 0
	for _, span := range word.FindAllStringIndex(plain, -1) {
		name := plain[span[0]:span[1]]
		if href, ok := entryLinks()[name]; ok {
			b.WriteString(html.EscapeString(plain[at:span[0]]))
			b.WriteString(`<a class="code" href="` + href + `"><code>` + name + `</code></a>`)
			at = span[1]
		}
	}
	b.WriteString(html.EscapeString(plain[at:]))
	return template.HTML(b.String())
}

// token matches the coloured parts of code; its groups are comments, strings,
// keywords and numbers.
var token = regexp.MustCompile(
	`(//[^\n]*|/\*[\s\S]*?\*/|(?m:^#[^\n]*))|` +
		`(@"(?:""|[^"])*"|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|` +
		`\b(break|case|catch|class|clone|const|constructor|continue|default|delete|do|else|enum|extends|` +
		`false|for|foreach|function|if|in|instanceof|local|null|resume|return|static|switch|this|throw|` +
		`true|try|typeof|while|yield|base)\b|` +
		`\b(0x[0-9A-Fa-f]+|\d+(?:\.\d+)?)\b`)

var tokenClasses = []string{"c", "s", "k", "n"}

// highlight returns Squirrel code as HTML, in which tokens have classes.
func highlight(code string) template.HTML {
	var b strings.Builder
	at := 0
	for _, m := range token.FindAllStringSubmatchIndex(code, -1) {
		for i, class := range tokenClasses {
			if m[2+2*i] >= 0 {
				b.WriteString(html.EscapeString(code[at:m[0]]))
				b.WriteString(`<span class="` + class + `">` + html.EscapeString(code[m[0]:m[1]]) + "</span>")
				at = m[1]
			}
		}
	}
	b.WriteString(html.EscapeString(code[at:]))
	return template.HTML(b.String())
}
