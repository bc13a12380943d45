package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall/internal/fleet"
	"rollcall/test/cluster"
)

// driftedClaim is a NodeClaim as Karpenter 1.14 leaves it, in the middle of its end. What differs is at %s.
const driftedClaim = `{"apiVersion":"karpenter.sh/v1","kind":"NodeClaim","metadata":{"name":"general-vgg6g",
	"uid":"0f5b3c0e-0d8e-4f0e-9b7c-0a4d1c3e7b1c","resourceVersion":"%s","generation":2,
	"creationTimestamp":"2026-11-22T12:00:00Z","deletionTimestamp":"2026-11-22T13:00:00Z","deletionGracePeriodSeconds":0,
	"annotations":{"karpenter.sh/nodepool-hash":"6419658341623003798",
		"karpenter.sh/nodeclaim-termination-timestamp":"2026-11-22T14:00:00+01:00"},
	"labels":{"karpenter.sh/nodepool":"general","karpenter.sh/capacity-type":"spot"},
	"finalizers":["karpenter.sh/termination"],
	"managedFields":[{"manager":"karpenter","operation":"Update","fieldsV1":{"f:spec":{".":{}}}}],
	"ownerReferences":[{"apiVersion":"karpenter.sh/v1","kind":"NodePool","name":"general","uid":"p1"}]},
	"spec":{"expireAfter":"336h","nodeClassRef":{"group":"karpenter.kwok.sh","kind":"KWOKNodeClass","name":"default"},
		"requirements":[{"key":"kubernetes.io/arch","operator":"In","values":["amd64"],"minValues":1}],
		"resources":{"requests":{"cpu":"4100m","pods":"7"}},"terminationGracePeriod":"1h"},
	"status":{"capacity":{"cpu":"8"},"lastPodEventTime":"%s","nodeName":"kwok-general-vgg6g-1","providerID":"kwok://x",
		"conditions":[{"type":"Ready","status":"True","reason":"Ready","message":"","lastTransitionTime":"2026-11-22T12:01:00Z"},
			{"type":"Consolidatable","status":"True","reason":"Consolidatable"},
			{"type":"Drifted","status":"True","reason":"NodePoolDrifted"},
			{"type":"DisruptionReason","status":"True","reason":"Drifted"}]}}`

// grownPool is a NodePool; its limits are a number and a text, as a person wrote them.
const grownPool = `{"apiVersion":"karpenter.sh/v1","kind":"NodePool","metadata":{"name":"general","uid":"p1",
	"resourceVersion":"%s"},"spec":{"limits":{"cpu":1000,"memory":"4000Gi"},"disruption":{"budgets":[{"nodes":"10%%"}]},
	"template":{"spec":{"expireAfter":"Never"}}},
	"status":{"resources":{"cpu":"%d","memory":"16Gi","nodes":"2","pods":"110"},"conditions":[]}}`

func decoded[O any](t *testing.T, text string) *O {
	t.Helper()
	o, _, err := codecs.UniversalDeserializer().Decode([]byte(text), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return any(o).(*O)
}

var wantClaim = fleet.Claim{Cluster: name, UID: "0f5b3c0e-0d8e-4f0e-9b7c-0a4d1c3e7b1c", Name: "general-vgg6g",
	Pool: "general", Node: "kwok-general-vgg6g-1", CreatedAt: noon, DeletedAt: noon.Add(time.Hour),
	ExpireAfter: 14 * 24 * time.Hour, Drift: "NodePoolDrifted", Disruption: "Drifted", ForcedBy: noon.Add(time.Hour)}

func TestClaim(t *testing.T) {
	got := claim(name, decoded[nodeClaim](t, fmt.Sprintf(driftedClaim, "7", "2026-11-22T12:30:00Z")))
	if diff := cmp.Diff(wantClaim, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, tt := range []struct {
		name, spec, status, annotation string
		want                           fleet.Claim
	}{
		{"new", `{}`, `{}`, "", fleet.Claim{}},
		{"never", `{"expireAfter":"Never"}`, `{}`, "", fleet.Claim{}},
		{"no duration", `{"expireAfter":"-1h"}`, `{}`, "soon", fleet.Claim{}},
		{"not drifted", `{"expireAfter":"720h0m0s"}`, `{"conditions":[{"type":"Drifted","status":"False","reason":"x"},
			{"type":"DisruptionReason","status":"Unknown","reason":"x"},{"type":"Ready","status":"True","reason":"Ready"}]}`, "",
			fleet.Claim{ExpireAfter: 720 * time.Hour}},
		{"no text", `{}`, `{"nodeName":"a\u202eb","conditions":[{"type":"Drifted","status":"True","reason":"\u0007x"}]}`, "",
			fleet.Claim{Node: "ab", Drift: " x"}},
	} {
		text := fmt.Sprintf(`{"apiVersion":"karpenter.sh/v1","kind":"NodeClaim","metadata":{"annotations":{%q:%q}},"spec":%s,
			"status":%s}`, forcedBy, tt.annotation, tt.spec, tt.status)
		if diff := cmp.Diff(tt.want, claim("", decoded[nodeClaim](t, text))); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
}

func TestPool(t *testing.T) {
	got := pool(name, decoded[nodePool](t, fmt.Sprintf(grownPool, "7", 990)))
	want := fleet.Pool{Cluster: name, Name: "general", Limits: map[string]string{"cpu": "1000", "memory": "4000Gi"},
		Used: map[string]string{"cpu": "990", "memory": "16Gi", "nodes": "2", "pods": "110"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	bare := pool(name, decoded[nodePool](t, `{"apiVersion":"karpenter.sh/v1","kind":"NodePool","metadata":{"name":"p"}}`))
	if bare.Limits != nil || bare.Used != nil {
		t.Errorf("a pool without limits: %+v", bare)
	}
	for written, want := range map[amount]string{"92500m": "92.5", "2k": "2000", "1.5Gi": "1536Mi", "lots": "lots", "": ""} {
		if got := written.String(); got != want {
			t.Errorf("%q reads %q, want %q", written, got, want)
		}
	}
	many := &nodePool{}
	many.Spec.Limits = map[string]amount{}
	for i := range 2 * maxResources {
		many.Spec.Limits[fmt.Sprintf("example.com/%d", i)] = "1"
	}
	if n := len(pool(name, many).Limits); n != maxResources {
		t.Errorf("%d limits are kept, want %d", n, maxResources)
	}
}

// claimMemory is a ClaimStore that remembers what it was given.
type claimMemory struct {
	mu     sync.Mutex
	claims []fleet.Claim
	pools  []fleet.Pool
	fail   error // returned once
}

func (m *claimMemory) RecordClaims(ctx context.Context, cluster string, claims []fleet.Claim) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.fail
	if m.fail = nil; err == nil {
		m.claims = append(m.claims, claims...)
	}
	return err
}

func (m *claimMemory) RecordPools(ctx context.Context, cluster string, pools []fleet.Pool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pools = append(m.pools, pools...)
	return nil
}

// wait waits until what was recorded are the claims of those names and drifts, and the pools with that much CPU in use.
func (m *claimMemory) wait(t *testing.T, claims, pools []string) {
	t.Helper()
	cluster.Eventually(t, 10*time.Second, func(context.Context) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		var gotClaims, gotPools []string
		for _, c := range m.claims {
			gotClaims = append(gotClaims, c.Name+" "+c.Drift)
		}
		for _, p := range m.pools {
			gotPools = append(gotPools, p.Name+" "+p.Used["cpu"])
		}
		if !slices.Equal(gotClaims, claims) || !slices.Equal(gotPools, pools) {
			return fmt.Errorf("recorded are the claims %q and the pools %q", gotClaims, gotPools)
		}
		return nil
	})
}

// records are what was logged.
type records struct {
	slog.Handler
	mu   sync.Mutex
	text []string
}

func (r *records) WithAttrs([]slog.Attr) slog.Handler { return r }
func (r *records) Handle(_ context.Context, l slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.Level >= slog.LevelInfo {
		r.text = append(r.text, l.Level.String()+" "+l.Message)
	}
	return nil
}
func (r *records) Enabled(context.Context, slog.Level) bool { return true }

func (r *records) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.text)
}

// readClaims makes a watcher read Karpenter's objects.
func readClaims(t *testing.T, f *fakeAPI, store ClaimStore, log *records, absent time.Duration) func(*Watcher) {
	return func(w *Watcher) {
		client, err := NewClient(f.config(), "test")
		if err != nil {
			t.Fatal(err)
		}
		w.timing.claims, w.timing.absent = 10*time.Millisecond, absent
		w.claims = claimReader(Config{Cluster: name, Client: client, Claims: store, NodePage: 2}, &w.timing,
			w.nodes.identity, slog.New(log))
	}
}

func fakeClaim(i int, version, drift string) *nodeClaim {
	var o nodeClaim
	text := fmt.Sprintf(`{"apiVersion":"karpenter.sh/v1","kind":"NodeClaim","metadata":{"name":"c%d","uid":"c%d",
		"resourceVersion":%q,"annotations":{"version":%q}},"status":{"conditions":[{"type":"Drifted","status":"True",
		"reason":%q}]}}`, i, i, version, version, drift)
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	return &o
}

// TestClaimsRead holds that Karpenter's objects are read: listed, watched, resumed, and recorded once for each
// difference that matters, also when it comes back to what it was.
func TestClaimsRead(t *testing.T) {
	f := newFake(t)
	raw := func(i int) any { return json.RawMessage(fmt.Sprintf(grownPool, "1", i)) }
	f.others = map[string][]any{"nodeclaims": {fakeClaim(0, "1", "A"), fakeClaim(1, "1", ""), fakeClaim(2, "1", "")},
		"nodepools": {raw(8)}}
	store, log := &claimMemory{}, &records{}
	w := start(t, f.config(), newMemory(), readClaims(t, f, store, log, time.Hour))
	f.waitWatch(t, "nodeclaims")
	f.waitWatch(t, "nodepools")
	claims, pools := []string{"c0 A", "c1 ", "c2 "}, []string{"general 8"}
	store.wait(t, claims, pools)
	f.send("nodeclaims", "MODIFIED", fakeClaim(0, "101", "A")) // nothing that matters
	for i, drift := range []string{"B", "A", "A", "B"} {
		f.send("nodeclaims", "MODIFIED", fakeClaim(0, fmt.Sprint(102+i), drift))
	}
	f.send("nodepools", "MODIFIED", raw(16))
	f.send("nodeclaims", "ADDED", fakeClaim(3, "110", ""))
	f.send("nodeclaims", "DELETED", fakeClaim(1, "111", "gone"))
	claims, pools = append(claims, "c0 B", "c0 A", "c0 B", "c3 ", "c1 gone"), append(pools, "general 16")
	store.wait(t, claims, pools)
	f.cut("nodeclaims")
	cluster.Eventually(t, 10*time.Second, func(context.Context) error {
		if got := f.requests("watch nodeclaims"); !slices.Contains(got, "watch nodeclaims from 111") {
			return fmt.Errorf("asked %q", got)
		}
		return nil
	})
	f.waitWatch(t, "nodeclaims")
	f.next("watch nodeclaims", sendError(expired))
	f.mu.Lock()
	f.others["nodeclaims"] = []any{fakeClaim(0, "200", "B"), fakeClaim(4, "200", "")}
	f.version = 200
	f.mu.Unlock()
	f.cut("nodeclaims")
	store.wait(t, append(claims, "c4 "), pools)
	f.waitWatch(t, "nodeclaims")
	w.waitSynced(t)
	for _, got := range log.got() {
		if strings.HasPrefix(got, "WARN") || strings.HasPrefix(got, "ERROR") {
			t.Errorf("logged %q", got)
		}
	}
}

// TestClaimsAbsent holds that a cluster without Karpenter, and one that does not let it be read, is told of in one
// line, and asked again, and that nodes and events are watched all the same.
func TestClaimsAbsent(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"no such API": {refuse(404, metav1.StatusReasonNotFound, "the server could not find the requested resource"),
			"INFO the cluster has no NodeClaims "},
		"forbidden": {refuse(403, metav1.StatusReasonForbidden, `User "rollcall" cannot list resource "nodeclaims"`),
			"INFO Karpenter's NodeClaims may not be read: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.others = map[string][]any{"nodeclaims": {fakeClaim(0, "1", "A")}}
			f.next("list nodeclaims", tt.answer, tt.answer, tt.answer)
			f.next("list nodepools", tt.answer) // and from then on there is no such API
			store, log := &claimMemory{}, &records{}
			w := start(t, f.config(), newMemory(), readClaims(t, f, store, log, 50*time.Millisecond))
			w.waitSynced(t)
			store.wait(t, []string{"c0 A"}, nil)
			if s := w.Status(); s.Nodes.Error != "" || s.Events.Error != "" || len(s.Nodes.Forbidden) != 0 {
				t.Errorf("the watches are not well: %+v", s)
			}
			if got := log.got(); len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
				t.Errorf("logged %q, want one line: %q", got, tt.want)
			}
			if n := len(f.requests("list nodeclaims")); n < 4 {
				t.Errorf("asked %d times, want 4 at least", n)
			}
		})
	}
}

// TestClaimsNotRecorded holds that an error of the ledger ends nothing, and that what it did not take is read again.
func TestClaimsNotRecorded(t *testing.T) {
	f := newFake(t)
	f.others = map[string][]any{"nodeclaims": {fakeClaim(0, "1", "A")}, "nodepools": {}}
	store, log := &claimMemory{fail: errors.New("disk full")}, &records{}
	w := start(t, f.config(), newMemory(), readClaims(t, f, store, log, time.Hour))
	store.wait(t, []string{"c0 A"}, nil)
	f.waitWatch(t, "nodeclaims")
	store.mu.Lock()
	store.fail = errors.New("disk full")
	store.mu.Unlock()
	f.mu.Lock()
	f.others["nodeclaims"] = []any{fakeClaim(0, "101", "B")}
	f.mu.Unlock()
	f.send("nodeclaims", "MODIFIED", fakeClaim(0, "101", "B"))
	store.wait(t, []string{"c0 A", "c0 B"}, nil)
	w.waitSynced(t)
}

// TestClaimsSessionEnds holds that what was read when a session ends is recorded, however long it would be collected.
func TestClaimsSessionEnds(t *testing.T) {
	f := newFake(t)
	f.others = map[string][]any{"nodeclaims": {}, "nodepools": {}}
	store := &claimMemory{}
	start(t, f.config(), newMemory(), readClaims(t, f, store, &records{}, time.Hour),
		func(w *Watcher) { w.timing.claims = time.Hour })
	f.waitWatch(t, "nodeclaims")
	f.send("nodeclaims", "ADDED", fakeClaim(0, "101", "A"))
	f.cut("nodeclaims")
	store.wait(t, []string{"c0 A"}, nil)
	f.waitWatch(t, "nodeclaims")
	for i := range maxBatch {
		f.send("nodeclaims", "ADDED", fakeClaim(i+1, fmt.Sprint(102+i), ""))
	}
	cluster.Eventually(t, 10*time.Second, func(context.Context) error {
		store.mu.Lock()
		defer store.mu.Unlock()
		if len(store.claims) != maxBatch+1 {
			return fmt.Errorf("%d claims are recorded, want a full batch more than one", len(store.claims))
		}
		return nil
	})
}

// TestLately holds that it forgets nothing that it must know: how an object is now.
func TestLately(t *testing.T) {
	l := newLately()
	for i, tt := range []struct {
		uid, value string
		want       bool
	}{{"a", "1", false}, {"a", "1", true}, {"a", "2", false}, {"a", "1", false}, {"a", "1", true}, {"b", "1", false}} {
		if got := l.again(tt.uid, tt.value); got != tt.want {
			t.Errorf("step %d: known as it is: %v", i, got)
		}
	}
	l.forget()
	if l.again("b", "1") {
		t.Error("nothing is forgotten")
	}
}
