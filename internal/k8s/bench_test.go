package k8s

import (
	"bytes"
	"io"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
	restwatch "k8s.io/client-go/rest/watch"

	"rollcall/internal/fleet"
	"rollcall/test/cluster"
)

// heartbeat returns a node of a real one's size and its MODIFIED frame as the API server sends it.
func heartbeat(tb testing.TB) (*corev1.Node, []byte) {
	tb.Helper()
	node := cluster.NewNode("", cluster.Ready(), cluster.Spot())
	node.UID, node.ResourceVersion, node.CreationTimestamp = "0d4a1c3e-7b1c-4f2a-9c55-4f6b8d0f7f10", "123456", metav1.Now()
	return node, frame(tb, corev1.SchemeGroupVersion, watch.Modified, node)
}

// frame is an object's watch frame as the API server sends it.
func frame(tb testing.TB, version schema.GroupVersion, kind watch.EventType, o runtime.Object) []byte {
	tb.Helper()
	info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	object, err := runtime.Encode(codecs.EncoderForVersion(info.Serializer, version), o)
	if err != nil {
		tb.Fatal(err)
	}
	var frame bytes.Buffer
	e := metav1.WatchEvent{Type: string(kind), Object: runtime.RawExtension{Raw: object}}
	if err := streaming.NewEncoder(info.StreamSerializer.Framer.NewFrameWriter(&frame),
		info.StreamSerializer.Serializer).Encode(&e); err != nil {
		tb.Fatal(err)
	}
	return frame.Bytes()
}

// endless repeats a frame.
type endless struct {
	frame []byte
	at    int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.frame[e.at:])
	e.at = (e.at + n) % len(e.frame)
	return n, nil
}

func (e *endless) Close() error { return nil }

func decoder(frame []byte) *restwatch.Decoder {
	info, _ := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), runtime.ContentTypeProtobuf)
	reader := info.StreamSerializer.Framer.NewFrameReader(io.NopCloser(&endless{frame: frame}))
	return restwatch.NewDecoder(streaming.NewDecoder(reader, info.StreamSerializer.Serializer),
		codecs.UniversalDeserializer())
}

// BenchmarkHeartbeat compares a bare watch's decoding of a heartbeat with ours, which also finds
// that it is one.
func BenchmarkHeartbeat(b *testing.B) {
	node, frame := heartbeat(b)
	b.Run("decode", func(b *testing.B) {
		d := decoder(frame)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := d.Decode(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("handle", func(b *testing.B) {
		n := nodeWatch{store: newMemory(), known: map[string]fleet.Known{}, state: &state{}}
		obs := must(n.compare(b.Context(), node, fleet.Look{At: time.Now()}))
		n.remember(obs)
		d := decoder(frame)
		b.ReportAllocs()
		for b.Loop() {
			_, o, err := d.Decode()
			if err != nil {
				b.Fatal(err)
			}
			if must(n.compare(b.Context(), o.(*corev1.Node), fleet.Look{At: time.Now()})) != nil {
				b.Fatal("a heartbeat is a change")
			}
			n.state.saw(o.(*corev1.Node).ResourceVersion, time.Now())
		}
	})
	b.Run("compare", func(b *testing.B) {
		n := nodeWatch{store: newMemory(), known: map[string]fleet.Known{}, state: &state{}}
		n.remember(must(n.compare(b.Context(), node, fleet.Look{At: time.Now()})))
		b.ReportAllocs()
		for b.Loop() {
			if must(n.compare(b.Context(), node, fleet.Look{At: time.Now()})) != nil {
				b.Fatal("a heartbeat is a change")
			}
		}
	})
}

// BenchmarkNodeChange: the frame of a node that was not there, or that became ready, to what the
// ledger is given.
func BenchmarkNodeChange(b *testing.B) {
	node, frame := heartbeat(b)
	b.Run("joined", func(b *testing.B) {
		n := nodeWatch{store: newMemory(), known: map[string]fleet.Known{}, state: &state{}}
		d := decoder(frame)
		b.ReportAllocs()
		for b.Loop() {
			_, o, err := d.Decode()
			if err != nil {
				b.Fatal(err)
			}
			if must(n.compare(b.Context(), o.(*corev1.Node), fleet.Look{At: time.Now()})) == nil {
				b.Fatal("a new node is no change")
			}
		}
	})
	b.Run("diff", func(b *testing.B) {
		n := nodeWatch{store: newMemory(), known: map[string]fleet.Known{}, state: &state{}}
		was := node.DeepCopy()
		was.Status.Conditions[3].Status = corev1.ConditionFalse
		n.remember(must(n.compare(b.Context(), was, fleet.Look{At: time.Now()})))
		b.ReportAllocs()
		for b.Loop() {
			if must(n.compare(b.Context(), node, fleet.Look{At: time.Now()})) == nil {
				b.Fatal("becoming ready is no change")
			}
		}
	})
}

// BenchmarkEvent: the frame of an event to what the ledger is given.
func BenchmarkEvent(b *testing.B) {
	e := cluster.NodeReadyEvent(cluster.NewNode(""))
	e.UID, e.ResourceVersion, e.CreationTimestamp = "0d4a1c3e-7b1c-4f2a-9c55-4f6b8d0f7f10", "123456", metav1.Now()
	d := decoder(frame(b, eventsv1.SchemeGroupVersion, watch.Added, e))
	b.ReportAllocs()
	for b.Loop() {
		_, o, err := d.Decode()
		if err != nil {
			b.Fatal(err)
		}
		if event("prod", o.(*eventsv1.Event), time.Now()).Reason != "NodeReady" {
			b.Fatal("another event came out")
		}
	}
}
