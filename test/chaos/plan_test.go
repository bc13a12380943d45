package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/internal/webhook/receiver"
)

// Kind is what a step does.
type Kind string

// The kinds of steps. Those of one lane are taken one after the other, the lanes side by side.
const (
	// Setup comes first and is never left out. N nodes are there before the program's first start.
	// What is "sighted" if the program may read the channel's history, "blind" if not, then
	// "early" if the trouble begins with the program's first start instead of after its baseline,
	// and "restart" if the program is killed once more when the trouble is over, and "routed" if there are ROUTES.
	Setup Kind = "setup"

	// The cluster's lane: N nodes take a step of their lives.
	Join      Kind = "join" // What "ready": ready from the start; "struck": once a call to Slack has gone wrong
	Ready     Kind = "ready"
	NotReady  Kind = "notready"
	Recover   Kind = "recover"
	Remove    Kind = "remove"
	Return    Kind = "return"    // names that left come back as new nodes
	Visit     Kind = "visit"     // nodes come and go while the program is dead, and events tell of it
	Heartbeat Kind = "heartbeat" // What "moves": it moves the time of the last transition too
	Cordon    Kind = "cordon"

	// The people's lane: What is the command.
	Ask Kind = "ask"

	// The trouble's lane. For is how long it lasts.
	Kill     Kind = "kill"   // SIGKILL, and For until the next start; What: at what moment, see below
	Stop     Kind = "stop"   // SIGSTOP, SIGCONT
	Term     Kind = "term"   // SIGTERM, as a rollout does
	APIKill  Kind = "api"    // the API server is killed and started again
	Forget   Kind = "forget" // the same, and history is compacted: 410 Gone
	Compact  Kind = "compact"
	Cut      Kind = "cut"      // connections to the API server are closed
	Stall    Kind = "stall"    // they say nothing
	Slow     Kind = "slow"     // they carry N bytes a second
	Refuse   Kind = "refuse"   // they are closed and new ones refused
	Lose     Kind = "lose"     // the same, alone and for so long that people are told
	Starve   Kind = "starve"   // N pods wait, and an autoscaler makes no node for them: for so long that people are told
	Rollout  Kind = "rollout"  // a Deployment of N pods, two at least, is rolled out while all else goes on; What: "" or "back"
	Impostor Kind = "impostor" // another server answers instead; What is a cluster.Lie
	Slack    Kind = "slack"    // N calls go wrong; What is method/fault, with "+after" after the effect
	Outage   Kind = "outage"   // every call to Slack fails; What is "503" or "closed"
	Sockets  Kind = "sockets"  // What: "refresh", "warning", "drop" (N times), "half" or "refuse"
	DiskFull Kind = "disk"
	Clock    Kind = "clock"   // the program's clock is set by For, forwards or backwards
	Restore  Kind = "restore" // etcd is saved, and For later restored from that; What is "bump" or "anew"
	Notes    Kind = "notes"   // N events with notes of 700 KB are written
	Move     Kind = "move"    // the channel is archived, and For later the program is started with another one
	Reroute  Kind = "reroute" // For later the program is started with other ROUTES
	Webhook  Kind = "webhook" // N events are not taken, or not heard to be; What is a receiver.Fault
	Second   Kind = "second"  // a second process runs on the ledger by another path; What is "symlink" or "hardlink"
)

// The moments of a kill.
const (
	anyMoment  = ""
	beforePost = "before-post" // Slack has the request, and has not posted yet
	afterPost  = "after-post"  // Slack has posted, and has not answered yet
	atEdit     = "at-edit"
	atNode     = "at-node"  // a node has just been created
	atEvent    = "at-event" // the webhook's receiver has taken an event
)

// Step is one step of an episode: what, with which parameters, and how long after the step before
// it in its lane. Its text is like "kill wait=300ms for=2s what=after-post".
type Step struct {
	Kind  Kind
	Wait  time.Duration
	N     int
	For   time.Duration
	What  string
	Hasty bool // of nodes: does not wait until the channel has told the node's last step
}

// String is the step's text, from which Parse makes it again.
func (s Step) String() string {
	out := string(s.Kind)
	if s.Wait != 0 {
		out += " wait=" + s.Wait.String()
	}
	if s.N != 0 {
		out += fmt.Sprintf(" n=%d", s.N)
	}
	if s.For != 0 {
		out += " for=" + s.For.String()
	}
	if s.What != "" {
		out += " what=" + s.What
	}
	if s.Hasty {
		out += " hasty"
	}
	return out
}

// Text is a list of steps, as -chaos.steps takes it.
func Text(steps []Step) string {
	var parts []string
	for _, s := range steps {
		parts = append(parts, s.String())
	}
	return strings.Join(parts, "; ")
}

// Parse reads what Text has written.
func Parse(text string) (steps []Step, err error) {
	for part := range strings.SplitSeq(text, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		s := Step{Kind: Kind(words[0])}
		if lanes[s.Kind] == "" {
			return nil, fmt.Errorf("there is no step %q", words[0])
		}
		for _, w := range words[1:] {
			key, value, _ := strings.Cut(w, "=")
			switch key {
			case "wait":
				s.Wait, err = time.ParseDuration(value)
			case "n":
				s.N, err = strconv.Atoi(value)
			case "for":
				s.For, err = time.ParseDuration(value)
			case "what":
				s.What = value
			case "hasty":
				s.Hasty = true
			default:
				err = fmt.Errorf("there is no %q", key)
			}
			if err != nil {
				return nil, fmt.Errorf("step %q: %w", part, err)
			}
		}
		steps = append(steps, s)
	}
	if len(steps) == 0 || steps[0].Kind != Setup {
		return nil, fmt.Errorf("the first step must be %s", Setup)
	}
	return steps, nil
}

const (
	setupLane   = "setup"
	nodeLane    = "nodes"
	askLane     = "questions"
	troubleLane = "trouble"
)

// lanes says which lane a kind belongs to.
var lanes = map[Kind]string{
	Setup: setupLane,
	Join:  nodeLane, Ready: nodeLane, NotReady: nodeLane, Recover: nodeLane, Remove: nodeLane, Return: nodeLane,
	Visit: nodeLane, Heartbeat: nodeLane, Cordon: nodeLane,
	Ask:  askLane,
	Kill: troubleLane, Stop: troubleLane, Term: troubleLane, APIKill: troubleLane, Forget: troubleLane,
	Compact: troubleLane,
	Cut:     troubleLane, Stall: troubleLane, Slow: troubleLane, Refuse: troubleLane, Lose: troubleLane,
	Starve: troubleLane, Rollout: troubleLane,
	Slack:  troubleLane,
	Outage: troubleLane, Impostor: troubleLane,
	Sockets: troubleLane, DiskFull: troubleLane, Clock: troubleLane, Restore: troubleLane, Notes: troubleLane,
	Move: troubleLane, Reroute: troubleLane, Second: troubleLane, Webhook: troubleLane,
}

// lane returns the steps of one lane.
func lane(steps []Step, name string) (out []Step) {
	for _, s := range steps {
		if lanes[s.Kind] == name {
			out = append(out, s)
		}
	}
	return out
}

// length is about how long each lane of a plan takes.
const length = 32 * time.Second

// blindAfter is when the program tells that it does not see the cluster: BLIND_AFTER's least.
const blindAfter = 2 * time.Minute

// starved is how long pods wait of which it is told: a minute, and what the program takes to look.
const starved = 100 * time.Second

// Plan makes an episode of a seed: the same seed gives the same steps.
func Plan(seed uint64, blind bool) []Step {
	r := rand.New(rand.NewPCG(seed, 0xC4A05))
	setup := Step{Kind: Setup, N: r.IntN(9), What: "sighted"}
	if blind {
		setup.What = "blind"
	}
	if r.IntN(4) == 0 {
		setup.What += ",early"
	}
	if r.IntN(2) == 0 {
		setup.What += ",restart"
	}
	if r.IntN(2) == 0 {
		setup.What += ",routed"
	}
	steps := []Step{setup}
	steps = append(steps, planNodes(r)...)
	steps = append(steps, planQuestions(r)...)
	return append(steps, planTrouble(r)...)
}

// pause is short or long, so that steps come in bursts.
func pause(r *rand.Rand, mean time.Duration) time.Duration {
	if r.IntN(5) < 3 {
		return ms(r, 0, int(mean.Milliseconds())/2)
	}
	return ms(r, int(mean.Milliseconds()), 3*int(mean.Milliseconds()))
}

func ms(r *rand.Rand, from, to int) time.Duration {
	return time.Duration(from+r.IntN(to-from+1)) * time.Millisecond
}

// weighted picks one of the kinds, as often as its weight says.
func weighted[T any](r *rand.Rand, choices []choice[T]) T {
	sum := 0
	for _, c := range choices {
		sum += c.weight
	}
	n := r.IntN(sum)
	for _, c := range choices {
		if n -= c.weight; n < 0 {
			return c.of
		}
	}
	panic("not reached")
}

type choice[T any] struct {
	weight int
	of     T
}

func planNodes(r *rand.Rand) (steps []Step) {
	kinds := []choice[Kind]{{30, Join}, {22, Ready}, {13, NotReady}, {12, Recover}, {18, Remove}, {5, Return}, {3, Visit},
		{2, Heartbeat}, {2, Cordon}}
	for at := time.Duration(0); at < length; {
		s := Step{Kind: weighted(r, kinds), Wait: pause(r, 500*time.Millisecond), N: 1 + r.IntN(6), Hasty: r.IntN(7) == 0}
		switch s.Kind {
		case Join:
			s.Hasty = false
			if s.N = 1 + r.IntN(4); r.IntN(5) == 0 {
				s.N = 5 + r.IntN(12)
			} else if r.IntN(14) == 0 {
				s.N = 20 + r.IntN(21)
			}
			s.What = weighted(r, []choice[string]{{4, ""}, {2, "ready"}, {3, "struck"}})
		case Visit, Return:
			s.N, s.Hasty = 1+r.IntN(3), false
		case Heartbeat, Cordon:
			s.Hasty = false
			if s.Kind == Heartbeat && r.IntN(2) == 0 {
				s.What = "moves"
			}
		case Ready, NotReady, Recover:
			if r.IntN(5) == 0 { // the node's clock
				s.For = []time.Duration{-8 * time.Hour, 8 * time.Hour}[r.IntN(2)]
			}
		}
		at += s.Wait
		steps = append(steps, s)
	}
	return steps
}

func planQuestions(r *rand.Rand) (steps []Step) {
	for at := time.Duration(0); at < length; {
		s := Step{Kind: Ask, Wait: pause(r, 1500*time.Millisecond), What: questions[r.IntN(len(questions))]}
		at += s.Wait
		steps = append(steps, s)
	}
	return steps
}

// questions are commands, with + for a space.
var questions = []string{"/nodes", "/nodes+list", "/nodes+--not-ready", "/events", "/events+--scaling", "/nodes+digest",
	"/nodes+help"}

func planTrouble(r *rand.Rand) []Step {
	var steps []Step
	for range 18 + r.IntN(5) {
		s := Step{Kind: Kill, What: weighted(r, []choice[string]{{8, anyMoment}, {3, beforePost}, {4, afterPost},
			{2, atEdit}, {3, atNode}, {3, atEvent}})}
		if r.IntN(4) == 0 {
			s.For = ms(r, 500, 4000)
		}
		steps = append(steps, s)
	}
	kinds := []choice[Kind]{{4, Stop}, {1, Term}, {1, Compact}, {3, Cut}, {2, Stall}, {1, Slow}, {2, Refuse}, {9, Slack},
		{2, Impostor}, {2, Outage}, {4, Sockets}, {1, DiskFull}, {2, Clock}, {1, Second}, {5, Webhook}}
	others := 19 + r.IntN(5)
	if r.IntN(5) < 3 { // dear on a small machine
		others--
		steps = append(steps, Step{Kind: []Kind{APIKill, Forget}[r.IntN(2)], For: ms(r, 0, 3000)})
	}
	if r.IntN(3) == 0 {
		others--
		steps = append(steps, Step{Kind: Restore, For: ms(r, 500, 8000), What: []string{"bump", "anew"}[r.IntN(2)]})
	}
	if r.IntN(4) == 0 {
		others--
		steps = append(steps, Step{Kind: Notes, N: 10 + r.IntN(30)})
	}
	if r.IntN(10) == 0 {
		others--
		steps = append(steps, Step{Kind: Lose, For: blindAfter + 40*time.Second})
	}
	if r.IntN(10) == 0 {
		others--
		steps = append(steps, Step{Kind: Starve, N: 1 + r.IntN(30), For: starved})
	}
	for range r.IntN(3) {
		steps = append(steps, Step{Kind: Rollout, N: 2 + r.IntN(12), What: []string{"", "", "back"}[r.IntN(3)]})
	}
	if r.IntN(3) == 0 {
		others--
		steps = append(steps, Step{Kind: Move, For: ms(r, 0, 4000)})
	}
	if r.IntN(2) == 0 {
		others--
		steps = append(steps, Step{Kind: Reroute, For: ms(r, 0, 4000)})
	}
	for range others {
		steps = append(steps, planFault(r, weighted(r, kinds)))
	}
	// A real clock that is set leaves the time alone for which nothing was seen; the one of these episodes does not.
	if slices.ContainsFunc(steps, func(s Step) bool { return s.Kind == Clock }) {
		steps = slices.DeleteFunc(steps, func(s Step) bool { return s.Kind == Lose })
	}
	// Events that an older state of etcd does not have are gone, and with them how a rollout went on.
	if slices.ContainsFunc(steps, func(s Step) bool { return s.Kind == Restore }) {
		steps = slices.DeleteFunc(steps, func(s Step) bool { return s.Kind == Rollout })
	}
	r.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	for i := range steps {
		steps[i].Wait = pause(r, 450*time.Millisecond)
	}
	return steps
}

func planFault(r *rand.Rand, kind Kind) Step {
	s := Step{Kind: kind}
	switch kind {
	case Stop:
		s.For = ms(r, 100, 1500)
		if r.IntN(4) == 0 {
			s.For = ms(r, 1500, 8000)
		}
	case Stall, Refuse:
		s.For = ms(r, 200, 6000)
	case Impostor:
		s.For, s.What = ms(r, 500, 8000), []string{"other", "fresh", "empty"}[r.IntN(3)]
	case Slow:
		s.For, s.N = ms(r, 1000, 5000), 20_000+r.IntN(200_000)
	case Slack:
		methods := []choice[string]{{6, "chat.postMessage"}, {3, "chat.update"}, {1, "conversations.history"},
			{1, "conversations.replies"}, {1, "apps.connections.open"}, {1, "response_url"}}
		faults := []choice[string]{{2, "429"}, {1, "429-bare"}, {2, "500"}, {1, "502"}, {1, "503"}, {1, "hang"}, {2, "cut"},
			{1, "slow"}, {1, "internal_error"}}
		s.What = weighted(r, methods) + "/" + weighted(r, faults)
		if r.IntN(5) < 3 && !strings.HasSuffix(s.What, "/slow") {
			s.What += "+after"
		}
		s.N = 1 + r.IntN(3)
		if strings.Contains(s.What, "/hang") {
			s.N = 1 // it takes the client's whole time-out
		}
		if r.IntN(4) == 0 { // what lasts, and what is rare
			s.N = 1
			s.What = weighted(r, []choice[string]{{2, "chat.postMessage/late"}, {1, "chat.postMessage/500-late"},
				{1, "chat.postMessage/429-day"}, {1, "chat.update/429-day"}, {2, "chat.postMessage/never_heard_of_it"},
				{2, "chat.update/never_heard_of_it"}, {3, "chat.update/edit_window_closed"}})
			if strings.HasSuffix(s.What, "late") {
				s.For = ms(r, 5000, 40_000)
			} else if strings.HasSuffix(s.What, "/never_heard_of_it") {
				s.N = 1 + r.IntN(6)
			}
		}
	case Outage:
		s.For, s.What = ms(r, 300, 5000), []string{"503", "closed"}[r.IntN(2)]
	case Sockets:
		s.What = []string{"refresh", "warning", "drop", "half", "refuse"}[r.IntN(5)]
		s.N, s.For = 1+r.IntN(6), ms(r, 500, 4000)
	case Webhook:
		// One that is closed to us is asked again only after a minute or two.
		s.What = string([]receiver.Fault{receiver.Broken, receiver.Limited, receiver.Refuses, receiver.Slow, receiver.Dropped,
			receiver.Reset, receiver.Hangs}[r.IntN(7)])
		if s.N = 1 + r.IntN(4); s.What == string(receiver.Hangs) {
			s.N = 1 // it takes the client's whole time-out
		}
	case DiskFull:
		s.For = ms(r, 500, 4000)
	case Second:
		s.For, s.What = ms(r, 500, 3000), []string{"symlink", "hardlink"}[r.IntN(2)]
	case Clock:
		size := weighted(r,
			[]choice[time.Duration]{{3, time.Minute}, {3, time.Hour}, {2, 24 * time.Hour}, {2, 10 * 24 * time.Hour}})
		s.For = (size/20 + time.Duration(r.Int64N(int64(size)))).Round(time.Second)
		if r.IntN(2) == 0 {
			s.For = -s.For
		}
	}
	return s
}

func TestPlanFollowsFromItsSeed(t *testing.T) {
	for seed := range uint64(50) {
		a, b := Plan(seed, seed%2 == 1), Plan(seed, seed%2 == 1)
		if !slices.Equal(a, b) {
			t.Fatalf("seed %d gives two plans", seed)
		}
		if slices.Equal(a, Plan(seed+1, seed%2 == 1)) {
			t.Fatalf("seeds %d and %d give one plan", seed, seed+1)
		}
		kills, others := 0, 0
		for _, s := range lane(a, troubleLane) {
			if s.Kind == Kill {
				kills++
			} else {
				others++
			}
		}
		if kills < 15 || others < 15 {
			t.Errorf("seed %d: %d kills, %d other faults", seed, kills, others)
		}
		back, err := Parse(Text(a))
		if err != nil || !slices.Equal(a, back) {
			t.Fatalf("seed %d: the plan's text reads differently: %v\n%s", seed, err, Text(a))
		}
	}
}

func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, text := range []string{"", "kill", "setup; kil", "setup; kill when=now", "setup; stop for=long",
		"setup; join n=x"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
