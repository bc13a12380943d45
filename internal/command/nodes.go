package command

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"rollcall/internal/nearest"
	"rollcall/internal/query"
)

// NodesView is what /nodes shows.
type NodesView int

// The views of /nodes.
const (
	Summary     NodesView = iota // totals and groups of the nodes that the filters let through
	List                         // pages of them
	One                          // the node with Name
	HelpOnNodes                  // how /nodes is used
	Digest                       // what happened since Since, and what it cost
	Waiting                      // what waits for nodes
	Kept                         // nodes that are kept from going, and by whom
	Spot                         // spot nodes since Since: what was taken back, and what they saved
	Costs                        // what nodes have cost since Since, by By
)

// report is a view that is about the whole cluster.
type report struct {
	view  NodesView
	verb  string
	about string   // why it has no other filters
	flags []string // that it has
}

// reports are the views that are about the whole cluster. A new one needs its verb in nodeVerbs too, and a line in
// NodesHelp.
var reports = []report{
	{Digest, "digest", "a digest is about all nodes", []string{"since"}},
	{Waiting, "waiting", "waiting is about all pods that wait for nodes", nil},
	{Kept, "kept", "kept is about all nodes that are kept", nil},
	{Spot, "spot", "spot is about all spot nodes", []string{"since"}},
	{Costs, "costs", "costs is about all nodes", []string{"since", "by"}},
}

// report is the view as a report; nil if it is none.
func (v NodesView) report() *report {
	for i := range reports {
		if reports[i].view == v {
			return &reports[i]
		}
	}
	return nil
}

// Whole reports whether a view is about the whole cluster: it has something to say whatever there is.
func (v NodesView) Whole() bool { return v.report() != nil }

// reportOf is the report of a verb; nil if it has none.
func reportOf(verb string) *report {
	for i := range reports {
		if reports[i].verb == verb {
			return &reports[i]
		}
	}
	return nil
}

// only is the request for a report with nothing but the filters that it has.
func (r *report) only(n Nodes) Nodes {
	bare := Nodes{View: r.view, Cluster: n.Cluster}
	if slices.Contains(r.flags, "since") {
		bare.Since = n.Since
	}
	if slices.Contains(r.flags, "by") && r.groups(n.By) {
		bare.By = n.By
	}
	return bare
}

// groups reports whether a report groups by a dimension.
func (r *report) groups(by query.Dimension) bool {
	return by == "" || by == query.ByCause || slices.Contains(costDimensions, string(by))
}

// Nodes is what a person asks of /nodes. The zero value is the summary of all live nodes. Fill it
// from a form with Set, or by hand and check it with Validate.
type Nodes struct {
	View  NodesView
	Name  string // of One: a node's name, the beginning of it, or a part that no other node has; lower case
	Topic string // of HelpOnNodes: a verb, or a flag's name without dashes; "" is everything

	// The filters mean what they do in query.NodeFilter.
	Names    []string // of List; globs
	Types    []string
	Zones    []string
	Pools    []string
	Arches   []string
	Capacity []string
	Labels   []query.LabelRequirement // sorted, each once
	NotReady bool
	Cordoned bool
	Why      string        // "" for whatever cause
	Older    time.Duration // created longer ago than this; whole seconds, 0: whenever
	Newer    time.Duration // created less long ago than this; whole seconds, 0: whenever
	Removed  bool
	Since    Moment // goes with Removed, and with reports that have a beginning

	By      query.Dimension // "" leaves it to the answer
	Sort    query.NodeSort  // "" is newest
	Page    int             // 0 is the first, otherwise counted from 1
	Cluster string          // "" is the only one, or all
}

// ParseNodes reads the text of /nodes. now is only needed to tell what lies in the future. The
// error is a *Mistake.
func ParseNodes(text string, now time.Time) (Nodes, error) {
	n, m := parseNodes(text, now)
	if m != nil {
		return Nodes{}, explained(m, "/nodes", now, 3)
	}
	return n, nil
}

// explained completes a mistake with its command and what would be right. Where the mended text
// has another mistake, that is mended too, up to so many.
func explained(m *Mistake, command string, now time.Time, most int) *Mistake {
	m.Command = command
	m.mend(func(whole string) (string, bool) {
		command, text, _ := strings.Cut(whole, " ")
		var canonical string
		var next *Mistake
		if command == "/events" {
			var e Events
			e, next = parseEvents(text, now)
			canonical = e.String()
		} else {
			var n Nodes
			n, next = parseNodes(text, now)
			canonical = n.String()
		}
		switch {
		case next == nil:
			return strings.TrimSpace(command + " " + canonical), true
		case most > 1:
			fix := explained(next, command, now, most-1).Fix
			return fix, fix != ""
		}
		return "", false
	})
	return m
}

func parseNodes(text string, now time.Time) (Nodes, *Mistake) {
	var n Nodes
	in, m := nodeGrammar.read(text, now, &n)
	if m != nil {
		return n, m
	}
	if m := n.place(in); m != nil {
		return n, m
	}
	if n.View == HelpOnNodes {
		return Nodes{View: HelpOnNodes, Topic: n.Topic}, nil
	}
	if n.View == Summary && (n.Sort != "" || n.Page != 0 || in.seen["page"] != span{}) {
		n.View = List // only lists have an order and pages
	}
	if flag, why, mended := n.conflict(); why != "" {
		at := in.seen[flag]
		m := wrong(in.text, at.at, at.end, why, "", "")
		m.Nearest = "/nodes " + mended.String()
		return n, m
	}
	short := n
	short.Page = 0
	if utf8.RuneCountInString(short.String()) > maxPrinted {
		return n, tooLong("/nodes", in.text, problem("the text asks for more than fits into %d characters", maxPrinted))
	}
	return n, nil
}

// place says what the words beside the flags mean.
func (n *Nodes) place(in *input) *Mistake {
	words := in.words
	help := in.help
	if !help && len(words) > 0 && nodeGrammar.verb(words[0]) == "help" {
		help, words = true, words[1:]
	}
	if help {
		n.View = HelpOnNodes
		in.words = words
		var m *Mistake
		n.Topic, m = nodeGrammar.topic(in)
		return m
	}
	if n.View == HelpOnNodes { // --help
		if len(words) > 0 {
			n.Topic = nodeGrammar.verb(words[0])
		}
		return nil
	}
	if len(words) == 0 {
		return nil
	}
	words, done, m := n.intent(in, words)
	if done || m != nil {
		return m
	}
	first := words[0]
	for i, w := range words[:len(words)-1] {
		f := nodeGrammar.find(w.text)
		if f != nil && len(w.text) > 1 && f.Value != "" && !w.quoted {
			return in.mistake(w.at, w.end, "the filter "+shown(w.text)+" is written with two dashes before "+
				shown(words[i+1].text), "--"+f.Name, "")
		}
	}
	verb := nodeGrammar.verb(first)
	if r := reportOf(verb); r != nil {
		n.View = r.view
		if len(words) == 1 {
			return nil
		}
		near, example := "", ""
		if slices.Contains(r.flags, "since") {
			example = "/nodes " + r.verb + " --since 7d"
			var said []string
			for _, w := range words[1:] {
				said = append(said, w.text)
			}
			if meansTime(strings.Join(said, " "), in.now) {
				near = "/nodes " + r.verb + " --since " + strings.Join(said, " ")
			}
		}
		return in.mistake(words[1].at, words[len(words)-1].end, r.about+", and "+shown(words[1].text)+" is another word",
			near, cmp.Or(example, "/nodes "+r.verb))
	}
	switch verb {
	case "list":
		n.View = List
		if len(words) == 2 && words[1].says([]string{"all", "nodes"}) {
			return nil
		}
		for j, w := range words[1:] {
			if _, is := oneOf(w.text, "or", "and"); is && !w.quoted && j > 0 && j+2 < len(words) {
				continue // between two names
			}
			names, at := parts(w.text)
			if len(names) == 0 {
				names, at = []string{w.text}, []int{0}
			}
			for i, part := range names {
				name, m := nodeName(part, true)
				if m != nil {
					return in.at(w.cut(at[i], at[i]+len(part)), m)
				}
				if !slices.Contains(n.Names, name) {
					n.Names = append(n.Names, name)
				}
			}
		}
		return nil
	case "node":
		if len(words) == 1 {
			return in.mistake(first.at, first.end, "node needs the name of a node", "", "/nodes node ip-10-0-0-1")
		}
		words = words[1:]
	default:
		if kind, name, ok := strings.Cut(first.text, "/"); ok && name != "" {
			if k, known := knownKind(kind); known && k.kind == "Node" {
				words = slices.Clone(words)
				words[0] = first.from(len(kind) + 1)
			}
		}
	}
	w := words[0]
	if len(words) > 1 {
		return n.tooMany(in, words)
	}
	if names, _ := parts(w.text); len(names) > 1 && !w.quoted {
		return in.mistake(w.at, w.end, "several nodes are shown as a list", "list "+w.text, "")
	}
	glob := strings.ContainsAny(w.text, "*?")
	name, m := nodeName(w.text, glob)
	if m != nil {
		return in.at(w, m)
	}
	if glob {
		n.View, n.Names = List, []string{name}
		return nil
	}
	n.View, n.Name = One, name
	return nil
}

// tooMany is the mistake of several words where one is a node's name.
func (n *Nodes) tooMany(in *input, words []word) *Mistake {
	var rest, alike []string
	for i, w := range words {
		if i > 0 && i+1 < len(words) && w.says([]string{"or", "and"}) {
			continue
		}
		alike = append(alike, strings.Trim(w.text, ","))
		if i > 0 {
			rest = append(rest, quoteText(w.text, nodesVerb))
		}
	}
	tail := strings.Join(rest, " ")
	flags := strings.Join(nodeGrammar.print(*n), " ")
	near := "list " + quoteText(words[0].text, nodesVerb) + " " + tail
	if f := nodeGrammar.find(words[0].text + "-" + words[1].text); f != nil && f.Value == "" && len(words) == 2 {
		near = "--" + f.Name // not ready
	}
	strange := func(like func(string) bool) bool {
		return slices.ContainsFunc(alike, func(s string) bool { return !like(s) })
	}
	switch {
	case !strange(likeZone.MatchString):
		near = "list --zone " + strings.Join(alike, ",")
	case !strange(likeType):
		near = "list --type " + strings.Join(alike, ",")
	}
	switch nearVerb(words[0].text) {
	case "list":
		near = "list " + tail
	case "help":
		near, flags = "help "+tail, ""
	case "node":
		near = "node " + tail
	}
	w, last := words[1], words[len(words)-1]
	m := wrong(in.text, w.at, last.end, "one node is shown at a time, and "+shown(w.text)+" is another word", "", "")
	near = strings.TrimSpace("/nodes " + near + " " + flags)
	if _, bad := parseNodes(strings.TrimPrefix(near, "/nodes "), in.now); bad == nil {
		m.Nearest = near
	} else {
		m.Example = "/nodes list --type m5.*"
	}
	return m
}

// conflict finds filters that do not go together: the flag that is too much, why, and the nearest
// request without the conflict.
func (n Nodes) conflict() (flag, why string, mended Nodes) {
	mended = n
	if n.View == One {
		for _, f := range nodeFlags {
			if f.Name == "cluster" || f.get(n) == "" || f.quiet != nil && f.quiet(n) {
				continue
			}
			mended.View, mended.Names, mended.Name = List, []string{"*" + n.Name + "*"}, ""
			switch nearVerb(n.Name) {
			case "list":
				mended.Names = nil
			case "summary":
				mended.View, mended.Names = Summary, nil
			}
			if r := reportOf(nearVerb(n.Name)); r != nil {
				mended = r.only(n)
			}
			return f.Name, f.form() + " is for lists and summaries, and " + shown(n.Name) + " asks for one node by its name",
				mended
		}
	}
	if r := n.View.report(); r != nil {
		for _, f := range nodeFlags {
			if f.Name == "cluster" || slices.Contains(r.flags, f.Name) || f.get(n) == "" || f.quiet != nil && f.quiet(n) {
				continue
			}
			return f.Name, f.form() + " is for lists and summaries, and " + r.about, r.only(n)
		}
		if !r.groups(n.By) {
			why := shown(string(n.By)) + " is none of " + orList(costDimensions) + ", which costs are grouped by"
			return "by", why, r.only(n)
		}
		return "", "", n
	}
	if n.By == query.ByCause {
		mended = reportOf("costs").only(n)
		return "by", "nodes are grouped by cause in costs only", mended
	}
	switch {
	case n.Removed && n.NotReady:
		mended.NotReady = false
		return "not-ready", "--not-ready is for live nodes, and --removed asks for nodes that left", mended
	case n.Removed && n.Cordoned:
		mended.Cordoned = false
		return "cordoned", "--cordoned is for live nodes, and --removed asks for nodes that left", mended
	case !n.Since.IsZero() && !n.Removed:
		mended.Removed = true
		return "since", "--since goes with --removed and says since when nodes left; --newer finds nodes that joined lately",
			mended
	case n.Older != 0 && n.Newer != 0 && n.Older >= n.Newer:
		why := "no node is older than " + FormatDuration(n.Older) + " and newer than " + FormatDuration(n.Newer)
		mended.Older, mended.Newer = n.Newer, n.Older
		if n.Older == n.Newer {
			mended.Older = 0
		}
		return "newer", why, mended
	}
	return "", "", n
}

// Filter is the request's filter, seen from now. Name is not in it.
func (n Nodes) Filter(now time.Time) query.NodeFilter {
	f := query.NodeFilter{
		Names: n.Names, Types: n.Types, Zones: n.Zones, Pools: n.Pools, Arches: n.Arches, Capacity: n.Capacity,
		Labels: n.Labels, NotReady: n.NotReady, Cordoned: n.Cordoned, Why: n.Why, Removed: n.Removed,
		RemovedSince: n.Since.Time(now),
	}
	if n.Older != 0 {
		f.CreatedBefore = now.Add(-n.Older)
	}
	if n.Newer != 0 {
		f.CreatedAfter = now.Add(-n.Newer)
	}
	return f
}

// String is the request as a text without /nodes. ParseNodes reads it as the same request. It is
// meant to be read, and has Slack's escapes only where it would be misunderstood without.
func (n Nodes) String() string {
	var words []string
	switch n.View {
	case HelpOnNodes:
		words = append(words, "help")
		if n.Topic != "" {
			words = append(words, n.Topic)
		}
		return strings.Join(words, " ")
	case List:
		words = append(words, "list")
		for _, name := range n.Names {
			if f := nodeGrammar.find(name); f != nil || bindsBack(name) || name == "all" || properties[name] != "" ||
				slices.Contains([]string{"node", "nodes", "not", "ready"}, name) {
				words = append(words, quote(name))
				continue
			}
			words = append(words, quoteValue(name))
		}
	case One:
		name := n.Name
		if nodesVerb(name) || saidFirst(name) {
			name = "node/" + name
		}
		words = append(words, quoteValue(name))
	default:
		if r := n.View.report(); r != nil {
			words = append(words, r.verb)
		}
	}
	return escape(strings.Join(append(words, nodeGrammar.print(n)...), " "))
}

// Set gives the flag of this name (without dashes, see NodesHelp) another value, as a form does;
// "" takes the flag away. The error is a *Mistake whose text is the value. Validate checks the
// whole.
func (n *Nodes) Set(flag, value string, now time.Time) error {
	return nodeGrammar.set(n, flag, value, now)
}

// Value is the value of the flag of this name as Set takes it: "true" for one that takes none, ""
// if it was not given.
func (n Nodes) Value(flag string) string { return nodeGrammar.value(n, flag) }

// Validate checks a request that was not parsed. The error is a *Mistake in the request's text.
func (n Nodes) Validate(now time.Time) error {
	_, err := ParseNodes(n.String(), now)
	return err
}

// Nearest is the whole command that was perhaps meant, for the answer that there is no such node
// or label; "" if none suggests itself.
func (n Nodes) Nearest() string {
	if n.View == List && len(n.Names) == 1 && n.By == "" {
		near := Nodes{View: One, Name: n.Names[0]}.Nearest()
		if flag, ok := strings.CutPrefix(near, "/nodes --"); ok {
			n.Names = nil
			near = n.String() + " --" + flag
			// Only what goes together; what a fixed time has to do with now does not matter here.
			if _, m := parseNodes(near, n.Since.At); m == nil {
				return "/nodes " + near
			}
		}
		return ""
	}
	if n.View != One {
		if n.By == "" || slices.Contains(dimensions, string(n.By)) {
			return ""
		}
		near := nearest.Word(string(n.By), dimensions...)
		if near == "" {
			return ""
		}
		n.By = query.Dimension(near)
		return "/nodes " + n.String()
	}
	bare := strings.ReplaceAll(n.Name, "-", "")
	for _, f := range nodeFlags {
		if f.Value == "" && f.Name != "help" &&
			(bare == strings.ReplaceAll(f.Name, "-", "") || f.Name == "not-ready" && bare == "unready") {
			return "/nodes --" + f.Name
		}
	}
	if d, err := ParseDimension(strings.TrimPrefix(n.Name, "by-")); err == nil && slices.Contains(dimensions, string(d)) {
		return "/nodes --by " + string(d)
	}
	switch verb := nearVerb(n.Name); verb {
	case "list", "help":
		return "/nodes " + verb
	case "summary":
		return "/nodes"
	default:
		if reportOf(verb) != nil {
			return "/nodes " + verb
		}
	}
	switch {
	case likeType(n.Name):
		return "/nodes --type " + n.Name
	case likeZone.MatchString(n.Name):
		return "/nodes --zone " + n.Name
	case slices.Contains([]string{"amd64", "arm64"}, n.Name):
		return "/nodes --arch " + n.Name
	}
	return ""
}

var likeZone = regexp.MustCompile(`^[a-z]{2}(?:-[a-z]+)+-?\d-?[a-f]$`)

// otherVerbs are words of other tools for our verbs.
var otherVerbs = map[string]string{
	"ls": "list", "all": "list", "get": "list", "lists": "list", "show": "node", "describe": "node", "desc": "node",
	"info": "node",
	"find": "node", "usage": "help", "man": "help", "h": "help", "summary": "summary", "total": "summary",
	"totals": "summary",
	"status": "summary", "overview": "summary", "count": "summary", "report": "digest", "cost": "costs",
	"price": "costs", "prices": "costs", "spend": "costs", "spending": "costs", "bill": "costs", "daily": "digest",
	"wait": "waiting", "waits": "waiting", "pending": "waiting", "unschedulable": "waiting", "keep": "kept",
	"blocked": "kept", "stuck": "kept", "idle": "kept", "interruptions": "spot",
}

// nearVerb is the verb that a word was perhaps meant to be, "" if none.
func nearVerb(s string) string {
	s = strings.ToLower(undot(s))
	if v := otherVerbs[s]; v != "" {
		return v
	}
	if len(s) < 3 {
		return ""
	}
	return nearest.Word(s, "list", "help", "digest", "waiting", "kept", "costs")
}

func nodesVerb(s string) bool {
	_, ok := oneOf(s, nodeGrammar.verbs...)
	return ok || s == "?"
}

var nodeGrammar = &grammar[Nodes]{command: "/nodes", other: "/events",
	verbs: nodeVerbs, flags: nodeFlags, foreign: nodesForeign,
	grep: func(s string) string {
		if _, m := nodeName(s, false); m != nil {
			return ""
		}
		return "*" + strings.ToLower(s) + "*"
	}}

var nodeFlags = []option[Nodes]{
	{
		Flag: Flag{Name: "selector", Short: "l", Value: "SELECTOR", Example: "app=web,tier!=db",
			Ask: "With which labels?", Meaning: "labels, as for kubectl get nodes -l",
			Detail: "a=b, a!=b, a in (b,c), a notin (b,c), a, !a, a>5, a<5; between commas, and all must hold. Repeated, all " +
				"must hold too."},
		joins: selectorJoins,
		means: map[string]string{"and": ","},
		add: func(n *Nodes, value string, _ time.Time) error {
			rs, err := ParseSelector(value)
			if err == nil {
				n.Labels = sortRequirements(append(slices.Clone(n.Labels), rs...))
			}
			return err
		},
		clear: func(n *Nodes) { n.Labels = nil },
		get:   func(n Nodes) string { return FormatSelector(n.Labels) },
	},
	list(Flag{Name: "type", Value: "GLOB", Example: "m5.*",
		Ask: "Of which instance types?", Meaning: "instance type", Detail: globDetail},
		func(n *Nodes) *[]string { return &n.Types }, globs("an instance type", "m5.*")),
	list(Flag{Name: "zone", Value: "ZONE", Example: "eu-west-1a",
		Ask: "In which zones?", Meaning: "zone", Detail: globDetail},
		func(n *Nodes) *[]string { return &n.Zones }, globs("a zone", "eu-west-1a")),
	list(Flag{Name: "pool", Value: "POOL", Example: "general",
		Ask: "In which pools?", Meaning: "node pool, node group or autoscaling group",
		Detail: globDetail},
		func(n *Nodes) *[]string { return &n.Pools }, globs("a node pool", "general")),
	list(Flag{Name: "arch", Value: "ARCH", Example: "arm64",
		Ask: "Of which architectures?", Meaning: "architecture", Detail: globDetail},
		func(n *Nodes) *[]string { return &n.Arches }, parseArches),
	capacity("spot", "spot nodes; with --on-demand: either"),
	capacity("on-demand", "on-demand nodes"),
	capacity("reserved", "reserved nodes"),
	quietly(list(Flag{Name: "capacity", Value: "CAPACITY", Example: "spot",
		Ask: "Spot, on-demand or reserved?", Meaning: "capacity type: spot, on-demand or reserved", Choices: capacities},
		func(n *Nodes) *[]string { return &n.Capacity }, parseCapacities),
		func(n Nodes) bool { return len(n.Capacity) == 1 }),
	toggle(Flag{Name: "not-ready", Meaning: "nodes that are not ready"},
		func(n Nodes) bool { return n.NotReady }, func(n *Nodes, v bool) { n.NotReady = v }),
	toggle(Flag{Name: "cordoned", Meaning: "nodes that take no new pods"},
		func(n Nodes) bool { return n.Cordoned }, func(n *Nodes, v bool) { n.Cordoned = v }),
	single(Flag{Name: "why", Value: "TEXT", Example: "shop/checkout",
		Ask: "Why did they come, or leave?", Meaning: "why they came, or went: part of a cause or a workload",
		Detail: "Of nodes that left, why they came counts too. Text with spaces goes into quotes: --why " +
			"\"spot interruption\"."},
		func(n *Nodes) *string { return &n.Why }, without(parseWhy), text[string]),
	timed(
		single(Flag{Name: "older", Value: "SPAN", Example: "7d",
			Ask: "How old at least?", Meaning: "created longer ago than this", Detail: spanDetail},
			func(n *Nodes) *time.Duration { return &n.Older }, without(ParseDuration), FormatDuration)),
	timed(
		single(Flag{Name: "newer", Value: "SPAN", Example: "2h",
			Ask: "How old at most?", Meaning: "created less long ago than this",
			Detail: spanDetail},
			func(n *Nodes) *time.Duration { return &n.Newer }, without(ParseDuration), FormatDuration)),
	toggle(Flag{Name: "removed", Meaning: "nodes that left, instead of live ones"},
		func(n Nodes) bool { return n.Removed }, func(n *Nodes, v bool) { n.Removed = v }),
	timed(
		single(Flag{Name: "since", Value: "TIME", Example: "2h",
			Ask: "Since when?", Meaning: "with --removed: left since then; of digest, spot and costs: from when on",
			Detail: timeDetail},
			func(n *Nodes) *Moment { return &n.Since }, sinceMoment, Moment.String)),
	single(Flag{Name: "by", Value: "WHAT", Example: "zone",
		Ask: "Grouped by what?", Meaning: "group by type, zone, pool, capacity, arch or a label",
		Detail: "A label is given by its key, as in --by topology.kubernetes.io/region. Costs are grouped by cause, pool, " +
			"type, zone or capacity.", Choices: dimensions},
		func(n *Nodes) *query.Dimension { return &n.By }, without(ParseDimension), text[query.Dimension]),
	single(Flag{Name: "sort", Value: "ORDER", Example: "oldest",
		Ask: "In which order?", Meaning: "order of the list: newest, oldest, name, type, zone or pool", Choices: sorts},
		func(n *Nodes) *query.NodeSort { return &n.Sort }, without(parseSort), text[query.NodeSort]),
	single(Flag{Name: "page", Value: "N", Example: "2", Meaning: "page of the list"},
		func(n *Nodes) *int { return &n.Page }, without(parsePage), number),
	single(Flag{Name: "cluster", Value: "CLUSTER", Example: "prod", Meaning: "cluster, where there are several"},
		func(n *Nodes) *string { return &n.Cluster }, without(parseCluster), text[string]),
	toggle(Flag{Name: "help", Short: "h", Meaning: "how the command is used"},
		func(Nodes) bool { return false }, func(n *Nodes, v bool) {
			if v {
				n.View = HelpOnNodes
			}
		}),
}

// capacity is the flag of one capacity type.
func capacity(name, meaning string) option[Nodes] {
	f := toggle(Flag{Name: name, Meaning: meaning},
		func(n Nodes) bool { return slices.Contains(n.Capacity, name) },
		func(n *Nodes, v bool) {
			had := slices.Contains(n.Capacity, name)
			if v && !had {
				n.Capacity = append(slices.Clip(n.Capacity), name)
			} else if !v && had {
				n.Capacity = slices.DeleteFunc(slices.Clone(n.Capacity), func(c string) bool { return c == name })
				if len(n.Capacity) == 0 {
					n.Capacity = nil
				}
			}
		})
	return quietly(f, func(n Nodes) bool { return len(n.Capacity) != 1 })
}

func quietly[T any](f option[T], when func(T) bool) option[T] {
	f.quiet = when
	return f
}

// wrongFlags are flags that people know from kubectl or make up, with ours, "" if there is none.
type wrongFlags map[string]struct{ right, why string }

// find is the problem with a flag, and the right one; both "" if it is not known.
func (w wrongFlags) find(name, written, command string) (problem, right string) {
	f, ok := w[name]
	if !ok {
		return "", ""
	}
	if f.why == "" {
		return shown(written) + " is not a filter of " + command, f.right
	}
	return shown(written) + " is not a filter of " + command + ": " + f.why, f.right
}

var wrongNodeFlags = wrongFlags{
	"label": {"-l", ""}, "labels": {"-l", ""}, "tag": {"-l", ""}, "instance-type": {"--type", ""},
	"instance":     {"--type", ""},
	"instancetype": {"--type", ""}, "node-pool": {"--pool", ""}, "nodepool": {"--pool", ""}, "node-group": {"--pool", ""},
	"nodegroup": {"--pool", ""},
	"az":        {"--zone", ""}, "availability-zone": {"--zone", ""},
	"region":       {"", "zones of a region are given as a glob, for example --zone eu-west-1*"},
	"architecture": {"--arch", ""}, "capacity-type": {"--capacity", ""}, "capacitytype": {"--capacity", ""},
	"unready": {"--not-ready", ""}, "unschedulable": {"--cordoned", ""}, "drained": {"--cordoned", ""},
	"group": {"--by", ""}, "group-by": {"--by", ""}, "sort-by": {"--sort", ""}, "order": {"--sort", ""},
	"order-by": {"--sort", ""},
	"deleted":  {"--removed", ""}, "gone": {"--removed", ""}, "left": {"--removed", ""}, "younger": {"--newer", ""},
	"age":    {"--older", "there are --older and --newer"},
	"joined": {"--newer", ""}, "added": {"--newer", ""}, "context": {"--cluster", ""}, "c": {"--cluster", ""},
	"ready":          {"", "nodes are ready unless --not-ready finds them"},
	"name":           {"", "a name is written alone, for example /nodes ip-10-0-0-1"},
	"o":              {"", "answers have one form"},
	"output":         {"", "answers have one form"},
	"a":              {"", "nodes are in no namespace"},
	"all-namespaces": {"", "nodes are in no namespace"},
	"w":              {"", "changes are told in the channel"},
	"watch":          {"", "changes are told in the channel"},
	"show-labels":    {"", "/nodes NAME shows a node's labels"},
	"limit":          {"", "lists have pages, see --page"},
	"all":            {"", "/nodes list shows all nodes"},
}

// nodesForeign explains a flag that /nodes does not have.
func nodesForeign(name, written, value string) (problem, near string) {
	if name == "types" {
		if _, err := parseTypes(value); err == nil {
			return "--types belongs to /events", "/events --types " + value
		}
		return shown(written) + " is not a filter of /nodes", "--type"
	}
	if _, bad := nodeName(value, false); name == "name" && bad == nil {
		return shown(written) + " is not a filter of /nodes: a name is written alone", "node " + value
	}
	if problem, near := wrongNodeFlags.find(name, written, "/nodes"); problem != "" {
		return problem, near
	}
	return belongs(eventFlags, "/events", name, value)
}

// belongs explains a flag of the other command.
func belongs[T any](flags []option[T], command, name, value string) (problem, near string) {
	for _, f := range flags {
		if f.Name != name && (f.Short == "" || strings.ToLower(f.Short) != name) || f.Button {
			continue
		}
		near = command + " " + f.form()
		if f.Value != "" {
			near += " " + quoteValue(value)
			if value == "" {
				near = command + " " + f.form() + " " + f.Example
			}
		}
		return f.form() + " belongs to " + command, near
	}
	return "", ""
}
