package command

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"rollcall/internal/nearest"
)

// Object says which objects events are to regard. The zero value is any.
type Object struct {
	Kind string // as Kubernetes writes it: HorizontalPodAutoscaler
	Name string // a glob; "" is every object of the kind
}

// IsZero reports whether any object will do.
func (o Object) IsZero() bool { return o == Object{} }

// String is the object as ParseObject reads it: node/ip-10-0-0-1, pod/*, Widget/a; "" for any.
func (o Object) String() string {
	if o.Kind == "" {
		return ""
	}
	kind, name := o.Kind, o.Name
	if i := slices.IndexFunc(kinds, func(k resource) bool { return k.kind == o.Kind }); i >= 0 {
		kind = kinds[i].names[0]
	}
	if name == "" {
		name = "*"
	}
	return kind + "/" + name
}

// resource is a kind of objects and what kubectl calls it, in lower case; the first is how we do.
// A plural in s and the kind itself are understood without being listed.
type resource struct {
	kind      string
	names     []string
	clustered bool // it has no namespace
}

var kinds = []resource{
	{"Node", []string{"node", "no"}, true},
	{"Pod", []string{"pod", "po"}, false},
	{"Deployment", []string{"deployment", "deploy"}, false},
	{"ReplicaSet", []string{"replicaset", "rs"}, false},
	{"HorizontalPodAutoscaler", []string{"hpa", "horizontalpodautoscaler"}, false},
	{"NodeClaim", []string{"nodeclaim"}, true},
	{"NodePool", []string{"nodepool"}, true},
	{"DaemonSet", []string{"daemonset", "ds"}, false},
	{"StatefulSet", []string{"statefulset", "sts"}, false},
	{"Job", []string{"job"}, false},
	{"CronJob", []string{"cronjob", "cj"}, false},
	{"ConfigMap", []string{"configmap", "cm"}, false},
	{"Service", []string{"service", "svc"}, false},
	{"Namespace", []string{"namespace", "ns"}, true},
	{"PersistentVolumeClaim", []string{"pvc", "persistentvolumeclaim"}, false},
	{"PersistentVolume", []string{"pv", "persistentvolume"}, true},
	{"Endpoints", []string{"endpoints", "ep"}, false},
	{"Ingress", []string{"ingress", "ing", "ingresses"}, false},
	{"Lease", []string{"lease"}, false},
	{"PodDisruptionBudget", []string{"pdb", "poddisruptionbudget"}, false},
	{"ReplicationController", []string{"replicationcontroller", "rc"}, false},
	{"ScaledObject", []string{"scaledobject", "so"}, false},
	{"ServiceAccount", []string{"serviceaccount", "sa"}, false},
	{"VerticalPodAutoscaler", []string{"vpa", "verticalpodautoscaler"}, false},
}

// knownKind finds a kind by any of its names, in any case. A group after a dot is passed over.
func knownKind(s string) (resource, bool) {
	s, _, _ = strings.Cut(strings.ToLower(s), ".")
	for _, k := range kinds {
		for _, n := range k.names {
			if s == n || s == n+"s" && len(n) > 2 {
				return k, true
			}
		}
	}
	return resource{}, false
}

func kindNames() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.names...)
	}
	return names
}

// looksLikeKind reports whether s is written as Kubernetes writes kinds.
func looksLikeKind(s string) bool {
	for i, r := range s {
		if r >= utf8.RuneSelf || i == 0 && !unicode.IsUpper(r) || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
	}
	return len(s) > 1 && len(s) <= 63
}

// ParseObject reads KIND/NAME, KIND.GROUP/NAME or KIND, with kubectl's names of kinds in any
// case. Other kinds must be written as Kubernetes does, as in Widget. Events tell the kind but not
// the group, so the group does not count. The name is a glob. The error is a *Mistake.
func ParseObject(value string) (Object, error) {
	const example = "node/ip-10-0-0-1"
	s := strings.TrimSpace(value)
	if s == "" {
		return Object{}, all(value, "an object is missing", "", example)
	}
	if m := mention(value, 0, s, "an object"); m != nil {
		m.Example = example
		return Object{}, m
	}
	if i := strings.IndexByte(value, ','); i >= 0 {
		return Object{}, wrong(value, i, i+1, "events are shown for one object at a time, whose name may be a glob", "",
			"pod/web-*")
	}
	word, name, slash := strings.Cut(s, "/")
	word = strings.TrimSpace(word)
	if !slash {
		word = undot(word)
	}
	var o Object
	if k, ok := knownKind(word); ok {
		o.Kind = k.kind
	} else if kind, _, _ := strings.Cut(word, "."); looksLikeKind(kind) {
		o.Kind = kind
	} else {
		return Object{}, unknownKind(value, word, name, slash)
	}
	name = strings.TrimSpace(name)
	if ns, inner, ok := strings.Cut(name, "/"); ok {
		near := ""
		if inner != "" && !strings.Contains(inner, "/") {
			near = Object{o.Kind, inner}.String() + " -n " + ns
		}
		m := all(value, shown(name)+" is not a name; the namespace, "+shown(ns)+", goes into -n", near, example)
		m.raw = true
		return Object{}, m
	}
	if m := mention(value, 0, name, "the name of an object"); m != nil {
		m.At, m.End, m.Example = 0, len(value), example
		return Object{}, m
	}
	if name != "" {
		if _, m := glob(name, "the name of an object"); m != nil {
			at := strings.Index(value, "/") + 1
			at += strings.Index(value[at:], name)
			m.Text, m.At, m.End = value, at+m.At, at+m.End
			if m.Nearest != "" {
				m.Nearest = Object{o.Kind, m.Nearest}.String()
			}
			m.Example = example
			return Object{}, m
		}
	}
	if name != "*" {
		o.Name = name
	}
	return o, nil
}

func unknownKind(value, word, name string, slash bool) *Mistake {
	base, _, grouped := strings.Cut(word, ".")
	near := nearest.Word(base, kindNames()...)
	switch {
	case !slash && near != "" && len(base) > 2:
		return all(value, shown(word)+" is not a kind of objects that Rollcall knows", near, "")
	case !slash:
		m := all(value, shown(word)+" names no kind; objects are KIND/NAME", "", "pod/web-1")
		if _, bad := glob(word, "a name"); bad == nil {
			m.Example = "pod/" + strings.ToLower(word)
		}
		return m
	}
	at := strings.Index(value, word)
	m := wrong(value, at, at+len(word),
		shown(word)+" is not a kind of objects that Rollcall knows; others are written as Kubernetes does, in capitals", "",
		"")
	if near != "" && len(base) > 2 && !grouped {
		if k, ok := knownKind(near); ok {
			m.Nearest = k.names[0] + "/" + name
		}
		return m
	}
	if singular := strings.TrimSuffix(strings.ToLower(base), "s"); len(singular) > 1 {
		guess := strings.ToUpper(singular[:1]) + singular[1:]
		if looksLikeKind(guess) {
			m.Example = guess + "/" + name
		}
	}
	if m.Example == "" {
		m.Example = "pod/web-1"
	}
	return m
}
