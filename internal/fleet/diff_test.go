package fleet

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"
)

var (
	born = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	seen = born.Add(time.Hour)
)

func sample() Node {
	return Node{
		Cluster: "prod", UID: "u1", Name: "n1", Arch: "amd64", OS: "linux",
		Labels: map[string]string{"a": "1", "b": "2"},
		Detail: Detail{
			ProviderID: "aws:///z/i", KubeletVersion: "v1.36.3",
			Taints:   []Taint{{Key: "k", Value: "v", Effect: "NoSchedule"}},
			Capacity: Resources{4000, 16 << 30, 58, 0}, Allocatable: Resources{3900, 15 << 30, 58, 0},
		},
		Ready:     Condition{Status: Ready, Reason: "KubeletReady", Message: "fine", Since: born.Add(30 * time.Second)},
		CreatedAt: born,
	}
}

// owned is a sample that has what most nodes lack.
func owned() Node {
	n := sample()
	n.Owner = ObjectRef{Kind: "NodeClaim", Namespace: "ns", Name: "general-vgg6g", UID: "c1"}
	n.DeletedAt = born.Add(time.Hour)
	n.Problems = []Problem{{Type: "KernelDeadlock"}, {Type: "ReadonlyFilesystem"}}
	return n
}

func TestFingerprint(t *testing.T) {
	base := sample()
	want := Fingerprint(&base)
	same := sample()
	same.Labels = map[string]string{"b": "2", "a": "1"}
	same.Ready.Message = "posting ready status" // changes with every kubelet's mood, and is no step of a life
	same.Zone = "derived from labels"
	if Fingerprint(&same) != want {
		t.Error("a look without a difference has another fingerprint")
	}
	// The ledger stores it: another build must compute the same.
	if was := uint64(0x1f307abf9a148355); want != was {
		t.Errorf("the fingerprint is %#x, was %#x: all nodes are written again when they are seen next; is that meant? See descriptions", want, was)
	}
	for name, change := range map[string]func(*Node){
		"name":        func(n *Node) { n.Name = "n2" },
		"provider id": func(n *Node) { n.ProviderID = "" },
		"kubelet":     func(n *Node) { n.KubeletVersion = "v1.36.4" },
		"arch":        func(n *Node) { n.Arch = "arm64" },
		"os":          func(n *Node) { n.OS = "windows" },
		"label value": func(n *Node) { n.Labels = map[string]string{"a": "1", "b": "3"} },
		"label gone":  func(n *Node) { n.Labels = map[string]string{"a": "1"} },
		"label swap":  func(n *Node) { n.Labels = map[string]string{"a": "2", "b": "1"} },
		"label edges": func(n *Node) { n.Labels = map[string]string{"a1": "", "b": "2"} },
		"taint":       func(n *Node) { n.Taints[0].Effect = "NoExecute" },
		"no taint":    func(n *Node) { n.Taints = nil },
		"capacity":    func(n *Node) { n.Capacity.MilliCPU++ },
		"allocatable": func(n *Node) { n.Allocatable.Pods-- },
		"swapped":     func(n *Node) { n.Capacity, n.Allocatable = n.Allocatable, n.Capacity },
		"cordon":      func(n *Node) { n.Cordoned = true },
		"status":      func(n *Node) { n.Ready.Status = ReadyUnknown },
		"reason":      func(n *Node) { n.Ready.Reason = "Other" },
		"since":       func(n *Node) { n.Ready.Since = n.Ready.Since.Add(time.Second) },
		"owner":       func(n *Node) { n.Owner = ObjectRef{Kind: "NodeClaim", Name: "c", UID: "u"} },
		"deleted":     func(n *Node) { n.DeletedAt = born },
		"unwell":      func(n *Node) { n.Problems = []Problem{{Type: "KernelDeadlock"}} },
	} {
		n := sample()
		if change(&n); Fingerprint(&n) == want {
			t.Errorf("%s: the fingerprint does not see it", name)
		}
	}
	if allocs := testing.AllocsPerRun(100, func() { Fingerprint(&base) }); allocs != 0 {
		t.Errorf("%v allocations per fingerprint, want none", allocs)
	}
}

// A property of a node that is added to Detail and forgotten in Fingerprint would never be
// recorded again after the first look.
func TestFingerprintSeesEveryDetail(t *testing.T) {
	base := owned()
	want := Fingerprint(&base)
	for i := range reflect.TypeFor[Detail]().NumField() {
		n := owned()
		f := reflect.ValueOf(&n.Detail).Elem().Field(i)
		if f.IsZero() {
			t.Errorf("the sample has no %s", reflect.TypeFor[Detail]().Field(i).Name)
		}
		if f.SetZero(); Fingerprint(&n) == want {
			t.Errorf("the fingerprint does not see %s", reflect.TypeFor[Detail]().Field(i).Name)
		}
	}
}

// Two nodes that differ in what most nodes lack have two fingerprints.
func TestFingerprintOfOwned(t *testing.T) {
	base := owned()
	want := Fingerprint(&base)
	for name, change := range map[string]func(*Node){
		"kind":       func(n *Node) { n.Owner.Kind = "Machine" },
		"namespace":  func(n *Node) { n.Owner.Namespace = "" },
		"name":       func(n *Node) { n.Owner.Name = "general-x" },
		"uid":        func(n *Node) { n.Owner.UID = "c2" },
		"deleted":    func(n *Node) { n.DeletedAt = n.DeletedAt.Add(time.Second) },
		"well again": func(n *Node) { n.Problems = n.Problems[:1] },
		"unwell":     func(n *Node) { n.Problems = []Problem{{Type: "KernelDeadlock"}, {Type: "XfsShutdown"}} },
	} {
		n := owned()
		if change(&n); Fingerprint(&n) == want {
			t.Errorf("%s: the fingerprint does not see it", name)
		}
	}
	if allocs := testing.AllocsPerRun(100, func() { Fingerprint(&base) }); allocs != 0 {
		t.Errorf("%v allocations per fingerprint, want none", allocs)
	}
}

// A node with an owner that was recorded before Rollcall read owners is recorded once more, and nothing is told of it.
func TestUpgradeTellsNothing(t *testing.T) {
	for _, missed := range []bool{false, true} {
		for _, status := range []ReadyStatus{Ready, NotReady, ReadyUnknown} {
			before, now := sample(), owned()
			before.Ready.Status, now.Ready.Status = status, status
			known := First(before, seen).Known
			o, ok := Diff(known, now, Look{At: seen.Add(time.Minute), After: seen, Missed: missed})
			if !ok || len(o.Changes) != 0 || o.Node.Owner != now.Owner {
				t.Errorf("%s, missed %v: recorded %v with %q, owner %v", status, missed, ok, steps(o.Changes), o.Node.Owner)
			}
			if _, ok := Diff(o.Known, now, Look{At: seen.Add(time.Hour), After: seen}); ok {
				t.Errorf("%s, missed %v: recorded twice", status, missed)
			}
		}
	}
}

// steps shows changes in one line each.
func steps(cs []Change) []string {
	var out []string
	for _, c := range cs {
		s := fmt.Sprintf("%s#%d at %s by %s", c.Kind, c.Occurrence, c.At.Sub(born), c.Proof)
		if !c.NotBefore.IsZero() {
			s += fmt.Sprintf(" not before %s", c.NotBefore.Sub(born))
		}
		if c.Reason != "" {
			s += " (" + c.Reason + ")"
		}
		out = append(out, s)
	}
	return out
}

func TestFirst(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Node)
		want   []string
	}{
		{"ready", func(*Node) {}, []string{"joined#1 at 0s by object", "ready#1 at 30s by object"}},
		{"not ready yet", func(n *Node) { n.Ready = Condition{Status: ReadyUnknown} }, []string{"joined#1 at 0s by object"}},
		{"without a creation time", func(n *Node) { n.CreatedAt = time.Time{}; n.Ready.Since = time.Time{} },
			[]string{"joined#1 at 1h0m0s by watch", "ready#1 at 1h0m0s by watch"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := sample()
			tt.change(&n)
			o := First(n, seen)
			if got := steps(o.Changes); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if o.Known.EverReady != (n.Ready.Status == Ready) || o.Known.Fingerprint != Fingerprint(&n) {
				t.Errorf("known: %+v", o.Known)
			}
		})
	}
}

func TestDiff(t *testing.T) {
	down := func(since time.Duration) func(*Node) {
		return func(n *Node) {
			n.Ready = Condition{Status: ReadyUnknown, Reason: "NodeStatusUnknown", Since: born.Add(since)}
		}
	}
	up := func(since time.Duration) func(*Node) {
		return func(n *Node) { n.Ready.Status, n.Ready.Since = Ready, born.Add(since) }
	}
	const watched, compared = false, true
	type look struct {
		change func(*Node)
		want   []string // nil: nothing to record
		missed bool
	}
	none := []string{} // something to record, but no step
	tests := []struct {
		name  string
		first func(*Node)
		looks []look
	}{
		{"heartbeat", func(*Node) {}, []look{{func(n *Node) { n.Ready.Message = "still fine" }, nil, watched}}},
		{"label", func(*Node) {}, []look{{func(n *Node) { n.Labels = maps.Clone(n.Labels); n.Labels["c"] = "3" }, none,
			watched}}},
		{"becomes ready", down(0), []look{{up(40 * time.Second), []string{"ready#1 at 40s by object"}, watched}}},
		{"without a transition time", func(n *Node) { n.Ready = Condition{Status: ReadyUnknown} }, []look{
			{func(n *Node) { n.Ready.Status = Ready }, []string{"ready#1 at 1h0m0s by watch"}, watched},
			{func(n *Node) { n.Ready.Status = NotReady }, []string{"not_ready#1 at 1h0m0s by watch"}, watched},
		}},
		{"goes and comes, twice", func(*Node) {}, []look{
			{down(60 * time.Second), []string{"not_ready#1 at 1m0s by object (NodeStatusUnknown)"}, watched},
			{up(70 * time.Second), []string{"recovered#1 at 1m10s by object"}, watched},
			{down(80 * time.Second), []string{"not_ready#2 at 1m20s by object (NodeStatusUnknown)"}, watched},
			{up(90 * time.Second), []string{"recovered#2 at 1m30s by object"}, watched},
		}},
		{"from False to Unknown is no new step", func(n *Node) { n.Ready.Status = NotReady },
			[]look{{down(60 * time.Second), none, watched}}},
		{"flap between two looks", func(*Node) {}, []look{
			{up(90 * time.Second), []string{"not_ready#1 at 1m30s by none not before 30s", "recovered#1 at 1m30s by object"},
				compared},
			{func(*Node) {}, nil, compared},
		}},
		{"heartbeats that move the transition time", func(*Node) {}, []look{
			{up(40 * time.Second), none, watched}, // it is kept once that the time proves nothing
			{up(50 * time.Second), nil, watched},
			{up(60 * time.Second), nil, watched},
			{up(20 * time.Minute), nil, compared}, // in a gap too
			{func(n *Node) { up(21 * time.Minute)(n); n.Labels = map[string]string{"c": "3"} }, none, compared},
			{down(22 * time.Minute), []string{"not_ready#1 at 1h0m0s by watch (NodeStatusUnknown)"}, watched},
			{down(23 * time.Minute), nil, watched},
			{up(24 * time.Minute), []string{"recovered#1 at 1h0m0s by watch"}, watched},
			{up(25 * time.Minute), nil, compared},
		}},
		{"heartbeats of a node that is not ready", down(0), []look{
			{down(10 * time.Second), none, watched},
			{down(20 * time.Second), nil, watched},
			{up(30 * time.Second), []string{"ready#1 at 1h0m0s by watch"}, watched},
		}},
		{"the condition's first time moves nothing", func(n *Node) { n.Ready = Condition{Status: ReadyUnknown} }, []look{
			{down(10 * time.Second), none, watched},
			{up(20 * time.Second), []string{"ready#1 at 20s by object"}, watched},
			{up(50 * time.Second), []string{"not_ready#1 at 50s by none not before 20s", "recovered#1 at 50s by object"}, compared},
		}},
		{"a transition time that goes back, after a gap", func(*Node) {}, []look{
			{up(10 * time.Second), []string{"not_ready#1 at 1h0m0s by none not before 30s", "recovered#1 at 1h0m0s by watch"},
				compared},
		}},
		{"a transition time that goes back, watched", func(*Node) {}, []look{{up(10 * time.Second), none, watched}}},
		{"cordon, uncordon, cordon", func(*Node) {}, []look{
			{func(n *Node) { n.Cordoned = true }, []string{"cordoned#1 at 1h0m0s by watch"}, watched},
			{func(n *Node) { n.Cordoned = false }, []string{"uncordoned#1 at 1h0m0s by watch"}, watched},
			{func(n *Node) { n.Cordoned = true }, []string{"cordoned#2 at 1h0m0s by watch"}, watched},
		}},
		{"uncordoned though first seen cordoned", func(n *Node) { n.Cordoned = true }, []look{
			{func(n *Node) { n.Cordoned = false }, []string{"uncordoned#1 at 1h0m0s by watch"}, watched},
			{func(n *Node) { n.Cordoned = true }, []string{"cordoned#2 at 1h0m0s by watch"}, watched},
			{func(n *Node) { n.Cordoned = false }, []string{"uncordoned#2 at 1h0m0s by watch"}, watched},
		}},
		{"several at once", down(0), []look{
			{func(n *Node) { up(50 * time.Second)(n); n.Cordoned = true },
				[]string{"ready#1 at 50s by object", "cordoned#1 at 1h0m0s by watch"}, watched},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := sample()
			tt.first(&n)
			known := First(n, seen).Known
			for i, l := range tt.looks {
				l.change(&n)
				o, ok := Diff(known, n, Look{At: seen, Missed: l.missed})
				if ok != (l.want != nil) {
					t.Fatalf("look %d: recorded: %v", i+1, ok)
				}
				if !ok {
					continue
				}
				if got := steps(o.Changes); !slices.Equal(got, l.want) {
					t.Errorf("look %d: got %q, want %q", i+1, got, l.want)
				}
				if known = o.Known; !known.Same(&n) {
					t.Errorf("look %d: the next heartbeat would be recorded again", i+1)
				}
			}
		})
	}
}

// TestNodeClock holds that what a node's clock says is a proof only between the last look at what was and this one: a
// clock may be hours ahead or behind, and be put right.
func TestNodeClock(t *testing.T) {
	const ahead = 8 * time.Hour
	type look struct {
		after, at time.Duration // since the node was created
		status    ReadyStatus
		stamp     time.Duration
		missed    bool
		want      []string
		since     time.Duration // as accepted
	}
	// up is at 40 s, down at 5 m, up at 7 m by the right clock.
	tests := []struct {
		name  string
		looks []look
	}{
		{"right", []look{
			{39 * time.Second, 41 * time.Second, Ready, 40 * time.Second, false, []string{"ready#1 at 40s by object"},
				40 * time.Second},
			{299 * time.Second, 301 * time.Second, NotReady, 300 * time.Second, false,
				[]string{"not_ready#1 at 5m0s by object (R)"}, 300 * time.Second},
			// Stamped in the second in which another frame came, and cut to it.
			{421 * time.Second, 422 * time.Second, Ready, 420 * time.Second, false, []string{"recovered#1 at 7m0s by object"},
				420 * time.Second},
		}},
		{"ahead, then put right", []look{
			{39 * time.Second, 41 * time.Second, Ready, ahead + 40*time.Second, false, []string{"ready#1 at 41s by watch"},
				41 * time.Second},
			{299 * time.Second, 301 * time.Second, NotReady, ahead + 300*time.Second, false,
				[]string{"not_ready#1 at 5m1s by watch (R)"}, 301 * time.Second},
			{419 * time.Second, 421 * time.Second, Ready, 420 * time.Second, false, []string{"recovered#1 at 7m0s by object"},
				420 * time.Second},
		}},
		{"behind", []look{
			{39 * time.Second, 41 * time.Second, Ready, 40*time.Second - ahead, false, []string{"ready#1 at 41s by watch"},
				41 * time.Second},
			{299 * time.Second, 301 * time.Second, NotReady, 300*time.Second - ahead, false,
				[]string{"not_ready#1 at 5m1s by watch (R)"}, 301 * time.Second},
			{419 * time.Second, 421 * time.Second, Ready, 420*time.Second - ahead, false,
				[]string{"recovered#1 at 7m1s by watch"}, 421 * time.Second},
		}},
		{"behind by less than it took to look", []look{
			{10 * time.Second, 41 * time.Second, Ready, 35 * time.Second, false, []string{"ready#1 at 35s by object"},
				35 * time.Second},
			{299 * time.Second, 301 * time.Second, NotReady, 295 * time.Second, false,
				[]string{"not_ready#1 at 5m1s by watch (R)"}, 301 * time.Second},
		}},
		{"ahead, and a flap after it was put right that nobody watched", []look{
			{39 * time.Second, 41 * time.Second, Ready, ahead + 40*time.Second, false, []string{"ready#1 at 41s by watch"},
				41 * time.Second},
			{4 * time.Minute, 10 * time.Minute, Ready, 420 * time.Second, true,
				[]string{"not_ready#1 at 7m0s by none not before 4m0s", "recovered#1 at 7m0s by object"}, 420 * time.Second},
		}},
		{"ahead all the time, and a flap that nobody watched", []look{
			{39 * time.Second, 41 * time.Second, Ready, ahead + 40*time.Second, false, []string{"ready#1 at 41s by watch"},
				41 * time.Second},
			{4 * time.Minute, 10 * time.Minute, Ready, ahead + 420*time.Second, true,
				[]string{"not_ready#1 at 10m0s by none not before 4m0s", "recovered#1 at 10m0s by watch"}, 600 * time.Second},
		}},
		{"ahead, and a gap without a flap when the time has come", []look{
			{39 * time.Second, 41 * time.Second, Ready, ahead + 40*time.Second, false, []string{"ready#1 at 41s by watch"},
				41 * time.Second},
			{ahead, ahead + time.Minute, Ready, ahead + 40*time.Second, true, nil, 41 * time.Second},
		}},
		{"ahead, and went in a gap", []look{
			{39 * time.Second, 41 * time.Second, Ready, ahead + 40*time.Second, false, []string{"ready#1 at 41s by watch"},
				41 * time.Second},
			{4 * time.Minute, 10 * time.Minute, ReadyUnknown, 420 * time.Second, true,
				[]string{"not_ready#1 at 7m0s by object (R)"}, 420 * time.Second},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := sample()
			n.Ready = Condition{Status: NotReady, Since: born}
			known := First(n, born).Known
			for i, l := range tt.looks {
				n.Ready = Condition{Status: l.status, Reason: "R", Since: born.Add(l.stamp)}
				// Something else changes too: what was accepted of the time stays.
				for _, kubelet := range []string{n.KubeletVersion, n.KubeletVersion + "+"} {
					n.KubeletVersion = kubelet
					o, ok := Diff(known, n, Look{At: born.Add(l.at), After: born.Add(l.after), Missed: l.missed})
					if !ok && l.want == nil {
						continue
					}
					if got := steps(o.Changes); !slices.Equal(got, l.want) {
						t.Errorf("look %d: got %q, want %q", i+1, got, l.want)
					}
					if want := born.Add(l.since); !o.Node.Ready.Since.Equal(want) || o.Known.ReadySince != want.Unix() {
						t.Errorf("look %d: in this status since %s, %d, want %s", i+1, o.Node.Ready.Since, o.Known.ReadySince, want)
					}
					known, l.want = o.Known, nil
				}
			}
			if known.SinceMoves {
				t.Error("the time of the last transition is taken for one that moves")
			}
		})
	}
	t.Run("at the first look", func(t *testing.T) {
		for _, tt := range []struct {
			stamp time.Duration
			want  string
		}{
			{0, "ready#1 at 0s by object"}, {-time.Second, "ready#1 at -1s by object"}, {time.Hour, "ready#1 at 1h0m0s by object"},
			{time.Hour + time.Second, "ready#1 at 1h0m0s by watch"}, {-ahead, "ready#1 at 1h0m0s by watch"},
		} {
			n := sample()
			n.Ready.Since = born.Add(tt.stamp)
			o := First(n, seen)
			if got := steps(o.Changes)[1]; got != tt.want {
				t.Errorf("stamped %s after it was created: %s, want %s", tt.stamp, got, tt.want)
			}
			if o.Known.ReadyClaim != n.Ready.Since.Unix() || o.Known.ReadySince != o.Changes[1].At.Unix() ||
				!o.Node.Ready.Since.Equal(o.Changes[1].At) {
				t.Errorf("stamped %s after it was created: %+v", tt.stamp, o.Known)
			}
		}
	})
}

func TestGone(t *testing.T) {
	n := sample()
	o := Gone(n, First(n, seen).Known, seen)
	if got, want := steps(o.Changes), []string{"removed#1 at 1h0m0s by watch"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if o.Changes[0].NodeUID != "u1" || o.Changes[0].Cluster != "prod" || o.Node.Labels["a"] != "1" {
		t.Errorf("a removed node is not the node as last seen: %+v", o)
	}
}
