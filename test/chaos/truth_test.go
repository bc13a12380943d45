package chaos

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The steps of a node's life, as package channel reads them, in their order.
const (
	joined    = "joined"
	ready     = "ready"
	notReady  = "not_ready"
	recovered = "recovered"
	removed   = "removed"
)

var lifeSteps = []string{joined, ready, notReady, recovered, removed}

// act is one step that a node took. must says whether it has to be told; if not, it may be.
type act struct {
	step string
	must bool
}

// life is one Node object's life as the API server committed it.
type life struct {
	name, uid string
	pool      string
	acts      []*act
	isReady   bool
	flaps     int       // how often it went not ready
	since     time.Time // of its Ready condition, whole seconds
	visitEnd  time.Time // of a visit: when the program was let go again
	cause     string    // what may be told of why it left; "" for nothing
	came      string    // and of why it came
	lost      bool      // its cluster went back in time, and it is another life's object now
}

func (l *life) gone() bool { return len(l.acts) > 0 && l.acts[len(l.acts)-1].step == removed }

func (l *life) do(step string, must bool) {
	l.acts = append(l.acts, &act{step, must})
	switch step {
	case ready, recovered:
		l.isReady = true
	case notReady:
		l.isReady = false
		l.flaps++
	}
}

// next says whether a node can take a step now, given the steps that the channel has not told
// yet.
func (l *life) next(step string, untold []*act) bool {
	was := ""
	if len(l.acts) > 0 {
		was = l.acts[len(l.acts)-1].step
	}
	switch step {
	case ready:
		// Joined and ready are seen by one look too.
		return !l.gone() && !l.isReady && l.flaps == 0 && (len(untold) == 0 || len(untold) == 1 && untold[0].step == joined)
	case notReady:
		return !l.gone() && l.isReady && l.flaps == 0 && len(untold) == 0
	case recovered:
		return was == notReady && (len(untold) == 0 || len(untold) == 1 && untold[0].step == notReady)
	case removed:
		return !l.gone()
	}
	return false
}

// doubt takes away the duty to tell what cannot be known, when a step is taken, and says whether
// the step itself must be told.
func (l *life) doubt(step string, untold []*act, sameSecond bool) (must bool) {
	switch {
	case step == recovered && len(untold) > 0 && sameSecond:
		// Seen from before and after alone, the condition has not moved.
		untold[0].must = false
		return false
	case step == removed:
		must = true
		for _, a := range untold {
			a.must = false
			must = must && a.step != joined // a node that nobody has seen leaves unseen
		}
		return must
	}
	return true
}

// truth is the model: every node's life. It is safe for concurrent use.
type truth struct {
	mu    sync.Mutex
	lives []*life
}

func (t *truth) add(l *life) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lives = append(t.lives, l)
}

// then is what a life was at a moment.
type then struct {
	gone, isReady bool
	since         time.Time
	acts          int // how many steps it had taken
}

// picture is what all lives are now.
func (t *truth) picture() map[*life]then {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[*life]then{}
	for _, l := range t.lives {
		out[l] = then{l.gone(), l.isReady, l.since, len(l.acts)}
	}
	return out
}

// wentBack notes that the cluster is again as it was when a picture was taken. What the channel has not told yet of
// what happened since may be told: whether the program has seen it, nobody knows.
func (t *truth) wentBack(picture map[*life]then, s channelView) {
	t.mu.Lock()
	defer t.mu.Unlock()
	told, unnamed := s.tellings(), s.unnamed()
	counted := t.counted(s, told)
	for _, l := range slices.Clone(t.lives) {
		untold := t.untold(l, told, unnamed, counted)
		was, there := picture[l]
		if !there && l.gone() || there && was.gone {
			for _, a := range untold { // the events that tell of it are gone too
				a.must = false
			}
			continue
		}
		must := len(untold) == 0
		switch {
		case !there:
			l.do(removed, l.doubt(removed, untold, false))
			continue
		case l.gone(): // it is told as back if its end was seen
			// Of one that was not ready, becoming ready is told in two ways: it does not.
			back := &life{name: l.name, uid: l.uid, pool: l.pool, since: was.since, flaps: l.flaps}
			back.do(joined, must)
			if was.isReady {
				back.do(ready, must)
			}
			// If its end was not seen, it only changed its condition.
			if was.isReady && !l.isReady {
				back.do(recovered, false)
			}
			if !was.isReady && l.isReady {
				back.do(notReady, false)
			}
			t.lives = append(t.lives, back)
			l.lost = true
		case was.isReady && !l.isReady:
			l.do(recovered, must)
		case !was.isReady && l.isReady:
			l.do(notReady, must)
		case was.isReady && (l.flaps > 0 || !was.since.Equal(l.since)): // the condition's time went back
			l.do(notReady, false)
			l.do(recovered, false)
		}
		l.since = was.since
		for i, a := range l.acts {
			if i >= was.acts && slices.Contains(untold, a) {
				a.must = false
			}
		}
	}
}

// wants is how often the channel must and may say that nodes of a name took a step.
type wants struct{ least, most int }

// want sums up the lives by name.
func (t *truth) want() map[string]map[string]wants {
	out := map[string]map[string]wants{}
	for _, l := range t.lives {
		if out[l.name] == nil {
			out[l.name] = map[string]wants{}
		}
		for _, a := range l.acts {
			w := out[l.name][a.step]
			w.most++
			if a.must {
				w.least++
			}
			out[l.name][a.step] = w
		}
	}
	return out
}

// totals is how many nodes there are, and how many of them are ready.
func (t *truth) totals() (nodes, ready int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.lives {
		if !l.gone() {
			nodes++
			if l.isReady {
				ready++
			}
		}
	}
	return nodes, ready
}

// claim is one statement of the channel: a node of this name did that.
type claim struct{ node, step string }

// post is one wave's message with its thread, as a reader sees it at the end.
type post struct {
	channel             string
	archived            bool // the channel is: what it shows stays as it is
	ts, key, kind, text string
	nodes               int // as its metadata says
	said                []claim
	table               bool // the names are in the thread
	replies             int
	// first is when the message first said something on a card.
	first map[claim]time.Time
}

// channelView is all that a channel shows.
type channelView struct {
	posts  []post
	keys   map[string][]string // the ts of each message and reply with a key, oldest first
	footer string              // the newest running totals: "3 nodes, 2 ready"
	rung   []string            // channels and whom a message has rung there
	causes []claim             // why nodes are said to have left
	came   []claim             // and why to have come
	long   []string            // spans that no node can have taken
}

// tellings counts the statements. The copies of a message count as one, because they are counted
// by themselves.
func (s channelView) tellings() map[claim]int {
	byKey := map[string]map[claim]int{}
	for _, p := range s.posts {
		count := map[claim]int{}
		for _, c := range p.said {
			count[c]++
		}
		if byKey[p.key] == nil {
			byKey[p.key] = map[claim]int{}
		}
		for c, n := range count {
			byKey[p.key][c] = max(byKey[p.key][c], n)
		}
	}
	out := map[claim]int{}
	for _, m := range byKey {
		for c, n := range m {
			out[c] += n
		}
	}
	return out
}

// The verdicts that there can be.
const (
	lost       = "lost"
	doubled    = "doubled"
	wrongCount = "wrong count"
	wrongOrder = "wrong order"
	unanswered = "unanswered"
	crashed    = "crashed"
	other      = "other"
)

// violation is one way in which the channel breaks the promise.
type violation struct{ kind, text string }

func (v violation) String() string { return v.kind + ": " + v.text }

func violations(kind, form string, args ...any) []violation {
	return []violation{{kind, fmt.Sprintf(form, args...)}}
}

var (
	joinedForm   = regexp.MustCompile(` (\d+) nodes? joined(, all ready|, (\d+) ready)?`)
	notReadyForm = regexp.MustCompile(` (\d+)(?: of \d+)? nodes? (?:were )?not ready(, all recovered|, (\d+) recovered)?`)
	ofAllForm    = regexp.MustCompile(` of \d+ nodes`)
	cameForm     = regexp.MustCompile(` (\d+) joined\b`)
	wentForm     = regexp.MustCompile(` (\d+) left\b`)
	awayForm     = regexp.MustCompile(` (\d+) joined\b( \((?:all )?ready\)| \((\d+) ready\))?`)
)

// headline reads a number of nodes and, of those, how many are said to have taken the second
// step.
func headline(form *regexp.Regexp, text string) (nodes, second int, ok bool) {
	m := form.FindStringSubmatch(text)
	if m == nil {
		return 0, 0, false
	}
	nodes, _ = strconv.Atoi(m[1])
	switch {
	case m[3] != "":
		second, _ = strconv.Atoi(m[3])
	case m[2] != "":
		second = nodes
	}
	return nodes, second, true
}

// follows is the step that a message with a table only counts, by the step whose table it is.
var follows = map[string]string{joined: ready, notReady: recovered}

// tables are the kinds of messages that count second steps: of which step, and in which words.
var tables = map[string]struct {
	step string
	form *regexp.Regexp
}{joined: {joined, joinedForm}, notReady: {notReady, notReadyForm}, "away": {joined, awayForm},
	"catch_up": {joined, awayForm}}

// tabled returns the nodes whose second steps a message counts.
func (p post) tabled() (names []string, second string, form *regexp.Regexp) {
	t, ok := tables[p.kind]
	if !p.table || !ok {
		return nil, "", nil
	}
	for _, c := range p.said {
		if c.step == t.step {
			names = append(names, c.node)
		}
	}
	return names, follows[t.step], t.form
}

// names reports whether a message says something of somebody by name.
func (p post) names(c claim) bool { return slices.Contains(p.said, c) }

// unnamed returns the nodes whose second steps are told as a number or not at all, because their
// first is told in a table: by the second step.
func (s channelView) unnamed() map[claim]bool {
	out := map[claim]bool{}
	for _, p := range s.posts {
		if !p.table {
			continue
		}
		for _, c := range p.said {
			if second := follows[c.step]; second != "" {
				out[claim{c.node, second}] = true
			}
			if c.step == ready { // a gap's list: joined and ready, or what came later
				out[claim{c.node, ready}] = true
			}
		}
	}
	return out
}

// judge compares what the channel shows with the truth.
//
// Each step that must be told is told exactly once, each that may be at most once, and nothing
// else. Of a node that is told in a table (more than five in a message) the second step, ready or
// recovered, is told as a number: it is compared with the sum of the table's nodes.
func (t *truth) judge(s channelView) (out []violation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	want, told, unnamed := t.want(), s.tellings(), s.unnamed()
	single := map[string]*life{}
	for _, l := range t.lives {
		if _, again := single[l.name]; again {
			single[l.name] = nil
		} else {
			single[l.name] = l
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		for _, step := range lifeSteps {
			w, n := want[name][step], told[claim{name, step}]
			if unnamed[claim{name, step}] {
				w.least = 0
			}
			switch {
			case n < w.least:
				out = append(out, violations(lost, "%s %s: told %d times, want %d", name, step, n, w.least)...)
			case n > w.most:
				out = append(out, violations(doubled, "%s %s: told %d times, want %d at most", name, step, n, w.most)...)
			}
		}
		// What may be told is told from its beginning to its end or not at all.
		if l := single[name]; l != nil && l.gone() && want[name][joined].most == 1 {
			if a, b := told[claim{name, joined}], told[claim{name, removed}]; a != b && a < 2 && b < 2 {
				out = append(out, violations(lost, "%s: joined is told %d times, removed %d times", name, a, b)...)
			}
		}
	}
	for c, n := range told {
		if want[c.node] == nil {
			out = append(out, violations(other, "%s %s is told %d times, and there never was such a node", c.node, c.step, n)...)
		}
	}
	copies := map[string]int{}
	baselines := map[string]bool{}
	for _, p := range s.posts {
		copies[p.key]++
		if p.kind == "baseline" {
			baselines[p.key] = true
		}
	}
	if len(baselines) != 1 {
		out = append(out, violations(doubled, "%d baselines, want 1", len(baselines))...)
	}
	for _, p := range s.posts {
		if copies[p.key] == 1 && !p.archived { // of several copies only the last is kept up to date
			out = append(out, p.counts(want, told, single)...)
		}
	}
	out = append(out, t.order(s)...)
	for _, c := range s.causes {
		if !slices.ContainsFunc(t.lives, func(l *life) bool { return l.name == c.node && l.cause == c.step }) {
			out = append(out, violations(other, "%s is said to have left for a false cause: %s", c.node, c.step)...)
		}
	}
	for _, c := range s.came {
		if !slices.ContainsFunc(t.lives, func(l *life) bool { return l.name == c.node && l.came == c.step }) {
			out = append(out, violations(other, "%s is said to have come for a false cause: %s", c.node, c.step)...)
		}
	}
	return out
}

// lost compares what is said of not seeing the cluster with how often it was lost: each time is told, and that it is
// over.
func (s channelView) lost(times int) (out []violation) {
	told := map[string]string{} // the last text, by key
	for _, p := range s.posts {
		if p.kind == "blind" {
			told[p.key] = p.text
		}
	}
	switch {
	case len(told) < times:
		out = append(out, violations(lost, "the cluster was lost %d times, and it is told %d times", times, len(told))...)
	case len(told) > times:
		out = append(out, violations(other, "the cluster was lost %d times, and it is told %d times: %v", times, len(told),
			told)...)
	}
	for _, text := range told {
		if !strings.Contains(text, "did not see") {
			out = append(out, violations(lost, "it is not told that the cluster is seen again: %s", text)...)
		}
	}
	return out
}

// waited compares what is said of pods that wait with how often some did: each time is told once, and that they found
// room. A clock that is set may keep it from being told in time.
func (s channelView) waited(times int, clockMoves bool) (out []violation) {
	told := map[string]string{} // the last text, by key
	for _, p := range s.posts {
		if p.kind == "waiting" {
			told[p.key] = p.text
		}
	}
	switch {
	case len(told) < times && !clockMoves:
		out = append(out, violations(lost, "pods waited %d times, and it is told %d times", times, len(told))...)
	case len(told) > times:
		out = append(out, violations(other, "pods waited %d times, and it is told %d times: %v", times, len(told), told)...)
	}
	for _, text := range told {
		if !strings.Contains(text, "found room") {
			out = append(out, violations(lost, "it is not told that the pods wait no more: %s", text)...)
		}
	}
	return out
}

// rolledOut compares what is said of rollouts with the truth: each has one message, which says how it ended if it can
// still be edited. Where the program's clock is set, it may have given a rollout up before.
func (s channelView) rolledOut(all []rolled, clockMoves bool) (out []violation) {
	for _, r := range all {
		if !r.over {
			out = append(out, violations(lost, "%s is not rolled out yet", r.name)...)
			continue
		}
		told, fixed := map[string]string{}, map[string]bool{} // the last text, by key; whether it cannot be edited
		for _, p := range s.posts {
			if p.kind == "rollout" && strings.Contains(p.text, r.name+" ") {
				told[p.key], fixed[p.key] = p.text, p.archived
			}
		}
		end := r.name + " was rolled out"
		if r.back {
			end = r.name + " was rolled back"
		}
		switch {
		case len(told) == 0 && !clockMoves:
			out = append(out, violations(lost, "the rollout of %s is not told", r.name)...)
		case len(told) > 1:
			out = append(out, violations(doubled, "the rollout of %s is told %d times: %v", r.name, len(told), told)...)
		}
		for key, text := range told {
			if !strings.Contains(text, end) && !fixed[key] && !clockMoves {
				out = append(out, violations(lost, "it is not told that %s: %s", end, text)...)
			}
		}
	}
	return out
}

// counts compares a message's own numbers with each other and with the truth.
func (p post) counts(want map[string]map[string]wants, told map[claim]int, single map[string]*life) (out []violation) {
	count := map[string]int{}
	names := map[string]bool{}
	ambiguous := false
	for _, c := range p.said {
		count[c.step]++
		names[c.node] = true
		ambiguous = ambiguous || single[c.node] == nil
	}
	wrong := func(form string, args ...any) {
		out = append(out, violations(wrongCount, "message %s (%s) %q: %s", p.ts, p.kind, p.text,
			fmt.Sprintf(form, args...))...)
	}
	switch p.kind {
	case joined, ready, notReady, recovered, removed:
		if count[p.kind] != p.nodes {
			wrong("it names %d nodes, its metadata say %d", count[p.kind], p.nodes)
		}
		if p.nodes > 1 && !strings.Contains(ofAllForm.ReplaceAllString(p.text, " nodes"), fmt.Sprintf(" %d nodes", p.nodes)) {
			wrong("its text does not say %d nodes", p.nodes)
		}
	case "away", "catch_up":
		if !ambiguous && len(names) != p.nodes {
			wrong("it names %d nodes, its metadata say %d", len(names), p.nodes)
		}
		for step, form := range map[string]*regexp.Regexp{joined: cameForm, removed: wentForm} {
			n := 0
			if m := form.FindStringSubmatch(p.text); m != nil {
				n, _ = strconv.Atoi(m[1])
			}
			if n != count[step] && !ambiguous {
				wrong("its text says %d %s, it names %d", n, step, count[step])
			}
		}
	}
	of, second, form := p.tabled()
	if len(of) == 0 || len(out) > 0 {
		return out
	}
	_, shown, ok := headline(form, p.text)
	if !ok {
		wrong("its text is of an unknown form")
		return out
	}
	// What is told of them by name elsewhere is not in the number.
	least, most := 0, 0
	for _, name := range of {
		elsewhere := told[claim{name, second}]
		if p.names(claim{name, second}) {
			elsewhere--
		}
		shown += elsewhere
		most += want[name][second].most
		if single[name] != nil {
			least += want[name][second].least
		}
	}
	if shown < least || shown > most {
		wrong("%d of its nodes are told %s, want %d to %d", shown, second, least, most)
	}
	return out
}

// shown is where and when something was shown first.
type shown struct {
	channel string
	at      time.Time
}

// order finds nodes of which a later step was shown before an earlier one that must be told. Of a step that a node took
// twice, because a restore took it or its end back, nobody can say which of the two a card shows.
func (t *truth) order(s channelView) (out []violation) {
	first := map[claim]shown{}
	for _, p := range s.posts {
		for c, at := range p.first {
			if have, ok := first[c]; !ok || at.Before(have.at) {
				first[c] = shown{p.channel, at}
			}
		}
	}
	lives := map[string]int{}
	for _, l := range t.lives {
		lives[l.name]++
	}
	for _, l := range t.lives {
		if lives[l.name] > 1 {
			continue
		}
		times := map[string]int{}
		for _, a := range l.acts {
			times[a.step]++
		}
		before := map[string]time.Time{} // by channel: each has a pace of its own
		last := ""
		for _, a := range l.acts {
			at, ok := first[claim{l.name, a.step}]
			if !ok || !a.must || times[a.step] > 1 {
				continue
			}
			if at.at.Before(before[at.channel]) {
				out = append(out, violations(wrongOrder, "%s: %s was shown before %s", l.name, a.step, last)...)
			}
			before[at.channel], last = at.at, a.step
		}
	}
	return out
}

// untold returns the steps of a node that the channel has not told, as far as it shows: its
// latest ones.
func (t *truth) untold(l *life, told map[claim]int, unnamed map[claim]bool, counted map[string]bool) (out []*act) {
	have := map[string]int{}
	for _, other := range t.lives {
		if other.name == l.name && other != l {
			for _, a := range other.acts {
				have[a.step]++ // an earlier bearer of the name, told to its end
			}
		}
	}
	for _, a := range l.acts {
		have[a.step]++
		c := claim{l.name, a.step}
		if told[c] >= have[a.step] || unnamed[c] && counted[l.name+" "+a.step] {
			continue
		}
		out = append(out, a)
	}
	return out
}

// counted returns the second steps that tables have told as numbers: "name step", where the
// number is the sum of what its nodes did.
func (t *truth) counted(s channelView, told map[claim]int) map[string]bool {
	out := map[string]bool{}
	want := t.want()
	for _, p := range s.posts {
		of, second, form := p.tabled()
		if len(of) == 0 {
			continue
		}
		_, shown, ok := headline(form, p.text)
		did := 0
		for _, name := range of {
			did += want[name][second].most - told[claim{name, second}]
			if p.names(claim{name, second}) {
				did++
			}
		}
		if ok && shown == did {
			for _, name := range of {
				out[name+" "+second] = true
			}
		}
	}
	return out
}
