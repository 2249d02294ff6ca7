package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tandem-iot/tandem/central/client"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// completeWord is how the shells' scripts ask for what a command line can go on with. It is no
// command, for only scripts type it.
const completeWord = "__complete"

// filesWord is the answer that the shell shall complete names of files.
const filesWord = ":files"

// scripts have the shells ask tandem. A line of the answer is a word, a tab and what it means.
var scripts = map[string]string{
	"bash": `_tandem() {
  local IFS=$'\n' words cword cur lines line
  words=("${COMP_WORDS[@]}") cword=$COMP_CWORD cur=${COMP_WORDS[COMP_CWORD]}
  declare -F _get_comp_words_by_ref >/dev/null && _get_comp_words_by_ref -n =:@ words cword cur
  words=("${words[@]:1:cword}")
  lines=($(tandem __complete "${words[@]}" 2>/dev/null))
  COMPREPLY=()
  if [ "${lines[0]}" = ":files" ]; then
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$cur"))
    return
  fi
  for line in "${lines[@]}"; do COMPREPLY+=("$(printf '%q' "${line%%$'\t'*}")"); done
  declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
}
complete -F _tandem tandem
`,
	"zsh": `#compdef tandem
_tandem() {
  local -a lines described
  local line
  lines=("${(@f)$(tandem __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "${lines[1]}" == ":files" ]]; then
    _files
    return
  fi
  for line in $lines; do
    [[ -n "$line" ]] && described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
  done
  _describe 'tandem' described
}
if [ "$funcstack[1]" = "_tandem" ]; then _tandem "$@"; else compdef _tandem tandem; fi
`,
	"fish": `function __tandem_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines (tandem __complete $words[2..-1] 2>/dev/null)
    if test "$lines[1]" = ":files"
        __fish_complete_path (commandline -ct)
        return
    end
    string join \n -- $lines
end
complete -c tandem -f -a '(__tandem_complete)'
`,
}

func (c *completionCmd) Run(s *streams) error {
	return s.result(map[string]string{"shell": c.Shell, "script": scripts[c.Shell]}, scripts[c.Shell])
}

// choice is a word with which a command line can go on.
type choice struct{ word, about string }

// typed is a command line as far as it was typed.
type typed struct {
	at    *kong.Node
	flag  *kong.Flag        // whose value comes next; nil: none does
	args  int               // positional arguments so far
	flags map[string]string // that select the node
}

// complete writes what a command line can go on with. The last word has been begun.
func complete(ctx context.Context, parser *kong.Kong, words []string, s *streams) {
	if len(words) == 0 {
		words = []string{""}
	}
	begun := words[len(words)-1]
	t := typed{at: parser.Model.Node, flags: map[string]string{}}
	for _, w := range words[:len(words)-1] {
		t.take(w)
	}
	for _, c := range t.choices(ctx, begun, s) {
		if strings.HasPrefix(c.word, begun) || c.word == filesWord {
			if c.word == filesWord {
				fmt.Fprintln(s.out, filesWord)
				return
			}
			fmt.Fprintf(s.out, "%s\t%s\n", c.word, c.about)
		}
	}
}

// take takes a word of the command line.
func (t *typed) take(word string) {
	name, value, has := strings.Cut(word, "=")
	switch {
	case t.flag != nil:
		t.flags[t.flag.Name] = word
		t.flag = nil
	case strings.HasPrefix(word, "-"):
		f := t.flagNamed(name)
		if has && f != nil {
			t.flags[f.Name] = value
		} else if f != nil && !f.IsBool() {
			t.flag = f
		}
	default:
		for _, child := range t.at.Children {
			if child.Name == word {
				t.at = child
				return
			}
		}
		t.args++
	}
}

func (t *typed) flagNamed(name string) *kong.Flag {
	for _, group := range t.at.AllFlags(true) {
		for _, f := range group {
			if "--"+f.Name == name || f.Short != 0 && "-"+string(f.Short) == name {
				return f
			}
		}
	}
	return nil
}

// choices returns all words that can follow.
func (t *typed) choices(ctx context.Context, begun string, s *streams) (all []choice) {
	if t.flag != nil {
		if t.flag.Enum != "" {
			return enumChoices(t.flag.Enum)
		}
		return t.named(ctx, strings.ToLower(t.flag.PlaceHolder), s)
	}
	if strings.HasPrefix(begun, "-") {
		for _, group := range t.at.AllFlags(true) {
			for _, f := range group {
				all = append(all, choice{"--" + f.Name, f.Help})
			}
		}
		return all
	}
	for _, child := range t.at.Children {
		if !child.Hidden {
			all = append(all, choice{child.Name, child.Help})
		}
	}
	if len(t.at.Positional) == 0 || len(t.at.Children) > 0 {
		return all
	}
	arg := t.at.Positional[min(t.args, len(t.at.Positional)-1)]
	switch {
	case t.args >= len(t.at.Positional) && !arg.IsCumulative():
		return nil
	case arg.Enum != "":
		return enumChoices(arg.Enum)
	}
	return t.named(ctx, arg.Name, s)
}

func enumChoices(enum string) (all []choice) {
	for word := range strings.SplitSeq(enum, ",") {
		if word != "" {
			all = append(all, choice{word, ""})
		}
	}
	return all
}

// completePatience is how long a node may take to say what there is.
const completePatience = 2 * time.Second

// mostChoices bounds how many names are shown.
const mostChoices = 1000

// named returns the names of what an argument or a flag is called after.
func (t *typed) named(ctx context.Context, kind string, s *streams) []choice {
	switch kind {
	case "dir", "file", "files", "prefix=dir", "name:version=file":
		return []choice{{filesWord, ""}}
	case "context":
		return contextChoices()
	}
	list := namers[strings.TrimSuffix(kind, "s")]
	if list == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, completePatience)
	defer cancel()
	f := nodeFlags{
		Context: t.flags["context"], Data: t.flags["data"], URL: t.flags["url"], Key: t.flags["login-key"],
		CACert: t.flags["cacert"],
	}
	n, err := f.dial(ctx, &streams{out: s.out, err: s.err, quiet: true})
	if err != nil {
		return nil // a shell has no place for it
	}
	return list(ctx, n)
}

func contextChoices() []choice {
	all, err := readContexts()
	if err != nil {
		return nil
	}
	list := []choice{{localPlace, "the node on this machine"}}
	for _, p := range all.Contexts {
		list = append(list, choice{p.Name, p.URL})
	}
	return list
}

// namers list what there is of each kind.
var namers = map[string]func(context.Context, *node) []choice{
	"device": func(ctx context.Context, n *node) (list []choice) {
		for d, err := range n.Devices(ctx, client.DeviceFilter{}) {
			if err != nil || len(list) == mostChoices {
				return list
			}
			word, about := d.Name, d.ID
			if word == "" {
				word, about = d.ID, ""
			}
			list = append(list, choice{word, about})
		}
		return list
	},
	"product": func(ctx context.Context, n *node) (list []choice) {
		all, _ := n.allProducts(ctx)
		for _, p := range all {
			list = append(list, choice{p.Name, p.Description})
		}
		return list
	},
	"group": func(ctx context.Context, n *node) (list []choice) {
		all, _ := n.allGroups(ctx)
		for _, g := range all {
			_ = n.name(ctx, g.Product) // without a name its id is shown
			if !slices.ContainsFunc(list, func(c choice) bool { return c.word == g.Name }) {
				list = append(list, choice{g.Name, called(g.Product)})
			}
		}
		return list
	},
	"account": func(ctx context.Context, n *node) (list []choice) {
		all, _ := n.allAccounts(ctx)
		for _, a := range all {
			list = append(list, choice{a.Username, a.Email})
		}
		return list
	},
	"deployment": func(ctx context.Context, n *node) (list []choice) {
		for d, err := range n.Deployments(ctx, client.DeploymentFilter{}) {
			if err != nil || len(list) == mostChoices {
				return list
			}
			list = append(list, choice{d.ID, at(d.CreatedAt) + " " + d.Description})
		}
		return list
	},
	"webhook": func(ctx context.Context, n *node) (list []choice) {
		for w, err := range n.Webhooks(ctx, "") {
			if err != nil || len(list) == mostChoices {
				return list
			}
			list = append(list, choice{w.ID, w.Event + " " + w.URL})
		}
		return list
	},
	"claim": func(ctx context.Context, n *node) (list []choice) {
		for x, err := range n.Claims(ctx) {
			if err != nil || len(list) == mostChoices {
				return list
			}
			list = append(list, choice{x.ID, claimState(x, time.Now())})
		}
		return list
	},
	"node": func(ctx context.Context, n *node) (list []choice) {
		st, _ := n.Cluster(ctx)
		for _, x := range st.Nodes {
			list = append(list, choice{x.ID, x.URL})
		}
		return list
	},
}
