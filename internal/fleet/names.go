package fleet

import (
	"slices"
	"strings"
)

// maxNamed is how many objects a note names at most. It is Rollcall's own choice: a command of Karpenter may take
// dozens of nodes, and each of them has an event of its own.
const maxNamed = 8

// combinedNote begins the note of an event that stands for several like it, of which it has the last one's note.
// Source: client-go, tools/record/events_cache.go.
const combinedNote = "(combined from similar events): "

// noteForms are the notes that name objects, by kind of the regarding object and reason. {Kind} is the name of an
// object of that kind, in quotes or not; * is one word; … at the end is anything. Of several forms the first that fits
// counts. The sources are those of TestScalingCovers.
var noteForms = readForms(`
	Pod Nominated
		Pod should schedule on: nodeclaim/{NodeClaim}, node/{Node}
		Pod should schedule on: nodeclaim/{NodeClaim}
		Pod should schedule on: node/{Node}
	Pod Scheduled
		Successfully assigned * to {Node}
	Pod InsufficientCapacityError
		NodeClaim {NodeClaim} nominated for this pod failed to launch: …
	ReplicaSet SuccessfulCreate
		Created pod: {Pod}
	ReplicationController SuccessfulCreate
		Created pod: {Pod}
	Job SuccessfulCreate
		Created pod: {Pod}
	DaemonSet SuccessfulCreate
		Created pod: {Pod}
	StatefulSet SuccessfulCreate
		Create Pod {Pod} in StatefulSet * successful
		create Pod {Pod} in StatefulSet * successful
	CronJob SuccessfulCreate
		Created job {Job}
	Deployment ScalingReplicaSet
		Scaled up replica set {ReplicaSet} from * to *
		Scaled up replica set {ReplicaSet} to *
		Scaled down replica set {ReplicaSet} from * to *
		Scaled down replica set {ReplicaSet} to *
	ConfigMap ScaleDown
		Scale-down: removing node {Node}, utilization: …
		Scale-down: node {Node} removed with drain
	ConfigMap ScaleDownEmpty
		Scale-down: removing empty node {Node}
		Scale-down: empty node {Node} removed
	ConfigMap ScaledUpGroup
		Scale-up: setting group {NodeGroup} size to …
		Scale-up: group {NodeGroup} size set to …
	ConfigMap FailedToScaleUpGroup
		Scale-up failed for group {NodeGroup}: …
	ConfigMap ScaleUpFailed
		Failed adding * nodes to group {NodeGroup} due to …
	ConfigMap ScaleUpTimedOut
		Nodes added to group {NodeGroup} failed to register within …
	Machine SuccessfulSetNodeRef
		{Node}
	Machine SuccessfulDrainNode
		success draining Machine's node {Node}
	Machine FailedDrainNode
		error draining Machine's node {Node}: …
	Machine Deleted
		Node {Node} drained
	Machine DetectedUnhealthy
		Machine * has unhealthy node {Node}
	MachineSet SuccessfulCreate
		Created Machine {Machine}
		Created machine {Machine}
	MachineDeployment SuccessfulCreate
		Created MachineSet {MachineSet}
	MachineDeployment SuccessfulScale
		Scaled up MachineSet {MachineSet}: …
		Scaled down MachineSet {MachineSet}: …
`)

// Names returns the objects that the event's note says something of, beside the one that it regards: the NodeClaim that
// a pod was nominated for, the node that it was assigned to, the pod that a ReplicaSet created, the ReplicaSet that a
// Deployment scaled, the node that the Cluster Autoscaler removed, the node group that it scaled up. Kind and Name are
// set, and Namespace where the object has one. A note that is no known form names nothing.
//
// A combined event says what the last of those that it stands for said: the ledger sees other names under the same UID.
func (e Event) Names() []ObjectRef {
	note := strings.TrimPrefix(e.Note, combinedNote)
	switch {
	case e.Reason == "TriggeredScaleUp" && (e.Regarding.Kind == "Pod" || e.Regarding.Kind == "CapacityBuffer"):
		return scaledGroups(note)
	case e.Reason == "ConsolidationCandidate" && (e.Regarding.Kind == "Node" || e.Regarding.Kind == "NodeClaim"):
		return candidates(note, e.Regarding)
	}
	forms := noteForms[noteKey{e.Regarding.Kind, e.Reason}]
	for i := range forms {
		if refs := forms[i].match(note, e.Regarding.Namespace); refs != nil {
			return refs
		}
	}
	return nil
}

// scaledGroups are the node groups of "pod triggered scale-up: [{GROUP 0->4 (max: 6)} {GROUP 1->2 (max: 9)}]".
func scaledGroups(note string) (refs []ObjectRef) {
	_, rest, ok := strings.Cut(note, " triggered scale-up: [")
	for ok && len(refs) < maxNamed {
		var group string
		if _, rest, ok = strings.Cut(rest, "{"); !ok {
			break
		}
		if group, rest, ok = strings.Cut(rest, "}"); !ok {
			break
		}
		head, _, sized := strings.Cut(group, " (max: ")
		at := strings.LastIndexByte(head, ' ')
		if !sized || at < 0 || !strings.Contains(head[at:], "->") || !validName("NodeGroup", head[:at]) {
			continue
		}
		if ref := (ObjectRef{Kind: "NodeGroup", Name: head[:at]}); !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// candidates are the nodes of a command of Karpenter, except the one that the event regards:
// "Consolidation candidate: replace: [a, b] -> [1 replacement] (savings: $1.23)", or of several commands' parts
// "Consolidation candidate: replace: [a] (part of 2-node consolidation) (savings: $0.12)".
func candidates(note string, regarding ObjectRef) (refs []ObjectRef) {
	rest, ok := strings.CutPrefix(note, "Consolidation candidate: ")
	if !ok {
		return nil
	}
	end := strings.Index(rest, "] -> [")
	if end < 0 {
		end = strings.Index(rest, "] (part of ")
	}
	if end < 0 {
		end = strings.Index(rest, "] (savings: ")
	}
	if end < 0 {
		return nil
	}
	begin := strings.LastIndex(rest[:end], "[")
	if begin < 0 {
		return nil
	}
	for list := rest[begin+1 : end]; list != "" && len(refs) < maxNamed; {
		name := list
		if at := strings.IndexAny(list, ", "); at >= 0 {
			name, list = list[:at], list[at+1:]
		} else {
			list = ""
		}
		ref := ObjectRef{Kind: "Node", Name: name}
		if validName("Node", name) && (regarding.Kind != "Node" || regarding.Name != name) && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// noteKey is what the form of a note depends on.
type noteKey struct{ kind, reason string }

// noteForm is a form of note: parts, each a literal and a word behind it, and the literal that ends it.
type noteForm struct {
	parts []notePart
	end   string
	open  bool // anything may follow end
}

// notePart is a literal and the word behind it: the name of an object of a kind, or any word if kind is "".
type notePart struct{ literal, kind string }

// readForms reads a table of forms: a line of kind and reason, and below it forms, indented by one tab more.
func readForms(table string) map[noteKey][]noteForm {
	forms := map[noteKey][]noteForm{}
	var key noteKey
	for line := range strings.Lines(table) {
		line = strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "\t")
		if form, ok := strings.CutPrefix(line, "\t"); ok {
			forms[key] = append(forms[key], readForm(form))
		} else {
			key.kind, key.reason, _ = strings.Cut(line, " ")
		}
	}
	return forms
}

func readForm(text string) (f noteForm) {
	text, f.open = strings.CutSuffix(text, "…")
	for {
		at := strings.IndexAny(text, "{*")
		if at < 0 {
			f.end = text
			return f
		}
		part := notePart{literal: text[:at]}
		if text[at] == '{' {
			part.kind, text, _ = strings.Cut(text[at+1:], "}")
		} else {
			text = text[at+1:]
		}
		f.parts = append(f.parts, part)
	}
}

// match returns what a note of this form names; nil if it has another form.
func (f *noteForm) match(note, namespace string) []ObjectRef {
	var names [2]ObjectRef
	found := names[:0]
	for i := range f.parts {
		p := &f.parts[i]
		rest, ok := strings.CutPrefix(note, p.literal)
		if !ok {
			return nil
		}
		next := f.end
		if i+1 < len(f.parts) {
			next = f.parts[i+1].literal
		}
		end := len(rest)
		if next != "" {
			if end = strings.Index(rest, next); end < 0 {
				return nil
			}
		}
		word := rest[:end]
		note = rest[end:]
		if p.kind == "" {
			if word == "" || strings.IndexByte(word, ' ') >= 0 {
				return nil
			}
			continue
		}
		ref := named(p.kind, word, namespace)
		if ref.Name == "" {
			return nil
		}
		found = append(found, ref)
	}
	if rest, ok := strings.CutPrefix(note, f.end); !ok || rest != "" && !f.open {
		return nil
	}
	return slices.Clone(found)
}

// named is the object of a kind that a word names; the zero value if it is no name. An object that is in a namespace is
// in that of whoever speaks of it.
func named(kind, word, namespace string) ObjectRef {
	if n := len(word); n >= 2 && word[0] == '"' && word[n-1] == '"' {
		word = word[1 : n-1]
	}
	ref := ObjectRef{Kind: kind}
	switch kind {
	case "Node", "NodeClaim", "NodeGroup":
	default:
		ref.Namespace = namespace
		if in, name, ok := strings.Cut(word, "/"); ok && in == namespace {
			word = name
		}
	}
	if validName(kind, word) {
		ref.Name = word
	}
	return ref
}

// validName reports whether text may be the name of an object of a kind. A name that was cut with its note is none: it
// ends in an ellipsis. Node groups have names of their clouds: paths, and in places spaces.
func validName(kind, text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '.':
		case kind == "NodeGroup" && c == ' ' && i > 0 && i < len(text)-1:
		case kind == "NodeGroup" && c > ' ' && c < 0x7f && !strings.ContainsRune(`"{}`, rune(c)):
		default:
			return false
		}
	}
	return true
}
