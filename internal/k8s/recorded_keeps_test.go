package k8s

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	why "rollcall/internal/cause"
	"rollcall/internal/fleet"
)

// recordedStates are what the nodes of a recorded run say themselves of what keeps them, at any time.
func recordedStates(t *testing.T, name string) map[string]bool {
	t.Helper()
	file := must(os.Open("testdata/recorded/" + name + ".jsonl.gz"))
	defer file.Close()
	s := bufio.NewScanner(must(gzip.NewReader(file)))
	s.Buffer(nil, 1<<20)
	said := map[string]bool{}
	for s.Scan() {
		var l struct {
			Type   string
			Object json.RawMessage
		}
		ok(t, json.Unmarshal(s.Bytes(), &l))
		if strings.Contains(string(l.Object), `"kind":"Event"`) {
			continue
		}
		var o corev1.Node
		ok(t, json.Unmarshal(l.Object, &o))
		n := look("prod", &o, nil)
		keep(&n)
		for k := range why.States(n) {
			said[n.Name+" "+string(k.Kind)] = true
		}
	}
	ok(t, s.Err())
	return said
}

// TestRecordedKeeps holds what the recorded runs say of what keeps which node, against what was done: see the scripts.
func TestRecordedKeeps(t *testing.T) {
	for name, truth := range map[string]string{
		// A node is cordoned by hand for 20 seconds. The budget over shop/db kept the two nodes of batch until they drifted.
		"karpenter": `
batch-mpr9s PodDisruptionBudget shop/db
batch-sx5vm PodDisruptionBudget shop/db
general-d2vl2 cordon
general-d2vl2 pod shop/pet-644c86c4b6-4wqmg
general-l748f spot to spot
general-np9tw spot to spot
general-tpj22 spot to spot
general-vd6nf spot to spot
general-vgg6g spot to spot
general-zx8dt spot to spot`,
		"replacement": `
default-k2fnq spot to spot
default-rhr4q spot to spot`,
		// All of them were removed within minutes. A node that a pod keeps (safe-to-evict) is told of in no way.
		"cluster-autoscaler": `
general-2m4zr unneeded
general-7hddm unneeded
general-jlgnq unneeded
general-mkrds unneeded
general-tvrpq unneeded
general-x4vf9 unneeded
spot-5qvwh unneeded
spot-f9jmp unneeded
spot-q9lvj unneeded`,
	} {
		r := readRecording(t, name)
		said := map[string]bool{}
		for line := range recordedStates(t, name) {
			of, kind, _ := strings.Cut(line, " ")
			said[short(of)+" "+kind] = true
		}
		for _, e := range r.evidence.Events {
			k, is := why.Keeper(e)
			if !is {
				continue
			}
			if !slices.ContainsFunc(r.nodes, func(n fleet.Node) bool { return n.UID == e.Regarding.UID }) {
				t.Errorf("%s: %s keeps what is no node: %+v", name, e.Note, e.Regarding)
			}
			said[strings.TrimRight(fmt.Sprintf("%s %s %s", short(e.Regarding.Name), k.Kind,
				strings.Trim(k.Namespace+"/"+k.Name, "/")), " ")] = true
		}
		got := slices.Sorted(maps.Keys(said))
		want := strings.Split(strings.TrimSpace(truth), "\n")
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
