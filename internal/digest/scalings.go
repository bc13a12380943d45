package digest

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"

	"rollcall/internal/fleet"
)

const (
	// maxScaled is how many autoscalers of each kind a summary names.
	maxScaled = 3
	// maxObjects is how many autoscalers of each kind are told apart; what comes after is only
	// counted.
	maxObjects = 10_000
)

// scalings sums up what HorizontalPodAutoscalers and Deployments say of their sizes.
func scalings(events iter.Seq2[fleet.Event, error], span Span) (hpas, deployments Scalings, err error) {
	h, d := map[string]*sized{}, map[string]*sized{}
	for e, err := range events {
		if err != nil {
			return Scalings{}, Scalings{}, err
		}
		objects, of := d, &deployments
		if e.Regarding.Kind == "HorizontalPodAutoscaler" {
			objects, of = h, &hpas
		}
		times, atLeast := max(1, e.Count), false
		if e.First.Before(span.From) && times > 1 {
			times, atLeast = 1, true // how many of them were in the period is not known
		}
		of.Times, of.AtLeast = of.Times+times, of.AtLeast || atLeast
		key := e.Regarding.Namespace + "/" + e.Regarding.Name
		o := objects[key]
		if o == nil {
			if len(objects) == maxObjects {
				continue
			}
			o = &sized{Scaled: Scaled{Namespace: e.Regarding.Namespace, Name: e.Regarding.Name, From: -1, To: -1}}
			objects[key] = o
		}
		o.Times, o.AtLeast = o.Times+times, o.AtLeast || atLeast
		note := strings.TrimPrefix(e.Note, "(combined from similar events): ")
		if e.Regarding.Kind == "HorizontalPodAutoscaler" {
			o.autoscaled(note)
		} else {
			o.rolled(note)
		}
	}
	for key, o := range h {
		of, ok := scaledBy(o, key, d)
		if !ok {
			continue
		}
		// What the Deployment says of its size is all that there is to know; how often it was scaled says the autoscaler.
		target := d[of]
		target.settle()
		o.Name, o.sets = target.Name, nil
		if target.To >= 0 {
			o.From, o.To, o.Low, o.High = target.From, target.To, target.Low, target.High
		}
		deployments.Times -= target.Times
		delete(d, of)
	}
	hpas.sumUp(h)
	deployments.sumUp(d)
	return hpas, deployments, nil
}

// scaledBy returns the key of the Deployment that a HorizontalPodAutoscaler scales, as far as their names and sizes say
// so: that of its own name, or one whose name is a part of its own (web in keda-hpa-web) and that came to its size.
func scaledBy(hpa *sized, key string, deployments map[string]*sized) (of string, ok bool) {
	if deployments[key] != nil {
		return key, true
	}
	for k, d := range deployments {
		if d.Namespace != hpa.Namespace || !strings.Contains("-"+hpa.Name+"-", "-"+d.Name+"-") {
			continue
		}
		if d.settle(); hpa.To >= 0 && d.To == hpa.To && (len(k) > len(of) || len(k) == len(of) && k < of) {
			of, ok = k, true
		}
	}
	return of, ok
}

func (s *Scalings) sumUp(objects map[string]*sized) {
	s.Objects = len(objects)
	for _, o := range objects {
		o.settle()
		s.Top = append(s.Top, o.Scaled)
	}
	slices.SortFunc(s.Top, func(a, b Scaled) int {
		return cmp.Or(cmp.Compare(b.Times, a.Times), cmp.Compare(b.High-b.Low, a.High-a.Low),
			cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	s.Top = s.Top[:min(len(s.Top), maxScaled)]
}

// sized follows the size of one autoscaler.
type sized struct {
	Scaled
	// Of a Deployment: the size of each ReplicaSet, and their sum. During a rollout there are two
	// that change. base is the sum when each was first seen, the others are relative to it.
	sets                       map[string]int
	base, rel, lowRel, highRel int
}

// settle sets the sizes of a Deployment from those of its ReplicaSets.
func (o *sized) settle() {
	if len(o.sets) > 0 {
		o.From, o.To, o.Low, o.High = o.base, o.base+o.rel, o.base+o.lowRel, o.base+o.highRel
	}
}

// autoscaled reads a note as "New size: 5; reason: cpu resource utilization above target".
func (o *sized) autoscaled(note string) {
	text, ok := strings.CutPrefix(note, "New size: ")
	size, ok2 := number(text)
	if !ok || !ok2 {
		return
	}
	if o.To < 0 {
		o.Low, o.High = size, size
	}
	o.To, o.Low, o.High = size, min(o.Low, size), max(o.High, size)
}

// rolled reads a note as "Scaled up replica set web-7c9 from 3 to 5" or, from older versions,
// "Scaled up replica set web-7c9 to 5 from 3".
func (o *sized) rolled(note string) {
	words := strings.Fields(note)
	if len(words) != 9 || words[0] != "Scaled" || words[2] != "replica" || words[3] != "set" {
		return
	}
	a, ok1 := number(words[6])
	b, ok2 := number(words[8])
	if words[5] == "to" && words[7] == "from" {
		a, b = b, a
	} else if words[5] != "from" || words[7] != "to" {
		return
	}
	if !ok1 || !ok2 {
		return
	}
	if o.sets == nil {
		o.sets = map[string]int{}
	}
	size, seen := o.sets[words[4]]
	if !seen {
		if len(o.sets) == maxObjects {
			return
		}
		size = a
		o.base += a
	}
	o.sets[words[4]] = b
	o.rel += b - size
	o.lowRel, o.highRel = min(o.lowRel, o.rel), max(o.highRel, o.rel)
}

// maxReplicas bounds what is believed of a note.
const maxReplicas = 1_000_000

// number reads the number that a text begins with.
func number(s string) (int, bool) {
	end := 0
	for end < len(s) && '0' <= s[end] && s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(s[:end])
	return n, err == nil && n <= maxReplicas
}
