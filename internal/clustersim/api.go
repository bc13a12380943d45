package clustersim

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	authv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/version"
)

// kubernetesVersion is what the simulated cluster says it runs.
const kubernetesVersion = "v1.36.3-eks-3025e55"

// maxBody bounds what is read of a request.
const maxBody = 64 << 10

// The scheme has only what the simulated API serves.
var (
	scheme = runtime.NewScheme()
	codecs = serializer.NewCodecFactory(scheme)
	// encodings by media type.
	encodings = map[string]runtime.SerializerInfo{}
)

func init() {
	scheme.AddKnownTypes(corev1.SchemeGroupVersion, &corev1.Node{}, &corev1.NodeList{}, &corev1.Namespace{})
	scheme.AddKnownTypes(eventsv1.SchemeGroupVersion, &eventsv1.Event{}, &eventsv1.EventList{})
	scheme.AddKnownTypes(authv1.SchemeGroupVersion, &authv1.SelfSubjectAccessReview{})
	for _, gv := range []schema.GroupVersion{corev1.SchemeGroupVersion, eventsv1.SchemeGroupVersion,
		authv1.SchemeGroupVersion} {
		metav1.AddToGroupVersion(scheme, gv)
	}
	for _, media := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
		info, ok := runtime.SerializerInfoForMediaType(codecs.SupportedMediaTypes(), media)
		if !ok || info.StreamSerializer == nil {
			panic("no serializer for " + media)
		}
		encodings[media] = info
	}
}

// endpoint is a kind of object that the API serves.
type endpoint struct {
	name, group string // as in URLs and rules
	table       *table
	fields      map[string]func(object) string // what a field selector may name
	bookmarks   time.Duration                  // how far apart they are; 0: not cached, so there are none
}

// ServeHTTP is the API server.
func (c *Cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	down, cut := c.outage.look(time.Now())
	if down {
		reset(w)
		return
	}
	e := negotiate(r.Header)
	public := r.URL.Path == "/version" || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || r.URL.Path == "/livez"
	if anonymous := r.Header.Get("Authorization") == ""; !(anonymous && public) && !c.authorized(r) {
		e.fail(w, apierrors.NewUnauthorized("Unauthorized"))
		return
	}
	switch path := strings.TrimSuffix(r.URL.Path, "/"); {
	case path == "/version":
		writeVersion(w)
	case public:
		fmt.Fprint(w, "ok")
	case path == "/api/v1/nodes":
		c.serveResource(w, r, e, &c.nodeResource, cut)
	case path == "/api/v1/namespaces/kube-system" && r.Method == http.MethodGet:
		e.write(w, http.StatusOK, &corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"},
			ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: c.identity()}})
	case path == "/apis/events.k8s.io/v1/events":
		c.serveResource(w, r, e, &c.eventResource, cut)
	case path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" && r.Method == http.MethodPost:
		review(w, r, e)
	default:
		e.fail(w, apierrors.NewGenericServerResponse(http.StatusNotFound, r.Method, schema.GroupResource{}, "", "", 0, true))
	}
}

// identity is the UID of the namespace kube-system. It is the same at every start, because to a ledger that is kept the
// simulated cluster is the same one.
func (c *Cluster) identity() types.UID {
	h := sha256.Sum256([]byte(c.config.Name))
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16]))
}

// authorized reports whether a request has the token: as a bearer's, or as the password to which
// Kubeconfig turns it for a URL without TLS.
func (c *Cluster) authorized(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		_, token, ok = r.BasicAuth()
	}
	return ok && subtle.ConstantTimeCompare([]byte(token), []byte(c.config.Token)) == 1
}

func writeVersion(w http.ResponseWriter) {
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	json.NewEncoder(w).Encode(version.Info{Major: "1", Minor: "36", GitVersion: kubernetesVersion,
		Platform: "linux/amd64"})
}

func (c *Cluster) serveResource(w http.ResponseWriter, r *http.Request, e encoding, res *endpoint,
	cut <-chan struct{}) {
	if r.Method != http.MethodGet {
		e.fail(w, apierrors.NewForbidden(schema.GroupResource{Group: res.group, Resource: res.name}, "",
			fmt.Errorf("this token may only get, list and watch nodes and events.events.k8s.io")))
		return
	}
	q := r.URL.Query()
	if q.Get("labelSelector") != "" {
		e.fail(w, apierrors.NewBadRequest("the simulated cluster has no label selectors"))
		return
	}
	takes, err := res.selector(q.Get("fieldSelector"))
	if err != nil {
		e.fail(w, apierrors.NewBadRequest(err.Error()))
		return
	}
	if watching, _ := strconv.ParseBool(q.Get("watch")); watching {
		c.watch(w, r, e, res, takes, cut)
		return
	}
	o, failure := c.list(q, res, takes)
	if failure != nil {
		e.fail(w, failure)
		return
	}
	e.write(w, http.StatusOK, o)
}

// review says whether the token's owner may do what the request asks about.
func review(w http.ResponseWriter, r *http.Request, e encoding) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		e.fail(w, apierrors.NewRequestEntityTooLargeError(err.Error()))
		return
	}
	o, _, err := codecs.UniversalDeserializer().Decode(body, nil, nil)
	rev, ok := o.(*authv1.SelfSubjectAccessReview)
	if err != nil || !ok {
		e.fail(w, apierrors.NewBadRequest("the body is no SelfSubjectAccessReview"))
		return
	}
	if a := rev.Spec.ResourceAttributes; a != nil && a.Subresource == "" {
		reads := a.Verb == "get" || a.Verb == "list" || a.Verb == "watch"
		known := a.Group == "" && a.Resource == "nodes" || a.Group == eventsv1.GroupName && a.Resource == "events"
		rev.Status.Allowed = reads && known ||
			a.Verb == "get" && a.Group == "" && a.Resource == "namespaces" && a.Name == "kube-system"
	}
	rev.SetGroupVersionKind(authv1.SchemeGroupVersion.WithKind("SelfSubjectAccessReview"))
	e.write(w, http.StatusCreated, rev)
}

// encoding is how one client wants its answers.
type encoding struct {
	media string
	info  runtime.SerializerInfo
}

// negotiate takes the first media type of the Accept header that there is; JSON is what a client
// gets that names none.
func negotiate(h http.Header) encoding {
	for _, accept := range h.Values("Accept") {
		for a := range strings.SplitSeq(accept, ",") {
			media, _, _ := strings.Cut(a, ";")
			media = strings.TrimSpace(media)
			if media == "*/*" || media == "application/*" {
				media = runtime.ContentTypeJSON
			}
			if info, ok := encodings[media]; ok {
				return encoding{media, info}
			}
		}
	}
	return encoding{runtime.ContentTypeJSON, encodings[runtime.ContentTypeJSON]}
}

func (e encoding) fail(w http.ResponseWriter, err *apierrors.StatusError) {
	e.write(w, int(err.ErrStatus.Code), statusOf(err))
}

func (e encoding) write(w http.ResponseWriter, code int, o runtime.Object) {
	var body bytes.Buffer
	if err := e.info.Serializer.Encode(o, &body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", e.media)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(code)
	w.Write(body.Bytes())
}

func statusOf(err *apierrors.StatusError) *metav1.Status {
	s := err.Status()
	s.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Status"})
	return &s
}
