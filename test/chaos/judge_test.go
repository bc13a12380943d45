package chaos

import (
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/internal/slackemu"
)

// The judgement of events finds what is lost, doubled, made up, in another order, or refused.
func TestCompareEvents(t *testing.T) {
	a, b := fed{"a", joined, 1}, fed{"b", joined, 1}
	for name, tc := range map[string]struct {
		got   []fed
		wrong []string
		want  []string
	}{
		"right":         {[]fed{a, b}, nil, nil},
		"lost":          {[]fed{b}, nil, []string{lost}},
		"doubled":       {[]fed{a, b, a}, nil, []string{doubled}},
		"made up":       {[]fed{a, b, {"c", joined, 1}}, nil, []string{other}},
		"another order": {[]fed{b, a}, nil, []string{wrongOrder}},
		"refused":       {[]fed{a, b}, []string{"no signature"}, []string{other}},
	} {
		var kinds []string
		for _, v := range compareEvents([]fed{a, b}, tc.got, tc.wrong) {
			kinds = append(kinds, v.kind)
		}
		if !slices.Equal(kinds, tc.want) {
			t.Errorf("%s: %q, want %q", name, kinds, tc.want)
		}
	}
}

// lived is a node's life in one line, for tests: "a joined ready ?removed", where what has a
// question mark may be told.
func lived(lines ...string) *truth {
	t := &truth{}
	for _, line := range lines {
		words := strings.Fields(line)
		l := &life{name: words[0]}
		for _, w := range words[1:] {
			step, may := strings.CutPrefix(w, "?")
			l.do(step, !may)
		}
		t.lives = append(t.lives, l)
	}
	return t
}

// said is a message in short: what it says of whom, "a joined, b joined".
func said(key, kind, text string, nodes int, what string) post {
	p := post{ts: key, key: key, kind: kind, text: text, nodes: nodes, first: map[claim]time.Time{}}
	for part := range strings.SplitSeq(what, ", ") {
		if node, step, ok := strings.Cut(part, " "); ok {
			p.said = append(p.said, claim{node, step})
		}
	}
	return p
}

var baseline = post{key: "b", kind: "baseline"}

// A checker that cannot fail is worth nothing: each verdict is seen here, and none where all is
// well.
func TestJudge(t *testing.T) {
	table := func(p post) post { p.table = true; return p }
	six := "a joined, b joined, c joined, d joined, e joined, f joined"
	sixLives := []string{"a joined ready", "b joined ready", "c joined", "d joined", "e joined", "f joined"}
	for name, test := range map[string]struct {
		truth *truth
		posts []post
		want  []string
	}{
		"all is told": {
			lived("a joined ready not_ready recovered removed", "b joined"),
			[]post{
				said("1", joined, "prod: 2 nodes joined, 1 ready", 2, "a joined, a ready, b joined"),
				said("2", notReady, "prod: a", 1, "a not_ready, a recovered"), said("3", removed, "prod: a left", 1, "a removed"),
			}, nil,
		},
		"lost": {
			lived("a joined", "b joined removed"),
			[]post{said("1", joined, "prod: 2 nodes joined", 2, "a joined, b joined")},
			[]string{lost, lost}, // the step, and the end of what has a beginning
		},
		"doubled": {
			lived("a joined"),
			[]post{said("1", joined, "prod: a joined", 1, "a joined"), said("2", joined, "prod: a joined", 1, "a joined")},
			[]string{doubled},
		},
		"copies of a message are counted by themselves": {
			lived("a joined"),
			[]post{said("1", joined, "prod: a joined", 1, "a joined"), said("1", joined, "prod: a joined", 1, "a joined")}, nil,
		},
		"may be told": {lived("a ?joined ?removed"), nil, nil},
		"may be told, and is": {
			lived("a ?joined ?removed"),
			[]post{said("1", "away", "prod: while I was away: 1 joined, 1 left", 1, "a joined, a removed")}, nil,
		},
		"may be told, and is twice": {
			lived("a ?joined ?removed"),
			[]post{said("1", "away", "prod: while I was away: 1 joined, 1 left", 1, "a joined, a removed"),
				said("2", removed, "prod: a left", 1, "a removed")},
			[]string{doubled},
		},
		"half of what may be told": {
			lived("a ?joined ?removed"), []post{said("1", joined, "prod: a joined", 1, "a joined")}, []string{lost},
		},
		"a name that came back": {
			lived("a joined removed", "a joined"),
			[]post{said("1", joined, "prod: 2 nodes joined", 2, "a joined, a joined"),
				said("2", removed, "prod: a left", 1, "a removed")}, nil,
		},
		"a name that came back is lost": {
			lived("a joined removed", "a joined"),
			[]post{said("1", joined, "prod: a joined", 1, "a joined"), said("2", removed, "prod: a left", 1, "a removed")},
			[]string{lost},
		},
		"made up": {lived("a joined"), []post{said("1", joined, "prod: 2 nodes joined", 2, "a joined, x joined")},
			[]string{other}},
		"wrong count": {
			lived("a joined", "b joined"), []post{said("1", joined, "prod: 3 nodes joined", 3, "a joined, b joined")},
			[]string{wrongCount},
		},
		"wrong count in the text": {
			lived("a joined", "b joined"), []post{said("1", joined, "prod: 3 nodes joined", 2, "a joined, b joined")},
			[]string{wrongCount},
		},
		"wrong count of a gap": {
			lived("a joined", "b joined"),
			[]post{said("1", "away", "prod: while I was away: 3 joined", 2, "a joined, b joined")}, []string{wrongCount},
		},
		"a table counts": {
			lived(sixLives...), []post{table(said("1", joined, "prod: 6 nodes joined, 2 ready (6× m)", 6, six))}, nil,
		},
		"a table counts too few": {
			lived(sixLives...), []post{table(said("1", joined, "prod: 6 nodes joined, 1 ready (6× m)", 6, six))},
			[]string{wrongCount},
		},
		"a table counts too many": {
			lived(sixLives...), []post{table(said("1", joined, "prod: 6 nodes joined, all ready (6× m)", 6, six))},
			[]string{wrongCount},
		},
		"a table's ready node is told elsewhere": {
			lived(sixLives...),
			[]post{table(said("1", joined, "prod: 6 nodes joined, 1 ready (6× m)", 6, six)),
				said("2", ready, "prod: a became ready", 1, "a ready")}, nil,
		},
		"a gap's table counts": {
			lived(sixLives...), []post{table(said("1", "away", "prod: while I was away: 6 joined (2 ready)", 6, six+", a ready"))},
			nil,
		},
		"a gap's table counts too few": {
			lived(sixLives...), []post{table(said("1", "away", "prod: while I was away: 6 joined", 6, six))}, []string{wrongCount},
		},
		"a gap's table counts too many": {
			lived(sixLives...),
			[]post{table(said("1", "catch_up", "prod: while Slack could not be reached: 6 joined (all ready)", 6, six))},
			[]string{wrongCount},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, v := range test.truth.judge(channelView{posts: append(test.posts, baseline)}) {
				got = append(got, v.kind)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q: %v", got, test.want, test.truth.judge(channelView{posts: append(test.posts, baseline)}))
			}
		})
	}
}

func TestJudgeTellsOrderAndBaselines(t *testing.T) {
	at := time.Now()
	p := said("1", joined, "prod: a joined", 1, "a joined")
	p.first[claim{"a", joined}] = at
	q := said("2", removed, "prod: a left", 1, "a removed")
	q.first[claim{"a", removed}] = at.Add(-time.Second)
	life := lived("a joined removed")
	if v := life.judge(channelView{posts: []post{baseline, p, q}}); len(v) != 1 || v[0].kind != wrongOrder {
		t.Errorf("removed was shown before joined: %v", v)
	}
	q.first[claim{"a", removed}] = at.Add(time.Second)
	if v := life.judge(channelView{posts: []post{baseline, p, q}}); len(v) != 0 {
		t.Errorf("all is well: %v", v)
	}
	before, after := said("3", notReady, "prod: 1 node not ready", 1, "a not_ready, a recovered"),
		said("4", notReady, "prod: 1 node not ready", 1, "a not_ready")
	before.first[claim{"a", notReady}], before.first[claim{"a", recovered}] = at.Add(-2*time.Second), at.Add(-time.Second)
	after.first[claim{"a", notReady}] = at
	restored := lived("a not_ready recovered not_ready")
	if v := restored.judge(channelView{posts: []post{baseline, before, after}}); len(v) != 0 {
		t.Errorf("a restore took a recovery back: %v", v)
	}
	again := baseline
	again.key = "other"
	if v := life.judge(channelView{posts: []post{baseline, p, q, again}}); len(v) != 1 || v[0].kind != doubled {
		t.Errorf("two baselines: %v", v)
	}
}

// What may be told, and what must: see the package's comment.
func TestDoubt(t *testing.T) {
	for name, test := range map[string]struct {
		life       string
		untold     int // how many of its last steps
		step       string
		sameSecond bool
		possible   bool
		must       string // afterwards, one letter for each step
	}{
		"all told":                         {"a joined ready", 0, removed, false, true, "yyy"},
		"ready at once":                    {"a joined", 1, ready, false, true, "yy"},
		"gone before it was told":          {"a joined ready", 2, removed, false, true, "nnn"},
		"gone before it was told ready":    {"a joined ready", 1, removed, false, true, "yny"},
		"not ready before it is told":      {"a joined ready", 1, notReady, false, false, "yy"},
		"back before it was told":          {"a joined ready not_ready", 1, recovered, false, true, "yyyy"},
		"back in the same second":          {"a joined ready not_ready", 1, recovered, true, true, "yynn"},
		"nothing after the end":            {"a joined removed", 0, ready, false, false, "yy"},
		"not ready only once":              {"a joined ready not_ready recovered", 0, notReady, false, false, "yyyy"},
		"only what is ready can lose that": {"a joined", 0, notReady, false, false, "y"},
	} {
		t.Run(name, func(t *testing.T) {
			l := lived(test.life).lives[0]
			untold := l.acts[len(l.acts)-test.untold:]
			if got := l.next(test.step, untold); got != test.possible {
				t.Fatalf("possible: %v", got)
			}
			if test.possible {
				l.do(test.step, l.doubt(test.step, untold, test.sameSecond))
			}
			var got strings.Builder
			for _, a := range l.acts {
				got.WriteString(map[bool]string{true: "y", false: "n"}[a.must])
			}
			if got.String() != test.must {
				t.Errorf("must be told: %s, want %s", got.String(), test.must)
			}
		})
	}
}

// A copy is forgiven if the answer to the message before it was lost, or if the program ended
// before it can have noted it.
func TestCopies(t *testing.T) {
	at := time.Now()
	call := slackemu.Call{TS: "1", Effect: true, At: at, Took: 100 * time.Millisecond, Status: 200}
	lostAnswer := call
	lostAnswer.Fault, lostAnswer.Status = "hang after the effect", 0
	refused := call
	refused.Fault, refused.Error = "internal_error after the effect", "internal_error"
	ended := func(after time.Duration) []ending { return []ending{{began: at.Add(-time.Minute), at: at.Add(after)}} }
	stopped := []span{{at, at.Add(5 * time.Second)}}
	for name, test := range map[string]struct {
		call          slackemu.Call
		endings       []ending
		stopped       []span
		keys          map[string][]string
		all, forgiven int
	}{
		"none":                        {call, ended(0), nil, map[string][]string{"a": {"1"}, "b": {"2"}}, 0, 0},
		"the answer was lost":         {lostAnswer, nil, nil, map[string][]string{"a": {"1", "2"}}, 1, 1},
		"an error, and yet posted":    {refused, nil, nil, map[string][]string{"a": {"1", "2"}}, 1, 1},
		"killed at once":              {call, ended(200 * time.Millisecond), nil, map[string][]string{"a": {"1", "2"}}, 1, 1},
		"killed long after":           {call, ended(10 * time.Second), nil, map[string][]string{"a": {"1", "2"}}, 1, 0},
		"killed after it was stopped": {call, ended(6 * time.Second), stopped, map[string][]string{"a": {"1", "2"}}, 1, 1},
		"killed before":               {call, ended(-time.Second), nil, map[string][]string{"a": {"1", "2"}}, 1, 0},
		"and once more":               {lostAnswer, nil, nil, map[string][]string{"a": {"1", "2", "3"}}, 2, 1},
	} {
		all, forgiven := channelView{keys: test.keys}.copies([]slackemu.Call{test.call}, test.endings, test.stopped)
		if all != test.all || forgiven != test.forgiven {
			t.Errorf("%s: %d copies, %d forgiven, want %d and %d", name, all, forgiven, test.all, test.forgiven)
		}
	}
}

// A restore that brings a node back may be told in two ways: its end was seen, or it was not.
func TestWentBack(t *testing.T) {
	for name, tt := range map[string]struct {
		before, after string // what the node did before the backup, and until the restore
		told          string // by the program that did not see its end
	}{
		"not ready, and gone":         {"joined ready", "not_ready removed", "a joined, a ready, a not_ready, a recovered"},
		"ready, and gone":             {"joined", "ready removed", "a joined, a ready, a not_ready"},
		"gone while it was not ready": {"joined ready not_ready", "removed", "a joined, a ready, a not_ready"},
	} {
		truth := lived("a " + tt.before)
		l := truth.lives[0]
		picture := truth.picture()
		for step := range strings.FieldsSeq(tt.after) {
			l.do(step, true)
		}
		truth.wentBack(picture, channelView{posts: []post{baseline}})
		if back := truth.lives[len(truth.lives)-1]; back.next(ready, nil) || back.next(notReady, nil) {
			t.Errorf("%s: whether what it does next is a step or a return, nobody knows", name)
		}
		for _, a := range l.acts { // what was told before is no matter here
			a.must = false
		}
		view := channelView{posts: []post{baseline, said("1", joined, "prod: 1 node joined", 1, tt.told)}}
		for _, v := range truth.judge(view) {
			if v.kind == doubled {
				t.Errorf("%s: %v", name, v)
			}
		}
	}
}

func TestFalseCauses(t *testing.T) {
	const card = "⬜ prod: 1 node left\nip-10-64-0-1.eu\nm5.large\nleft 10:12 UTC, lived 1 h\n" +
		"consolidated by Karpenter (empty), drained for 12 m\n"
	life := lived("ip-10-64-0-1.eu joined removed")
	came, went := causesIn(card)
	view := channelView{came: came, causes: went, posts: []post{baseline,
		said("1", joined, "prod: 1 node joined", 1, "ip-10-64-0-1.eu joined"),
		said("2", removed, "prod: 1 node left", 1, "ip-10-64-0-1.eu removed")}}
	if v := life.judge(view); len(v) != 1 || v[0].kind != other || !strings.Contains(v[0].text, "false cause") {
		t.Errorf("a cause that there was not: %v", v)
	}
	life.lives[0].cause = "consolidated by Karpenter (empty)"
	if v := life.judge(view); len(v) != 0 {
		t.Errorf("the cause that there was: %v", v)
	}
	view.came, _ = causesIn("⏳ prod: 1 node joined\nip-10-64-0-1.eu\njoined 10:12 UTC\nfor shop/app-1: scaled from 0 to 1")
	if v := life.judge(view); len(v) != 1 || v[0].kind != other || !strings.Contains(v[0].text, "come for a false cause") {
		t.Errorf("nobody wanted it: %v", v)
	}
	life.lives[0].came = "for shop/app-1"
	if v := life.judge(view); len(v) != 0 {
		t.Errorf("it was wanted: %v", v)
	}
}

// A process that was stopped had no time to begin listening for signals.
func TestRan(t *testing.T) {
	at := time.Now()
	e := ending{began: at, at: at.Add(2 * time.Second)}
	for _, test := range []struct {
		stopped []span
		want    time.Duration
	}{
		{nil, 2 * time.Second},
		{[]span{{at.Add(-time.Second), at.Add(time.Second)}}, time.Second},
		{[]span{{at.Add(500 * time.Millisecond), at.Add(time.Minute)}}, 500 * time.Millisecond},
		{[]span{{at.Add(-time.Minute), at.Add(-time.Second)}, {from: at}}, 2 * time.Second},
	} {
		if got := ran(e, test.stopped); got != test.want {
			t.Errorf("stopped %v it ran %v, want %v", test.stopped, got, test.want)
		}
	}
}
