package platforms

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"rollcall/internal/alert"
	"rollcall/internal/answer"
	"rollcall/internal/fleet"
	"rollcall/internal/k8s"
	"rollcall/internal/ledger"
	"rollcall/internal/message"
	"rollcall/internal/pricing"
	"rollcall/internal/wave"
)

var update = flag.Bool("update", false, "rewrite the golden files and the table of docs/platforms.md")

// now is when people look; each node came three hours before, and was ready 40 s later.
var (
	now  = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	came = now.Add(-3 * time.Hour)
)

// object is a Node of testdata.
type object struct {
	name     string // its folder
	platform string // what it is, for people
	node     *corev1.Node
}

// objects reads testdata. A file begins with comments: what it is; "Source: " and where it is from, or "See: " and the
// documentation, once or more; and how much of it is from there.
func objects(t *testing.T) (all []object) {
	t.Helper()
	files, err := filepath.Glob("testdata/*/node.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		o := object{name: filepath.Base(filepath.Dir(file))}
		var sources, rest int
		for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
			comment, ok := strings.CutPrefix(lines.Text(), "# ")
			switch {
			case !ok:
			case o.platform == "":
				o.platform = comment
				continue
			case strings.HasPrefix(comment, "Source: https://"), strings.HasPrefix(comment, "See: https://"):
				sources++
				continue
			default:
				rest++
				continue
			}
			break
		}
		if o.platform == "" || sources == 0 || rest == 0 {
			t.Errorf("%s: its comments do not say what it is, where it is from and what of it is from there", file)
		}
		decoded, _, err := scheme.Codecs.UniversalDeserializer().Decode(data, nil, nil)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		node, ok := decoded.(*corev1.Node)
		if !ok {
			t.Fatalf("%s is a %T", file, decoded)
		}
		if node.Name == "" || len(node.Status.Capacity) == 0 || node.Status.NodeInfo.KubeletVersion == "" {
			t.Errorf("%s has no name, no capacity or no kubelet", file)
		}
		if len(node.ManagedFields) > 0 || len(node.Status.Images) > 0 {
			t.Errorf("%s has managed fields or images: nobody reads them here", file)
		}
		node.UID = types.UID(o.name)
		node.ResourceVersion = "1"
		node.CreationTimestamp = metav1.NewTime(came)
		for i := range node.Status.Conditions {
			c := &node.Status.Conditions[i]
			c.LastHeartbeatTime, c.LastTransitionTime = metav1.NewTime(now), metav1.NewTime(came.Add(40*time.Second))
		}
		o.node = node
		all = append(all, o)
	}
	if len(all) < 45 {
		t.Errorf("only %d nodes", len(all))
	}
	return all
}

// serve is an API server with one cluster for each object, at /NAME.
func serve(w http.ResponseWriter, r *http.Request, all []object) {
	cluster, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	i := slices.IndexFunc(all, func(o object) bool { return o.name == cluster })
	w.Header().Set("Content-Type", "application/json")
	var answer any
	switch meta := (metav1.ListMeta{ResourceVersion: "1"}); {
	case i >= 0 && r.URL.Query().Get("watch") != "":
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	case i >= 0 && path == "api/v1/namespaces/kube-system":
		answer = corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
			ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: types.UID(cluster)}}
	case i >= 0 && path == "api/v1/nodes":
		answer = corev1.NodeList{TypeMeta: metav1.TypeMeta{Kind: "NodeList", APIVersion: "v1"}, ListMeta: meta,
			Items: []corev1.Node{*all[i].node}}
	case i >= 0 && path == "apis/events.k8s.io/v1/events":
		answer = eventsv1.EventList{TypeMeta: metav1.TypeMeta{Kind: "EventList", APIVersion: "events.k8s.io/v1"},
			ListMeta: meta}
	default:
		w.WriteHeader(http.StatusNotFound)
		answer = metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
			Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: "not found"}
	}
	json.NewEncoder(w).Encode(answer)
}

// store is a ledger that tells when the first list is recorded.
type store struct {
	*ledger.Ledger
	listed func()
}

func (s store) FinishBaseline(ctx context.Context, b fleet.Batch, keep func(uid string) bool) error {
	defer s.listed()
	return s.Ledger.FinishBaseline(ctx, b, keep)
}

// watch lets the watch read a cluster's nodes into the ledger.
func watch(t *testing.T, l *ledger.Ledger, url, cluster string) {
	t.Helper()
	client, err := k8s.NewClient(&rest.Config{Host: url + "/" + cluster, BearerToken: "t"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(chan struct{})
	w := k8s.New(k8s.Config{Cluster: cluster, Client: client, Store: store{l, sync.OnceFunc(func() { close(listed) })}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	defer cancel()
	select {
	case <-listed:
	case err := <-done:
		t.Fatalf("%s: the watch ended before it had read the nodes: %v", cluster, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatalf("%s: %v", cluster, err)
	}
}

// TestPlatforms holds what people see of each node: the card of its alert, what /nodes NAME says of it and its price,
// and the group that /nodes puts it in. All of docs/platforms.md's table is from the same run.
func TestPlatforms(t *testing.T) {
	all := objects(t)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, all) }))
	defer api.Close()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	price := pricing.New(0, pricing.Overrides{}, now).Price
	var rows []string
	for _, o := range all {
		watch(t, l, api.URL, o.name)
		n, ok, err := l.Node(t.Context(), o.name, o.name)
		if err != nil || !ok {
			t.Fatalf("%s is not in the ledger: %v", o.name, err)
		}
		golden(t, filepath.Join("testdata", o.name, "golden.txt"),
			card(n.Node, price)+ask(t, l, price, o.name, "/nodes "+n.Name, 0)+ask(t, l, price, o.name, "/nodes", 1))
		rows = append(rows, row(o, n.Node, price))
	}
	document(t, rows)
}

// card is a node as the message shows it that tells of its coming.
func card(n fleet.Node, price fleet.Pricer) string {
	steps := []fleet.Change{
		{ID: 1, Cluster: n.Cluster, NodeUID: n.UID, NodeName: n.Name, Kind: fleet.Joined, Occurrence: 1, At: came,
			Proof: fleet.ProofObject},
		{ID: 2, Cluster: n.Cluster, NodeUID: n.UID, NodeName: n.Name, Kind: fleet.BecameReady, Occurrence: 1,
			At: came.Add(40 * time.Second), Proof: fleet.ProofObject},
	}
	if n.Ready.Status != fleet.Ready {
		steps = steps[:1]
	}
	w := wave.Wave{Cluster: n.Cluster, Kind: wave.KindJoined, OpenedAt: came,
		Members: []wave.Member{{Node: n, Steps: steps}}}
	m := alert.Render(w, fleet.Totals{Nodes: 1}, nil, alert.Config{Price: price}.WithDefaults())
	m.Parts = slices.DeleteFunc(m.Parts, func(p message.Part) bool { return len(p.Footer) > 0 })
	return fmt.Sprintf("notification: %s\n\n%s", m.Text, m.Plain())
}

// ask is a part of the answer to a command.
func ask(t *testing.T, l *ledger.Ledger, price fleet.Pricer, cluster, line string, part int) string {
	t.Helper()
	a := answer.New(answer.Config{Cluster: cluster, Store: l, Log: slog.New(slog.DiscardHandler),
		Watch: func(string) string { return "" }, Summaries: answer.Summaries{Store: l, Price: price}})
	m := a.To(t.Context(), line, now)
	if len(m.Parts) <= part {
		t.Fatalf("%s: %s", line, m)
	}
	m.Parts = m.Parts[part : part+1]
	return fmt.Sprintf("\n%s\n%s", line, m.Plain())
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run go test -update to write it)", err)
	}
	if d := diff.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// row is a node's line in the document's table.
func row(o object, n fleet.Node, price fleet.Pricer) string {
	p := price(n.Machine())
	cost := p.Billed
	if p.Known {
		cost = message.Hourly(p.Hourly())
	}
	if p.Source != "" {
		cost = strings.TrimSpace(cost + " (" + p.Source + ")")
	}
	cells := []string{o.platform}
	for _, value := range []string{n.InstanceType, n.CapacityType, n.Zone, n.Pool, n.Arch, cost, believed(n)} {
		cells = append(cells, cmp.Or(value, "–"))
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// believed lists what the type, the capacity type, the zone and the pool of a node are from: the labels without which,
// or with another value of which, they would be other ones; where several say the same, each that says it alone.
func believed(n fleet.Node) string {
	var from []string
	for _, of := range []func(fleet.Node) string{
		func(n fleet.Node) string { return n.InstanceType }, func(n fleet.Node) string { return n.CapacityType },
		func(n fleet.Node) string { return n.Zone }, func(n fleet.Node) string { return n.Pool },
	} {
		if of(n) == "" {
			continue
		}
		with := func(change func(*fleet.Node)) string {
			other := n
			other.Labels = maps.Clone(n.Labels)
			change(&other)
			fleet.Describe(&other)
			return of(other)
		}
		var needed, enough []string
		for key, value := range n.Labels {
			quoted := "`" + key + "`"
			if with(func(n *fleet.Node) { n.Labels[key] = value + "-x" }) != of(n) ||
				with(func(n *fleet.Node) { delete(n.Labels, key) }) != of(n) {
				needed = append(needed, quoted)
			}
			alone := func(n *fleet.Node) { *n = fleet.Node{Name: n.Name, Labels: map[string]string{key: value}} }
			if with(alone) == of(n) {
				enough = append(enough, quoted)
			}
		}
		for what, change := range map[string]func(*fleet.Node){
			"its provider ID": func(n *fleet.Node) { n.ProviderID = "" },
			"its taint":       func(n *fleet.Node) { n.Taints = nil },
			"its Machine":     func(n *fleet.Node) { n.Owner = fleet.ObjectRef{} },
		} {
			if with(change) == "" {
				needed = append(needed, what)
			}
		}
		if len(needed) == 0 {
			needed = enough
		}
		from = append(from, needed...)
	}
	slices.Sort(from)
	return strings.Join(slices.Compact(from), ", ")
}

const documented = "../../docs/platforms.md"

// document holds the document's table.
func document(t *testing.T, rows []string) {
	t.Helper()
	data, err := os.ReadFile(documented)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), "<!-- nodes -->\n")
	inside, after, ok2 := strings.Cut(rest, "<!-- /nodes -->")
	if !ok || !ok2 {
		t.Fatalf("%s has no markers <!-- nodes --> and <!-- /nodes -->", documented)
	}
	got := "| node | type | capacity type | zone | pool | arch | price | believed |\n" +
		"|---|---|---|---|---|---|---|---|\n" + strings.Join(rows, "")
	if *update {
		inside = got
		text := before + "<!-- nodes -->\n" + got + "<!-- /nodes -->" + after
		if err := os.WriteFile(documented, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := diff.Diff(inside, got); d != "" {
		t.Errorf("%s is not current; run go test ./test/platforms -update (-want +got):\n%s", documented, d)
	}
}
