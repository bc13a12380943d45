package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"

	"rollcall/internal/fleet"
	"rollcall/internal/ledger/ledgertest"
	"rollcall/test/cluster"
)

// protobuf is how the recorded API server writes everything, as a real one does when asked.
var protobuf = func() runtime.SerializerInfo {
	info, ok := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	if !ok {
		panic("no protobuf")
	}
	return info
}()

func encode(gv schema.GroupVersion, o runtime.Object) ([]byte, error) {
	return runtime.Encode(scheme.Codecs.EncoderForVersion(protobuf.Serializer, gv), o)
}

// recorded is an API server that plays: pages and watch frames over HTTP/2 and TLS, as a real one
// sends them, of as many nodes and events as a test wants. It keeps no node: the i-th one is made
// from a few that test/cluster makes, when it is asked for. So it costs little memory and CPU
// beside the program that is measured.
type recorded struct {
	nodes      int
	templates  []*corev1.Node
	kubeconfig string
	version    atomic.Int64
	beats      atomic.Int64 // heartbeats a second now
	beaten     atomic.Int64 // heartbeats sent to the bot
	play       atomic.Pointer[playing]
}

// playing is events under way.
type playing struct {
	perSecond int // 0: as fast as they are read
	until     time.Time
	most      int
	sent      atomic.Int64
	done      chan struct{}
}

func record(b *testing.B, nodes int) *recorded {
	b.Helper()
	r := &recorded{nodes: nodes}
	r.version.Store(1000)
	for _, t := range []string{"m6i.2xlarge", "c6i.4xlarge", "r6g.xlarge", "m7g.large"} {
		for _, zone := range []string{"eu-central-1a", "eu-central-1b", "eu-central-1c"} {
			opts := []cluster.NodeOption{cluster.Ready(), cluster.InstanceType(t), cluster.Zone(zone)}
			if len(r.templates)%2 == 1 {
				opts = append(opts, cluster.Spot(), cluster.Pool("spot"))
			}
			n := cluster.NewNode("", opts...)
			n.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour).Truncate(time.Second))
			r.templates = append(r.templates, n)
		}
	}
	server := httptest.NewUnstartedServer(r)
	server.EnableHTTP2 = true
	server.StartTLS()
	b.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	authority := base64.StdEncoding.EncodeToString(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	r.kubeconfig = filepath.Join(b.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: recorded,
clusters: [{name: recorded, cluster: {server: %q, certificate-authority-data: %s}}],
users: [{name: recorded, user: {token: recorded}}],
contexts: [{name: recorded, context: {cluster: recorded, user: recorded}}]}
`, server.URL, authority)
	if err := os.WriteFile(r.kubeconfig, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return r
}

// node makes the i-th node: what differs from node to node is its own, the rest is shared.
func (r *recorded) node(i int) corev1.Node {
	t := r.templates[i%len(r.templates)]
	n := *t
	n.ObjectMeta = *t.ObjectMeta.DeepCopy()
	n.Name = fmt.Sprintf("ip-10-%d-%d-%d.eu-central-1.compute.internal", i>>16&255, i>>8&255, i&255)
	n.UID = types.UID(ledgertest.UUID(i, 7))
	n.Labels["kubernetes.io/hostname"] = n.Name
	n.ResourceVersion = strconv.Itoa(i + 1)
	n.Spec.ProviderID = fmt.Sprintf("aws:///%s/i-0%016x", n.Labels["topology.kubernetes.io/zone"], i)
	n.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)},
		{Type: corev1.NodeHostName, Address: n.Name}, {Type: corev1.NodeInternalDNS, Address: n.Name},
	}
	return n
}

func (r *recorded) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	query := q.URL.Query()
	watching := query.Get("watch") == "true" || query.Get("watch") == "1"
	switch q.URL.Path {
	case "/api/v1/nodes":
		if watching {
			r.watch(w, q, func(f *frames) error { return r.heartbeats(q, f) })
			return
		}
		r.list(w, query.Get("limit"), query.Get("continue"))
	case "/apis/events.k8s.io/v1/events":
		if watching {
			r.watch(w, q, func(f *frames) error { return r.events(q.Context(), f) })
			return
		}
		r.send(w, eventsv1.SchemeGroupVersion,
			&eventsv1.EventList{ListMeta: metav1.ListMeta{ResourceVersion: fmt.Sprint(r.version.Load())}})
	default:
		http.NotFound(w, q)
	}
}

func (r *recorded) list(w http.ResponseWriter, limit, from string) {
	size, _ := strconv.Atoi(limit)
	start, _ := strconv.Atoi(from)
	end := r.nodes
	l := &corev1.NodeList{ListMeta: metav1.ListMeta{ResourceVersion: fmt.Sprint(r.version.Load())}}
	if size > 0 && start+size < r.nodes {
		end = start + size
		l.Continue = strconv.Itoa(end)
	}
	for i := start; i < end; i++ {
		l.Items = append(l.Items, r.node(i))
	}
	r.send(w, corev1.SchemeGroupVersion, l)
}

func (r *recorded) send(w http.ResponseWriter, gv schema.GroupVersion, o runtime.Object) {
	data, err := encode(gv, o)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
	_, _ = w.Write(data) // a client that has gone asks for nothing more
}

// watch begins a watch and hands its stream to play until the client leaves.
func (r *recorded) watch(w http.ResponseWriter, q *http.Request, play func(*frames) error) {
	w.Header().Set("Content-Type", runtime.ContentTypeProtobuf+";stream=watch")
	w.WriteHeader(http.StatusOK)
	buffered := bufio.NewWriterSize(w, 64<<10)
	f := &frames{buffer: buffered, control: http.NewResponseController(w)}
	if f.flush() != nil {
		return
	}
	seconds, _ := strconv.Atoi(q.URL.Query().Get("timeoutSeconds"))
	end := time.After(time.Duration(max(seconds, 60)) * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-q.Context().Done():
			return
		case <-end:
			return
		case <-tick.C:
			if play(f) != nil {
				return
			}
		}
	}
}

// frames writes the frames of a watch.
type frames struct {
	buffer  *bufio.Writer
	control *http.ResponseController
	owed    float64 // frames that are due by the pace and not sent
	at      int
	last    time.Time
}

func (f *frames) send(kind watch.EventType, gv schema.GroupVersion, o runtime.Object) error {
	data, err := encode(gv, o)
	if err != nil {
		return err
	}
	var frame bytes.Buffer
	e := &metav1.WatchEvent{Type: string(kind), Object: runtime.RawExtension{Raw: data}}
	if err := protobuf.StreamSerializer.Serializer.Encode(e, &frame); err != nil {
		return err
	}
	_, err = protobuf.StreamSerializer.Framer.NewFrameWriter(f.buffer).Write(frame.Bytes())
	return err
}

func (f *frames) flush() error {
	if err := f.buffer.Flush(); err != nil {
		return err
	}
	return f.control.Flush()
}

// due is how many frames the pace has made due since the last call.
func (f *frames) due(perSecond int, now time.Time) int {
	if f.last.IsZero() || perSecond == 0 {
		f.last, f.owed = now, 0
	}
	f.owed += now.Sub(f.last).Seconds() * float64(perSecond)
	f.last = now
	n := int(f.owed)
	f.owed -= float64(n)
	return n
}

// heartbeats renews the heartbeat times of the nodes in turn.
func (r *recorded) heartbeats(q *http.Request, f *frames) error {
	now := time.Now()
	n := f.due(int(r.beats.Load()), now)
	if n == 0 {
		return nil
	}
	for range n {
		node := r.node(f.at % r.nodes)
		f.at++
		node.ResourceVersion = strconv.FormatInt(r.version.Add(1), 10)
		node.Status.Conditions = append([]corev1.NodeCondition(nil), node.Status.Conditions...)
		for i := range node.Status.Conditions {
			node.Status.Conditions[i].LastHeartbeatTime = metav1.NewTime(now)
		}
		if err := f.send(watch.Modified, corev1.SchemeGroupVersion, &node); err != nil {
			return err
		}
	}
	if strings.HasPrefix(q.UserAgent(), "rollcall/") {
		r.beaten.Add(int64(n))
	}
	return f.flush()
}

// events plays events at their pace, or as fast as the client reads.
func (r *recorded) events(ctx context.Context, f *frames) error {
	p := r.play.Load()
	if p == nil {
		f.due(0, time.Now())
		return nil
	}
	for ctx.Err() == nil {
		now := time.Now()
		left := p.most - int(p.sent.Load())
		if now.After(p.until) || left <= 0 {
			r.play.Store(nil)
			close(p.done)
			return nil
		}
		n := 50
		if p.perSecond > 0 {
			n = f.due(p.perSecond, now)
		}
		for range min(n, left) {
			i := int(p.sent.Load())
			e := realEvent(i, time.Now())
			e.UID = types.UID(ledgertest.UUID(i, 98))
			e.ResourceVersion = strconv.FormatInt(r.version.Add(1), 10)
			e.CreationTimestamp = metav1.Now()
			if err := f.send(watch.Added, eventsv1.SchemeGroupVersion, e); err != nil {
				return err
			}
			p.sent.Add(1)
		}
		if err := f.flush(); err != nil || p.perSecond > 0 {
			return err
		}
	}
	return ctx.Err()
}

// play begins to play events for d, at most so many.
func (r *recorded) begin(perSecond, most int, d time.Duration) *playing {
	p := &playing{perSecond: perSecond, most: most, until: time.Now().Add(d), done: make(chan struct{})}
	r.play.Store(p)
	return p
}

// busy is the cluster whose events realEvent makes.
var busy = ledgertest.Size{Nodes: 5000, Live: 5000, Span: 24 * time.Hour}

// realEvent is the i-th event of a busy cluster, in the new recorder's form: of pods, replica
// sets, deployments, autoscalers and nodes, with notes as long as they are. All are in the
// namespace default, because a real API server takes none in a namespace that is not there.
func realEvent(i int, now time.Time) *eventsv1.Event {
	size := busy
	size.End = now
	var f fleet.Event = ledgertest.Event(i, now, size)
	regarding := corev1.ObjectReference{Kind: f.Regarding.Kind, Name: f.Regarding.Name, UID: types.UID(f.Regarding.UID),
		APIVersion: "v1"}
	if f.Regarding.Namespace != "" {
		regarding.Namespace = metav1.NamespaceDefault
	}
	e := cluster.InNewForm(cluster.NewEvent(f.Controller, regarding, f.Type, f.Reason, f.Note))
	e.EventTime = metav1.NewMicroTime(now)
	if f.Count > 1 {
		e.Series = &eventsv1.EventSeries{Count: int32(f.Count), LastObservedTime: metav1.NewMicroTime(now)}
	}
	return e
}
