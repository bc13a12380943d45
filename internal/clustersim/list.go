package clustersim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
)

// nodeFields and eventFields are the field selectors that a real API server supports.
var nodeFields = map[string]func(object) string{
	"metadata.name":      func(o object) string { return o.GetName() },
	"spec.unschedulable": func(o object) string { return strconv.FormatBool(o.(*corev1.Node).Spec.Unschedulable) },
}

var eventFields = map[string]func(object) string{
	"metadata.name":             func(o object) string { return o.GetName() },
	"metadata.namespace":        func(o object) string { return o.GetNamespace() },
	"regarding.kind":            func(o object) string { return o.(*eventsv1.Event).Regarding.Kind },
	"regarding.namespace":       func(o object) string { return o.(*eventsv1.Event).Regarding.Namespace },
	"regarding.name":            func(o object) string { return o.(*eventsv1.Event).Regarding.Name },
	"regarding.uid":             func(o object) string { return string(o.(*eventsv1.Event).Regarding.UID) },
	"regarding.apiVersion":      func(o object) string { return o.(*eventsv1.Event).Regarding.APIVersion },
	"regarding.resourceVersion": func(o object) string { return o.(*eventsv1.Event).Regarding.ResourceVersion },
	"reason":                    func(o object) string { return o.(*eventsv1.Event).Reason },
	"reportingController":       func(o object) string { return o.(*eventsv1.Event).ReportingController },
	"type":                      func(o object) string { return o.(*eventsv1.Event).Type },
}

// selector returns what a field selector takes.
func (res *endpoint) selector(text string) (takes func(object) bool, err error) {
	if text == "" {
		return func(object) bool { return true }, nil
	}
	sel, err := fields.ParseSelector(text)
	if err != nil {
		return nil, err
	}
	wanted := sel.Requirements()
	for _, r := range wanted {
		if res.fields[r.Field] == nil {
			return nil, fmt.Errorf("field label not supported: %s", r.Field)
		}
	}
	return func(o object) bool {
		set := fields.Set{}
		for _, r := range wanted {
			set[r.Field] = res.fields[r.Field](o)
		}
		return sel.Matches(set)
	}, nil
}

// token is what a continue token says: go on with that list, from there.
type token struct {
	Version uint64 `json:"rv"`
	Start   int    `json:"start"`
}

const continueExpired = "The provided continue parameter is too old to display a consistent list result. " +
	"You can start a new list without the continue parameter."

// list answers one page of a list. All pages that its token leads to show the same version.
func (c *Cluster) list(q url.Values, res *endpoint, takes func(object) bool) (runtime.Object, *apierrors.StatusError) {
	limit, err := count(q.Get("limit"))
	if err != nil {
		return nil, apierrors.NewBadRequest("invalid limit: " + err.Error())
	}
	asked := res.name + " " + q.Get("fieldSelector")
	var (
		sn *snapshot
		at token
	)
	if text := q.Get("continue"); text != "" {
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || json.Unmarshal(raw, &at) != nil || at.Start < 0 {
			return nil, apierrors.NewBadRequest("continue key is not valid")
		}
		if sn = c.store.held(at.Version, asked); sn == nil || at.Start > len(sn.objects) {
			return nil, apierrors.NewResourceExpired(continueExpired)
		}
	} else {
		if err := c.fresh(q); err != nil {
			return nil, err
		}
		sn = c.store.list(res.table, asked, takes, time.Now())
	}
	page := sn.objects[at.Start:]
	meta := metav1.ListMeta{ResourceVersion: strconv.FormatUint(sn.version, 10)}
	if limit > 0 && len(page) > limit {
		page = page[:limit]
		c.store.hold(sn)
		next, _ := json.Marshal(token{sn.version, at.Start + limit}) // two numbers always marshal
		meta.Continue = base64.RawURLEncoding.EncodeToString(next)
		if q.Get("fieldSelector") == "" {
			left := int64(len(sn.objects) - at.Start - limit)
			meta.RemainingItemCount = &left
		}
	}
	return listOf(res, page, meta), nil
}

// fresh checks the version that a list asks for: the latest state serves any that has been.
func (c *Cluster) fresh(q url.Values) *apierrors.StatusError {
	version, err := parseVersion(q.Get("resourceVersion"))
	if err != nil {
		return err
	}
	now := c.store.current()
	switch {
	case version > now:
		return tooLarge(version, now)
	case version != 0 && version < now && q.Get("resourceVersionMatch") == string(metav1.ResourceVersionMatchExact):
		return apierrors.NewResourceExpired("The resourceVersion for the provided list is too old.")
	}
	return nil
}

func parseVersion(text string) (uint64, *apierrors.StatusError) {
	if text == "" {
		return 0, nil
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, apierrors.NewBadRequest("invalid resource version: " + err.Error())
	}
	return v, nil
}

// tooLarge is the error for a version that the server has not got to.
func tooLarge(asked, current uint64) *apierrors.StatusError {
	err := apierrors.NewTimeoutError(fmt.Sprintf("Too large resource version: %d, current: %d", asked, current), 1)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{
		{Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version"},
	}
	return err
}

// count parses a number of a query that is not negative; "" is 0.
func count(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err
}

// listOf makes a list. In lists the items have no kind of their own.
func listOf(res *endpoint, page []object, meta metav1.ListMeta) runtime.Object {
	if res.name == "nodes" {
		l := &corev1.NodeList{ListMeta: meta, Items: make([]corev1.Node, len(page))}
		l.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NodeList"))
		for i, o := range page {
			l.Items[i] = *o.(*corev1.Node)
			l.Items[i].TypeMeta = metav1.TypeMeta{}
		}
		return l
	}
	l := &eventsv1.EventList{ListMeta: meta, Items: make([]eventsv1.Event, len(page))}
	l.SetGroupVersionKind(eventsv1.SchemeGroupVersion.WithKind("EventList"))
	for i, o := range page {
		l.Items[i] = *o.(*eventsv1.Event)
		l.Items[i].TypeMeta = metav1.TypeMeta{}
	}
	return l
}
