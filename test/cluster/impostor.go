package cluster

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Lie is what an impostor says.
type Lie string

// The lies.
const (
	OtherCluster Lie = "other" // it is another cluster, which has no nodes
	FreshCluster Lie = "fresh" // its data directory is empty: not even its namespaces are there yet
	EmptyList    Lie = "empty" // it is the right cluster, and all its nodes are gone
)

// Impostor starts a server that answers in the API server's place, with its certificate and whatever the token, and
// returns its address for [Proxy.Divert]. It has no nodes and no events, and its watches say nothing. identity is the
// UID of the right cluster's namespace kube-system. It ends with the test.
func (c *Cluster) Impostor(tb testing.TB, lie Lie, identity types.UID) (address string) {
	tb.Helper()
	certificate, err := tls.LoadX509KeyPair(c.identity.path("tls.crt"), c.identity.path("tls.key"))
	if err != nil {
		tb.Fatal(err)
	}
	if lie == OtherCluster {
		identity = "00000000-0000-4000-8000-000000000000"
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		const version = "999999999" // ahead of all that the API server has given
		switch path := r.URL.Path; {
		case r.URL.Query().Get("watch") != "":
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case strings.HasSuffix(path, "/namespaces/kube-system") && lie != FreshCluster:
			json.NewEncoder(w).Encode(corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
				ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: identity}})
		case strings.HasSuffix(path, "/nodes"):
			json.NewEncoder(w).Encode(corev1.NodeList{TypeMeta: metav1.TypeMeta{Kind: "NodeList", APIVersion: "v1"},
				ListMeta: metav1.ListMeta{ResourceVersion: version}})
		case strings.HasSuffix(path, "/events"):
			json.NewEncoder(w).Encode(eventsv1.EventList{
				TypeMeta: metav1.TypeMeta{Kind: "EventList", APIVersion: "events.k8s.io/v1"},
				ListMeta: metav1.ListMeta{ResourceVersion: version}})
		default:
			w.WriteHeader(http.StatusNotFound)
			json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
				Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
				Message: fmt.Sprintf("there is no %s", path)})
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that go away
	server.StartTLS()
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.Listener.Addr().String()
}
