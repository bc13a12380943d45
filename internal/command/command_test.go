package command

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"rollcall/internal/query"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// right are texts and their canonical forms; "=" says that the text is canonical itself.
var right = []struct{ text, want string }{
	// Views.
	{"/nodes", "="},
	{"/nodes  ", "/nodes"},
	{"/nodes list", "="},
	{"/nodes List", "/nodes list"},
	{"/nodes LIST.", "/nodes list"},
	{"/nodes --spot list", "/nodes list --spot"},
	{"/nodes ip-10-0-0-1", "="},
	{"/nodes Ip-10-0-0-1.", "/nodes ip-10-0-0-1."},
	{"/nodes node ip-10-0-0-1", "/nodes ip-10-0-0-1"},
	{"/nodes Node web", "/nodes web"},
	{"/nodes node/web", "/nodes web"},
	{"/nodes no/web", "/nodes web"},
	{"/nodes Nodes/web", "/nodes web"},
	{"/nodes lst", "/nodes list"},
	{"/nodes ls", "/nodes list"},
	{"/nodes ls web*", "/nodes list web*"},
	{"/nodes 'ls'", "/nodes node/ls"},
	{"/nodes list all", "/nodes list"},
	{"/nodes list 'all'", "="},
	{"/nodes all", "/nodes list"},
	{"/nodes status", "/nodes"},
	{"/nodes Count.", "/nodes"},
	{"/nodes count --spot", "/nodes --spot"},
	{"/nodes get nodes", "/nodes list"},
	{"/nodes kubectl get nodes -l a=b", "/nodes list -l a=b"},
	{"/nodes get node web", "/nodes web"},
	{"/nodes describe node web", "/nodes web"},
	{"/nodes why web", "/nodes web"},
	{"/nodes why 'why'", "/nodes node/why"},
	{"/nodes show list", "/nodes node/list"},
	{"/nodes lst --spot", "/nodes list --spot"},
	{"/nodes node/list", "="},
	{"/nodes node list", "/nodes node/list"},
	{"/nodes 'list'", "/nodes node/list"},
	{"/nodes -- list", "/nodes node/list"},
	{"/nodes — list", "/nodes node/list"},
	{"/nodes web --cluster prod", "="},
	{"/nodes --cluster prod web", "/nodes web --cluster prod"},
	{"/nodes ip-10-*", "/nodes list ip-10-*"},
	{"/nodes no/ip-10-?", "/nodes list ip-10-?"},
	{"/nodes list Web* b c Web*", "/nodes list web* b c"},
	{"/nodes list -- list", "/nodes list list"},
	{"/nodes list a,b c", "/nodes list a b c"},
	{"/nodes /nodes list", "/nodes list"},
	{"/nodes help", "="},
	{"/nodes HELP.", "/nodes help"},
	{"/nodes ?", "/nodes help"},
	{"/nodes --help", "/nodes help"},
	{"/nodes -h", "/nodes help"},
	{"/nodes list --help", "/nodes help list"},
	{"/nodes list --spot --help", "/nodes help list"},
	{"/nodes help list", "="},
	{"/nodes help type", "="},
	{"/nodes help --Type.", "/nodes help type"},
	{"/nodes help -l", "/nodes help selector"},
	{"/nodes --spot help by", "/nodes help by"},

	// Flags.
	{"/nodes --type m5.*", "="},
	{"/nodes --Type m5.*", "/nodes --type m5.*"},
	{"/nodes --TYPE=m5.*", "/nodes --type m5.*"},
	{"/nodes --type m5.*,c6i.*", "="},
	{"/nodes --type m5.* --type c6i.*", "/nodes --type m5.*,c6i.*"},
	{"/nodes --type m5.*,m5.*,", "/nodes --type m5.*"},
	{"/nodes --type m5.*, c6i.*", "/nodes --type m5.*,c6i.*"},
	{"/nodes --type m5.* , c6i.* ,r5.large", "/nodes --type m5.*,c6i.*,r5.large"},
	{`/nodes --type "m5.*, c6i.*"`, "/nodes --type m5.*,c6i.*"},
	{`/nodes --type="m5.*"`, "/nodes --type m5.*"},
	{"/nodes --type Standard_D4s_v3 --type n2-standard-4", "/nodes --type Standard_D4s_v3,n2-standard-4"},
	{"/nodes --zone eu-west-1a", "="},
	{"/nodes --pool general,gpu-*", "="},
	{"/nodes --arch arm64", "="},
	{"/nodes --spot", "="},
	{"/nodes --SPOT.", "/nodes --spot"},
	{"/nodes --spot=true", "/nodes --spot"},
	{"/nodes --spot=False", "/nodes"},
	{"/nodes --capacity spot --spot=false", "/nodes"},
	{"/nodes --spot --on-demand", "/nodes --capacity spot,on-demand"},
	{"/nodes --capacity On-Demand.", "/nodes --on-demand"},
	{"/nodes --capacity spot,reserved", "="},
	{"/nodes --reserved", "="},
	{"/nodes --not-ready --cordoned", "="},
	{"/nodes --older 7d", "/nodes --older 1w"},
	{"/nodes --older 90m --newer 1d12h", "/nodes --older 1h30m --newer 1d12h"},
	{"/nodes --newer 2h.", "/nodes --newer 2h"},
	{"/nodes --removed", "="},
	{"/nodes --removed --since 2h", "="},
	{"/nodes digest", "="},
	{"/nodes Digest --since=7d", "/nodes digest --since 1w"},
	{"/nodes --since 2026-11-23 digest --cluster prod", "/nodes digest --since 2026-11-23 --cluster prod"},
	{"/nodes node digest", "/nodes node/digest"},
	{"/nodes list --since 2026-11-24T09:00 --removed", "/nodes list --removed --since 2026-11-24T09:00"},
	{"/nodes --by zone", "="},
	{"/nodes --by Zones.", "/nodes --by zone"},
	{"/nodes --by topology.kubernetes.io/region", "="},
	{"/nodes --by Team", "="},
	{"/nodes list --by pool --spot", "/nodes list --spot --by pool"},
	{"/nodes list --sort oldest", "="},
	{"/nodes --sort Name", "/nodes list --sort name"},
	{"/nodes list --page 3", "="},
	{"/nodes --page 3", "/nodes list --page 3"},
	{"/nodes list --page 1", "/nodes list"},
	{"/nodes --cluster arn:aws:eks:eu-west-1:1:cluster/prod", "="},
	{"/nodes --cluster 'my cluster'", "="},
	{"/nodes --cluster “Ada’s”", `/nodes --cluster "Ada's"`},
	{"/nodes --older 2h --older 120m", "/nodes --older 2h"},

	// Selectors.
	{"/nodes -l app=web", "="},
	{"/nodes -lapp=web", "/nodes -l app=web"},
	{"/nodes -l=app=web", "/nodes -l app=web"},
	{"/nodes -L app=web", "/nodes -l app=web"},
	{"/nodes --selector app==web", "/nodes -l app=web"},
	{"/nodes --selector=app=web", "/nodes -l app=web"},
	{"/nodes -l a=b,c!=d,'e in (x,y)',!f,g,h>5", "/nodes -l 'a=b,c!=d,e in (x,y),!f,g,h>5'"},
	{"/nodes -l 'e in (x,y),a=b'", "/nodes -l 'a=b,e in (x,y)'"},
	{"/nodes -l'env in (a,b)'", "/nodes -l 'env in (a,b)'"},
	{"/nodes -l env in (a,b)", "/nodes -l 'env in (a,b)'"},
	{"/nodes -l env in (a, b) --spot", "/nodes -l 'env in (a,b)' --spot"},
	{"/nodes -l env notin ( a , b ), tier = x, !gpu", "/nodes -l 'env notin (a,b),!gpu,tier=x'"},
	{"/nodes -l env in(a,b)", "/nodes -l 'env in (a,b)'"},
	{"/nodes -l app = web", "/nodes -l app=web"},
	{"/nodes -l app= web", "/nodes -l app=web"},
	{"/nodes -l cpu &gt; 5", "/nodes -l cpu>5"},
	{"/nodes -l cpu&lt;5", "/nodes -l cpu<5"},
	{"/nodes -l a=b -l c=d -l a=b", "/nodes -l a=b,c=d"},
	{"/nodes -l a=", "="},
	{"/nodes -l 'a in (,x)'", "="},
	{"/nodes -l 'a in (x)'", "/nodes -l a=x"},
	{"/nodes -l 'a notin (x)'", "/nodes -l a!=x"},
	{"/nodes -l in=notin", "="},
	{"/nodes list web* -l a=b", "="},

	// Phones and Slack.
	{"/nodes —by zone", "/nodes --by zone"},
	{"/nodes –by zone", "/nodes --by zone"},
	{"/nodes —-by zone", "/nodes --by zone"},
	{"/nodes ―Not-Ready", "/nodes --not-ready"},
	{"/nodes –not‑ready", "/nodes --not-ready"},
	{"/nodes −−spot", "/nodes --spot"},
	{"/nodes –l app=web", "/nodes -l app=web"},
	{"/nodes —l app=web", "/nodes -l app=web"},
	{"/nodes –lapp=web", "/nodes -l app=web"},
	{"/nodes –l=app=web", "/nodes -l app=web"},
	{"/nodes \u00a0list\u2003--spot\n", "/nodes list --spot"},
	{"/nodes li\u200bst \ufeff--sp\u00adot", "/nodes list --spot"},
	{"/nodes -l “env in (a,b)”", "/nodes -l 'env in (a,b)'"},
	{"/nodes -l ‘env in (a,b)’", "/nodes -l 'env in (a,b)'"},
	{"/nodes -l „env in (a,b)“", "/nodes -l 'env in (a,b)'"},
	{"/nodes -l «env in (a,b)»", "/nodes -l 'env in (a,b)'"},
	{"/nodes --type `m5.*`", "/nodes --type m5.*"},
	{"/nodes <http://ip-10-0-0-1.ec2.internal|ip-10-0-0-1.ec2.internal>", "/nodes ip-10-0-0-1.ec2.internal"},
	{"/nodes <https://node.example.com>", "/nodes node.example.com"},
	{"/nodes <https://node.example.com/>", "/nodes node.example.com"},
	{"/nodes --type <http://m5.info|m5.info>", "/nodes --type m5.info"},

	// Times and lists as they are pasted and typed.
	{"/nodes list --older 1d 12h", "/nodes list --older 1d12h"},
	{"/nodes --older 2 days --newer 1 week", "/nodes --older 2d --newer 1w"},
	{"/nodes --removed --since 2026-11-24 09:00 +05:30", "/nodes --removed --since 2026-11-24T03:30"},
	{"/nodes digest --since 2 weeks", "/nodes digest --since 2w"},
	{"/nodes --zone us-east-1a or us-east-1b", "/nodes --zone us-east-1a,us-east-1b"},
	{"/nodes --zone us-east-1a OR us-east-1b or us-east-1c --spot",
		"/nodes --zone us-east-1a,us-east-1b,us-east-1c --spot"},
	{"/nodes list a or b", "/nodes list a b"},
	{"/nodes list 'or' or 'since' x", "/nodes list 'or' 'since' x"},
	{"/nodes -l a=b and c=d", "/nodes -l a=b,c=d"},
	{"/nodes －－ｓｐｏｔ　－－zone　a，b", "/nodes --zone a,b --spot"},
	{"/nodes --why 결제", "="},
	{"/nodes --cluster 프로덕션", "="},
	{"/events --since Tue, 24 Nov 2026 09:15:00 +0100", "/events --since 2026-11-24T08:15"},
	{"/events --since 2026-11-23T09:00:00 +05:30", "/events --since 2026-11-23T03:30"},
	{"/events --since 2026-11-23T09:00:00 -0500 OOM", "/events --since 2026-11-23T14:00 OOM"},
	{"/events --until 10:30 UTC", "/events --until 2026-11-24T10:30"},
	{"/events --since 2h ago", "/events --since 2h"},
	{"/events --since 2h 404", "/events --since 2h '404'"},
	{"/events --since 1 hour and 30 minutes OOM", "/events --since 1h30m OOM"},
	{"/events --since 2h 'ago' \"UTC\" 'or' monday", "/events --since 2h 'ago' 'UTC' 'or' 'monday'"},
	{"/events --reason Failed or BackOff", "/events --reason Failed,BackOff"},
	{"/events --types warning or normal", "/events --types Warning,Normal"},
	{"/events ls", "/events"},
	{"/events get events -n shop", "/events -n shop"},
	{"/events kubectl get events -A", "/events"},
	{"/events warnings", "/events --types Warning"},
	{"/events scaling -n a", "/events -n a --scaling"},
	{"/events 'scaling'", "="},
	{"/events failed to get image", "/events failed to 'get' image"},
	{"/events get image", "/events 'get' image"},
	{"/events 이미지 풀", "/events '이미지' '풀'"},
	{"/events “can’t pull”", `/events "can't pull"`},
	{"/events ‘can’t pull’", `/events "can't pull"`},
	{"/events 'can't pull'", `/events "can't pull"`},
	{"/events ‘can’t pull’ ‘image’", `/events "can't pull" image`},
	{"/events the pods’ names", `/events 'the' "pods'" names`},

	// Events.
	{"/events", "="},
	{"/events help", "="},
	{"/events Help.", "/events help"},
	{"/events --help", "/events help"},
	{"/events help -n", "/events help namespace"},
	{"/events --for node/web", "="},
	{"/events --for NO/web", "/events --for node/web"},
	{"/events --for=nodes/web", "/events --for node/web"},
	{"/events --for Pods/web-*", "/events --for pod/web-*"},
	{"/events --for po", "/events --for pod/*"},
	{"/events --for pod/", "/events --for pod/*"},
	{"/events --for pod/*", "="},
	{"/events --for deployments.apps/web", "/events --for deployment/web"},
	{"/events --for deployments.v1.apps/web", "/events --for deployment/web"},
	{"/events --for Widget/a", "="},
	{"/events --for Widget.example.com/a", "/events --for Widget/a"},
	{"/events --for Widget", "/events --for Widget/*"},
	{"/events --for node -- web", "/events --for node/* web"},
	{"/events web --for node", "/events --for node/* web"},
	{"/events -n shop", "="},
	{"/events -nshop -n=Kube-* --namespace a,b", "/events -n shop,kube-*,a,b"},
	{"/events –n shop", "/events -n shop"},
	{"/events –nshop", "/events -n shop"},
	{"/events -A", "/events"},
	{"/events -a --all-namespaces", "/events"},
	{"/events -A=false -n shop", "/events -n shop"},
	{"/events --reason Failed*", "="},
	{"/events --reason A --reason B,C", "/events --reason A,B,C"},
	{"/events --reason 'My reason'", "="},
	{"/events --types warning, normal", "/events --types Warning,Normal"},
	{"/events --types=Warning.", "/events --types Warning"},
	{"/events --since 2h", "="},
	{"/events --since 1.5h --until 30m", "/events --since 1h30m --until 30m"},
	{"/events --since 2026-11-23", "="},
	{"/events --since 2026-11-23t09:00z", "/events --since 2026-11-23T09:00"},
	{"/events --since 2026-11-23T09:00:30+01:00", "/events --since 2026-11-23T08:00:30Z"},
	{"/events --since 2026-11-23T09:00:30", "/events --since 2026-11-23T09:00:30Z"},
	{"/events --since 2026-11-23T00:00Z --until 2027-01-01", "/events --since 2026-11-23 --until 2027-01-01"},
	{"/events --scaling", "="},
	{"/events --for deploy/web --exact", "/events --for deployment/web --exact"},
	{"/events --cluster prod", "="},
	{"/events --before 1732400000000.0f3c-22", "="},
	{"/events --after 1732400000000.0f3c-22 --scaling", "/events --scaling --after 1732400000000.0f3c-22"},

	// Text.
	{"/events OOMKilled", "="},
	{"/events Insufficient cpu", "="},
	{"/events cpu --scaling Insufficient", "/events --scaling cpu Insufficient"},
	{"/events “Insufficient cpu”", "/events 'Insufficient cpu'"},
	{"/events can’t pull", `/events "can't" pull`},
	{`/events "a \"b\" \\ \c"`, `/events 'a "b" \ \c'`},
	{`/events "it's \"so\""`, `/events "it's \"so\""`},
	{"/events 'help' me", "="},
	{"/events --scaling help", "/events --scaling 'help'"},
	{"/events -- --scaling -x help", "/events '--scaling' '-x' 'help'"},
	{"/events '--scaling'", "="},
	{"/events '—x' a—b", "/events '—x' 'a—b'"},
	{"/events – x", "/events '–' x"},
	{"/events - x", "/events '-' x"},
	{"/events --since 2026-11-23 '09:00'", "="},
	{"/events --scaling 'no'", "="},
	{"/events ago --since 2h", "/events --since 2h 'ago'"},
	{"/events --for node 'web'", "/events --for node/* web"},
	{"/events --reason A ',B'", "="},
	{"/events <@U123|ada> <@U9> <#C1|ops> <#C1|> <!subteam^S1|@team> <!here> <!channel|channel>",
		"/events '@ada' '@U9' '#ops' '#C1' '@team' '@here' '@channel'"},
	{"/events <!date^1732400000^{date}|yesterday> <mailto:a@b.c|a@b.c> <tel:112>", "/events 'yesterday' 'a@b.c' '112'"},
	{"/events <https://a.b/c?d=e&amp;f|a.b/c&amp;lt;>", "/events 'a.b/c&amp;lt;'"},
	{"/events a&amp;b", "/events 'a&b'"},
	{"/events a&amp;amp;b", "/events 'a&amp;amp;b'"},
	{"/events &lt;@U1&gt;", "/events '&lt;@U1&gt;'"},
	{"/events a < b > c", "/events a '<' b '>' c"},
	{"/events \xff", "/events '\uFFFD'"},
	{"/events ''", "/events"},
}

func parse(t testing.TB, whole string) (string, error) {
	command, text, _ := strings.Cut(whole, " ")
	var s string
	var err error
	switch command {
	case "/nodes":
		var n Nodes
		n, err = ParseNodes(text, noon)
		s = n.String()
	case "/events":
		var e Events
		e, err = ParseEvents(text, noon)
		s = e.String()
	default:
		t.Fatalf("%q is no command", command)
	}
	return strings.TrimSpace(command + " " + s), err
}

func TestParse(t *testing.T) {
	for _, tt := range right {
		want := tt.want
		if want == "=" {
			want = tt.text
		}
		got, err := parse(t, tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if got != want {
			t.Errorf("%q\n got %q\nwant %q", tt.text, got, want)
		}
		if again, err := parse(t, got); err != nil || again != got {
			t.Errorf("%q prints as %q and that as %q (%v)", tt.text, got, again, err)
		}
	}
}

func TestNodesFields(t *testing.T) {
	got, err := ParseNodes(
		"list web* -l 'a=b,c!=d,e in (x,y),!f,g,h>5,i<3,j==k' --type m5.*,c6i.* --zone a --pool p --arch arm64 --spot "+
			"--on-demand"+
			" --not-ready --cordoned --older 1h --newer 2d --by type --sort pool --page 4 --cluster prod", noon)
	if err != nil {
		t.Fatal(err)
	}
	want := Nodes{
		View: List, Names: []string{"web*"}, Types: []string{"m5.*", "c6i.*"}, Zones: []string{"a"}, Pools: []string{"p"},
		Arches:   []string{"arm64"},
		Capacity: []string{"spot", "on-demand"}, NotReady: true, Cordoned: true, Older: time.Hour, Newer: 48 * time.Hour,
		Labels: []query.LabelRequirement{
			{Key: "a", Operator: query.LabelIn, Values: []string{"b"}},
			{Key: "c", Operator: query.LabelNotIn, Values: []string{"d"}},
			{Key: "e", Operator: query.LabelIn, Values: []string{"x", "y"}},
			{Key: "f", Operator: query.LabelDoesNotExist},
			{Key: "g", Operator: query.LabelExists},
			{Key: "h", Operator: query.LabelGt, Values: []string{"5"}},
			{Key: "i", Operator: query.LabelLt, Values: []string{"3"}},
			{Key: "j", Operator: query.LabelIn, Values: []string{"k"}},
		},
		By: query.ByType, Sort: query.SortPool, Page: 4, Cluster: "prod",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	filter := query.NodeFilter{
		Names: want.Names, Types: want.Types, Zones: want.Zones, Pools: want.Pools, Arches: want.Arches,
		Capacity: want.Capacity, Labels: want.Labels,
		NotReady: true, Cordoned: true, CreatedBefore: noon.Add(-time.Hour), CreatedAfter: noon.Add(-48 * time.Hour),
	}
	if diff := cmp.Diff(filter, got.Filter(noon)); diff != "" {
		t.Error(diff)
	}
	got, err = ParseNodes("--removed --since 2h", noon)
	if want := (query.NodeFilter{Removed: true, RemovedSince: noon.Add(-2 * time.Hour)}); err != nil ||
		!reflect.DeepEqual(got.Filter(noon), want) {
		t.Errorf("%+v, %v", got.Filter(noon), err)
	}
	for text, view := range map[string]NodesView{"": Summary, "--spot": Summary, "list": List, "x": One,
		"help": HelpOnNodes, "digest": Digest} {
		if n, err := ParseNodes(text, noon); err != nil || n.View != view {
			t.Errorf("%q: view %v, %v", text, n.View, err)
		}
	}
	if n, err := ParseNodes("", noon); err != nil || !reflect.DeepEqual(n, Nodes{}) {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestEventsFields(t *testing.T) {
	got, err := ParseEvents(
		"--for hpa/web-* -n shop --reason A,B --types Warning --since 2h --until 2026-11-24T11:00 --scaling --exact "+
			"--cluster prod --before 1732400000000.u-1 Insufficient 'cpu now'", noon)
	if err != nil {
		t.Fatal(err)
	}
	want := Events{
		For: Object{Kind: "HorizontalPodAutoscaler", Name: "web-*"}, Namespaces: []string{"shop"},
		Reasons: []string{"A", "B"}, Types: []string{"Warning"},
		Since: Moment{Ago: 2 * time.Hour}, Until: Moment{At: noon.Add(-time.Hour)}, Scaling: true, Exact: true,
		Cluster: "prod",
		Before:  Cursor{At: time.UnixMilli(1732400000000).UTC(), UID: "u-1"}, Text: []string{"Insufficient", "cpu now"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	filter := query.EventFilter{
		Kind: "HorizontalPodAutoscaler", Name: "web-*", Spaces: want.Namespaces, Reasons: want.Reasons, Types: want.Types,
		Text: want.Text, Scaling: true,
		Since: noon.Add(-2 * time.Hour), Until: noon.Add(-time.Hour),
	}
	if diff := cmp.Diff(filter, got.Filter(noon)); diff != "" {
		t.Error(diff)
	}
	if e, err := ParseEvents("", noon); err != nil || !reflect.DeepEqual(e, Events{}) ||
		!reflect.DeepEqual(e.Filter(noon), query.EventFilter{}) {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestKinds(t *testing.T) {
	for names, kind := range map[string]string{
		"node no Node nodes NODES": "Node",
		"pod po pods":              "Pod",
		"deployment deploy deployments deployments.apps":         "Deployment",
		"replicaset rs replicasets ReplicaSet":                   "ReplicaSet",
		"horizontalpodautoscaler hpa HorizontalPodAutoscaler":    "HorizontalPodAutoscaler",
		"horizontalpodautoscalers.autoscaling hpas":              "HorizontalPodAutoscaler",
		"nodeclaim nodeclaims nodeclaims.karpenter.sh NodeClaim": "NodeClaim",
		"nodepool nodepools":                                     "NodePool",
		"daemonset ds daemonsets":                                "DaemonSet",
		"statefulset sts":                                        "StatefulSet",
		"job jobs":                                               "Job",
		"cronjob cj cronjobs":                                    "CronJob",
		"configmap cm":                                           "ConfigMap",
		"service svc":                                            "Service",
		"namespace ns":                                           "Namespace",
		"persistentvolumeclaim pvc persistentvolumeclaims":       "PersistentVolumeClaim",
		"persistentvolume pv":                                    "PersistentVolume",
		"Widget Widget.example.com":                              "Widget",
	} {
		for name := range strings.FieldsSeq(names) {
			o, err := ParseObject(name + "/x")
			if err != nil || o != (Object{kind, "x"}) {
				t.Errorf("%s: %+v, %v", name, o, err)
			}
			if again, err := ParseObject(o.String()); err != nil || again != o {
				t.Errorf("%s: %+v prints as %s", name, o, o)
			}
		}
	}
	seen := map[string]string{}
	for _, k := range kinds {
		if got, ok := knownKind(k.kind); !ok || got.kind != k.kind {
			t.Errorf("%s is not called by its own name", k.kind)
		}
		for _, n := range k.names {
			if seen[n] != "" || n != strings.ToLower(n) {
				t.Errorf("%s of %s: also of %q", n, k.kind, seen[n])
			}
			seen[n] = k.kind
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90m": 90 * time.Minute, "1.5h": 90 * time.Minute, "1d12h": 36 * time.Hour, "2w": 14 * day,
		"1w2d3h4m5s": week + 2*day + 3*time.Hour + 4*time.Minute + 5*time.Second,
		"1.5s":       2 * time.Second, "1500ms": 2 * time.Second, "0.5d": 12 * time.Hour, ".5h": 30 * time.Minute,
		"36525d": longest, "2h.": 2 * time.Hour, "1h0m": time.Hour,
		"30m1h": 90 * time.Minute, "2000000µs": 2 * time.Second,
		"2 h": 2 * time.Hour, "2hours": 2 * time.Hour, "2 days": 2 * day, "1 day 12 hours": 36 * time.Hour,
		"1 day, 12 hours": 36 * time.Hour, "1h and 30 minutes": 90 * time.Minute, "1d 12h": 36 * time.Hour,
		"1h 30m": 90 * time.Minute, "2H": 2 * time.Hour, "90sec": 90 * time.Second, "10min": 10 * time.Minute,
		"2weeks": 2 * week, "2wks": 2 * week, "1.5 hours": 90 * time.Minute,
	} {
		got, err := ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
		if again, err := ParseDuration(FormatDuration(got)); err != nil || again != got {
			t.Errorf("%s prints as %s", text, FormatDuration(got))
		}
	}
	// What cannot be read, and the nearest form.
	for text, near := range map[string]string{
		"": "", "2": "", "0": "", "0s": "", "0.1s": "", "36526d": "", "99999999999999999w": "", "abc": "", "h2": "", "-": "",
		"1h-2m": "", "2..5h": "", "10000000000000000000d": "", "1732525200": "", "2h 404": "", "2h 30": "",
		"-2h": "2h", "+2h": "2h", "1,5h": "1h30m", "2h30": "2h30m", "hour": "1h", "an hour": "1h", "1mo": "30d", "2M": "2m",
		"3 months": "90d", "1y": "365d", "2h 3d": "3d2h",
	} {
		_, err := ParseDuration(text)
		m := asMistake(err)
		if m == nil || m.Nearest != near || m.Text != text || m.Nearest == "" && m.Example == "" {
			t.Errorf("%q: %+v; want nearest %q", text, m, near)
			continue
		}
		if near != "" {
			if _, err := ParseDuration(near); err != nil {
				t.Errorf("%q: the nearest form is wrong: %v", text, err)
			}
		}
	}
}

func TestParseMoment(t *testing.T) {
	for text, near := range map[string]string{
		"09:00": "2026-11-24T09:00", "9:00": "2026-11-24T09:00", "13:30": "2026-11-23T13:30", "today": "2026-11-24",
		"Yesterday":  "2026-11-23",
		"2026/11/24": "2026-11-24", "2026.11.24": "2026-11-24", "2026/11/24 09:00": "2026-11-24T09:00",
		"yesterday 9am": "2026-11-23T09:00", "yesterday at 9:30 p.m.": "2026-11-23T21:30", "9am": "2026-11-24T09:00",
		"9 am": "2026-11-24T09:00", "noon": "2026-11-24T12:00", "1pm": "2026-11-23T13:00", "12am": "2026-11-24",
		"today 09:15": "2026-11-24T09:15", "last monday": "2026-11-23", "tue 9am": "2026-11-24T09:00",
		"tue 1pm": "2026-11-17T13:00", "25 Nov": "2025-11-25", "Nov 23, 2026": "2026-11-23", "23-Nov-2026": "2026-11-23",
		"Nov 23 9am UTC": "2026-11-23T09:00", "13:30 UTC": "2026-11-23T13:30", "1795510800": "2026-11-24T09:00",
		"1795510800000": "2026-11-24T09:00", "Mon, 24 Nov 2026": "", "30 Feb": "", "25:00 UTC": "", "13am": "",
		"yesterday today": "", "9am IST": "", "2026-11-24T09:00 +25:00": "", "3h59m (x5035 over 7d)": "3h59m",
		"last week": "1w", "24.11.2026": "2026-11-24",
		"11/24/2026": "2026-11-24", "24/11/2026": "2026-11-24", "1/2/2026": "", "5.6.2026": "2026-06-05", "2026-02-30": "",
		"2026-11-24T25:00": "",
		"1700-01-01":       "", "2400-01-01": "", "now": "",
	} {
		_, err := ParseMoment(text, noon)
		m := asMistake(err)
		if m == nil || m.Nearest != near || m.Nearest == "" && m.Example == "" {
			t.Errorf("%q: %+v; want nearest %q", text, m, near)
		}
	}
	for text, want := range map[string]string{
		"2026-11-24 09:00": "2026-11-24T09:00", "2026-1-2": "2026-01-02", "2 h": "2h", "2h ago": "2h",
		"the last 2 hours": "2h", "past 1d 12h": "1d12h", "2026-11-24 09:00:07": "2026-11-24T09:00:07Z",
		"2026-11-24T09:00:00 +05:30": "2026-11-24T03:30", "2026-11-24T09:00:00+05:30": "2026-11-24T03:30",
		"2026-11-24T09:00:00.123456 +0530": "2026-11-24T03:30", "2026-11-24 09:00:00 +0530 IST": "",
		"2026-11-24 09:00:00 UTC": "2026-11-24T09:00", "2026-11-24 09:00 -05:00": "2026-11-24T14:00",
		"10:30 UTC": "2026-11-24T10:30", "10:30Z": "2026-11-24T10:30", "9am CET": "2026-11-24T08:00",
		"yesterday 9am +05:30": "2026-11-23T03:30", "today 14:00 KST": "2026-11-24T05:00",
		"yesterday UTC": "2026-11-23", "2026-11-24 UTC+2": "2026-11-23T22:00",
		"Tue, 24 Nov 2026 09:15:00 +0100": "2026-11-24T08:15", "Tue Nov 24 09:15:00 UTC 2026": "2026-11-24T09:15",
		"24 Nov 2026 9:15 pm GMT": "2026-11-24T21:15", "Nov 24th, 2026 at 9am UTC": "2026-11-24T09:00",
	} {
		m, err := ParseMoment(text, noon)
		if m.String() != want || (err == nil) != (want != "") {
			t.Errorf("%q: %s (%v), want %q", text, m, err, want)
		}
	}
	if m := (Moment{}); !m.IsZero() || m.String() != "" || !m.Time(noon).IsZero() {
		t.Error("the zero moment is one")
	}
	m, err := ParseMoment("2026-11-24T13:00:00.5+01:00", noon)
	if err != nil || !m.Time(noon).Equal(noon) || m.String() != "2026-11-24T12:00" {
		t.Errorf("%v, %v", m, err)
	}
}

func TestParseSelectorNearest(t *testing.T) {
	for text, near := range map[string]string{
		"": "", "a b": "", "a=b c=d": "", "a=b*": "", "a in ()x": "", "!a=b": "a!=b", "-a=b": "", "a=~b": "", "a>x": "",
		"a=b=c":   "",
		"app:web": "app=web", "a:b,c:d": "a=b,c=d", "a=b,": "a=b", ",a=b": "a=b", "a=b,,c": "a=b,c", "a=b;c=d": "a=b,c=d",
		"a=b&c=d": "a=b,c=d", `a="b"`: "a=b",
		"e in (a,b": "e in (a,b)", "e in [a,b]": "e in (a,b)", "e IN (a,b)": "e in (a,b)", "e not in (a,b)": "e notin (a,b)",
		"e in a,b": "e in (a,b)", "n>=5": "n>4", "n<=5": "n<6",
	} {
		_, err := ParseSelector(text)
		m := asMistake(err)
		if m == nil || m.Nearest != near || m.Nearest == "" && m.Example == "" || m.End > len(text) {
			t.Errorf("%q: %+v; want nearest %q", text, m, near)
		}
	}
}

func TestValues(t *testing.T) {
	if got, err := ParseGlobs("m5.*, c6i.?,"); err != nil || !slices.Equal(got, []string{"m5.*", "c6i.?"}) {
		t.Errorf("%q, %v", got, err)
	}
	c := Cursor{At: time.UnixMilli(1732400000123).UTC(), UID: "0f3c.a-b"}
	if got, err := ParseCursor(c.String()); err != nil || got != c {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "x", "1732400000123", "1732400000123.", ".u", "99999999999999999999.u", "1.a b"} {
		if _, err := ParseCursor(bad); asMistake(err) == nil {
			t.Errorf("%q is a place", bad)
		}
	}
}

func TestReports(t *testing.T) {
	for text, want := range map[string]Nodes{
		"waiting": {View: Waiting}, "kept --cluster eu": {View: Kept, Cluster: "eu"},
		"spot": {View: Spot}, "spot --since 7d": {View: Spot, Since: Moment{Ago: 168 * time.Hour}},
		"costs --since 30d --by cause": {View: Costs, Since: Moment{Ago: 720 * time.Hour}, By: query.ByCause},
		"COSTS --by pool":              {View: Costs, By: query.ByPool},
	} {
		got, err := ParseNodes(text, noon)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("/nodes %s: %+v, %v; want %+v", text, got, err, want)
		}
		if back, err := ParseNodes(got.String(), noon); err != nil || !reflect.DeepEqual(back, want) {
			t.Errorf("/nodes %s is written back as %q: %v", text, got, err)
		}
	}
	for text, fix := range map[string]string{
		"costs 7d":               "/nodes costs --since 1w",
		"waiting --since 7d":     "/nodes waiting",
		"kept --pool general":    "/nodes kept",
		"spot --by zone":         "/nodes spot",
		"costs --by team":        "/nodes costs",
		"costs --by arch":        "/nodes costs",
		"--by cause":             "/nodes costs --by cause",
		"list --by cause":        "/nodes costs --by cause",
		"digest --by cause":      "/nodes digest",
		"costs --spot --by zone": "/nodes costs --by zone",
	} {
		_, err := ParseNodes(text, noon)
		m, ok := errors.AsType[*Mistake](err)
		if !ok || m.Fix != fix {
			t.Errorf("/nodes %s: %v (%+v), want the fix %s", text, err, m, fix)
		}
	}
	for text, near := range map[string]string{"pending": "/nodes waiting", "cost": "/nodes costs", "blocked": "/nodes kept"} {
		n, err := ParseNodes(text, noon)
		if err != nil || n.Nearest() != near {
			t.Errorf("/nodes %s: %q, %v; want %s", text, n.Nearest(), err, near)
		}
	}
}

func TestNearest(t *testing.T) {
	for whole, want := range map[string]string{
		"/nodes lits": "/nodes list", "/nodes hlep": "/nodes help", "/nodes reserved": "/nodes --reserved",
		"/nodes notready": "/nodes --not-ready", "/nodes on-demand": "/nodes --on-demand",
		"/nodes zones": "/nodes --by zone", "/nodes by-zone": "/nodes --by zone", "/nodes m5.large": "/nodes --type m5.large",
		"/nodes eu-west-1a":    "/nodes --zone eu-west-1a",
		"/nodes us-central1-a": "/nodes --zone us-central1-a", "/nodes arm64": "/nodes --arch arm64",
		"/nodes list eu-west-1b --zone eu-west-1a": "/nodes list --zone eu-west-1a --zone eu-west-1b",
		"/nodes list web":                          "", "/nodes node/summary": "/nodes",
		"/nodes ip-10-0-0-1.ec2.internal": "", "/nodes web": "", "/nodes gke-prod-pool-1a2b": "", "/nodes": "",
		"/nodes list":             "",
		"/nodes --by zoen --spot": "/nodes --spot --by zone", "/nodes --by team": "", "/nodes --by zone": "",
		"/events normal": "/events --types Normal", "/events scale -n a": "/events -n a --scaling",
		"/events get":  "/events",
		"/events hlep": "/events help", "/events --for Podd/x": "/events --for pod/x", "/events --for Widget/x": "",
		"/events OOMKilled": "", "/events a b": "", "/events": "",
	} {
		command, text, _ := strings.Cut(whole, " ")
		var got string
		if command == "/nodes" {
			n, err := ParseNodes(text, noon)
			if err != nil {
				t.Errorf("%s: %v", whole, err)
			}
			got = n.Nearest()
		} else {
			e, err := ParseEvents(text, noon)
			if err != nil {
				t.Errorf("%s: %v", whole, err)
			}
			got = e.Nearest()
		}
		if got != want {
			t.Errorf("%s: nearest %q, want %q", whole, got, want)
		}
		if got != "" {
			if _, err := parse(t, got); err != nil {
				t.Errorf("%s: the nearest is wrong: %v", whole, err)
			}
		}
	}
}

// wrongTexts are the inputs of the golden file: every kind of mistake.
var wrongTexts = strings.Split(strings.TrimSpace(`
/nodes --tpye m5.*
/nodes --foo
/nodes --tpye m5.* --olde 2hours
/nodes --sel app=web
/nodes --l app=web
/nodes -label app=web
/nodes --labels app=web
/nodes -type m5.*
/nodes -z
/nodes -5
/nodes --=x
/nodes --ready
/nodes --name web
/nodes --nodepool general
/nodes --sort-by age
/nodes --region eu-west-1
/nodes -o wide
/nodes --types Warning
/nodes --types m5.*
/nodes --reason Failed*
/nodes --for pod/web
/nodes -n
/nodes --scaling
/nodes --type
/nodes --type --spot
/nodes --type=
/nodes --type ,
/nodes -l
/nodes -l ''
/nodes --spot=yes
/nodes --spot=
/nodes --spot true
/nodes --help=maybe
/nodes -hx
/nodes --type m5.(large|xlarge)
/nodes --type {m5,c6i}.large
/nodes --type m5.+
/nodes --type [mc]5.large
/nodes --type 'm5 large'
/nodes --type m5.lärge
/nodes --pool <@U123|ada>
/nodes --pool a,<@U123|ada>
/nodes --cluster <#C123|ops>
/nodes -l <@U123|ada>
/nodes --by <@U123|ada>
/nodes --arch arm64,x86_64
/nodes --capacity od
/nodes --capacity spot,sopt
/nodes --capacity cheap
/nodes --older 2h 3d
/nodes --older 2mo
/nodes --older "2 months"
/nodes --older 2
/nodes --older 0
/nodes --older -2h
/nodes --older 100ms
/nodes --older 6000w
/nodes --older soon
/nodes --older 2h --older 3h
/nodes --older 2h --newer 1h
/nodes --older 2h --newer 2h
/nodes --removed --not-ready
/nodes --removed --cordoned --spot
/nodes list --since 2h
/nodes digest --spot
/nodes digest 7d
/nodes digets --since 7d
/nodes digest --since 7d --page 2
/nodes digest --removed --since 7d
/nodes --removed --since yesterday 9am
/nodes --removed --since 9am IST
/nodes --removed --since 1732525200
/nodes --removed since 2h
/nodes list --removed since 2h
/nodes by zone
/nodes --zone a and b
/nodes --zone "us-east-1a or us-east-1b"
/nodes | grep web
/nodes list --spot | wc -l
/nodes --removed --since 09:00
/nodes --removed --since yesterday
/nodes --removed --since 24.11.2026
/nodes --removed --since 2026-02-30
/nodes --removed --since 2027-01-01
/nodes --removed --since 1800-01-01
/nodes --removed --since soon
/nodes --by a b
/nodes --by "a b"
/nodes --by zone,type
/nodes --by zone --by type
/nodes --by a/b/c
/nodes --sort age
/nodes --sort random
/nodes --page 0
/nodes --page -1
/nodes --page last
/nodes --page 999999999
/nodes --cluster a --cluster b
/nodes -l env in (a,b
/nodes -l env in a
/nodes -l app:web
/nodes -l cpu>=5
/nodes -l cpu>high
/nodes -l app=web*
/nodes -l app=~web
/nodes -l app=web,
/nodes -l a=b,,c=d
/nodes -l 'app web'
/nodes -l -app=web
/nodes -l '!app=web'
/nodes -l 'a=b)'
/nodes -l 'a IN (b)'
/nodes web db
/nodes not ready
/nodes --not ready
/nodes mute 1h
/nodes unmute
/nodes why
/nodes web show
/nodes lits --spot
/nodes lits web
/nodes Standard_D4s_v3
/nodes web --spot
/nodes web --page 2
/nodes sumary --spot
/nodes node
/nodes app=web
/nodes pod/web
/nodes web/1
/nodes web_1
/nodes ...
/nodes <@U123|ada>
/nodes list app=web
/nodes list a,b_c
/nodes --type "m5.*
/nodes 'web
/nodes help tpye
/nodes help sort-by
/nodes help quux
/nodes help type zone
/nodes /events --scaling
/events --type m5.*
/events --type Warning
/events --type
/events --types m5.*
/events --types warnin
/events --types errors
/events --types debug
/events --tpyes Warning
/events --zone a
/events -l app=web
/events --field-selector reason=Failed
/events --since-time 2026-11-24
/events --ns shop
/events --pod web
/events --warnings
/events --limit 5
/events -w
/events -foo
/events -An shop
/events --for
/events --for node web-1
/events --for web-1
/events --for podd/x
/events --for podd
/events --for zzz/x
/events --for widgets.example.com/a
/events --for pod/shop/web
/events --for node/a,node/b
/events --for pod/web(1)
/events --for <@U123|ada>
/events --for pod/<@U123|ada>
/events --for pod/a --for pod/b
/events --for node/x -n shop
/events -n shop_1
/events -n shop -A
/events -n <#C123|ops>
/events --reason Failed.*
/events --reason ^Failed
/events --reason Failed(Scheduling|Mount)
/events --since 1h --until 2h
/events --since 1h --until 1h
/events --since 2027-01-01
/events --since 2 months
/events --since yesterday 9am OOM
/events --until 13:30 UTC
/events --since 3h59m (x5035 over 7d)
/events --since 2h +05:30
/events --since 2026-11-24T09:00 CST
/events since 2h
/events last 2h
/events | grep OOM
/events --since 1h | grep -i 'Back off'
/events --since 2026-11-24T09:00 pm
/events --scaling no
/events --before x
/events --before 1.a --after 2.b
/events "Insufficient cpu
/events mute 1h
/events why web-1
/events help me
/events help tpes
/events /nodes list
`), "\n")

func TestMistakes(t *testing.T) {
	texts := append(slices.Clone(wrongTexts), "/nodes "+strings.Repeat("x", 2001), "/events "+strings.Repeat("x ", 51),
		"/events "+strings.Repeat("x", 1900))
	var b strings.Builder
	for _, whole := range texts {
		_, err := parse(t, whole)
		m := asMistake(err)
		if m == nil {
			t.Errorf("%q is right", whole)
			continue
		}
		checkMistake(t, m)
		before, bad, after := m.Marked()
		place := before + "⟦" + bad + "⟧" + after
		if len(place) > 200 {
			before, bad, after = clipped(before), clipped(bad), clipped(after)
			place, whole = before+"⟦"+bad+"⟧"+after, clipped(whole)
		}
		b.WriteString(whole + "\n    " + place + "\n    " + m.Error() + "\n")
		if m.Fix != "" {
			b.WriteString("    ▸ " + m.Fix + "\n")
		}
		b.WriteString("\n")
	}
	golden := filepath.Join("testdata", "mistakes.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("run go test -update and read the difference:\n%s", diff)
	}
}

func clipped(s string) string {
	if len(s) > 30 {
		return s[:20] + "…"
	}
	return s
}

// checkMistake holds a mistake to what all of them promise.
func checkMistake(t testing.TB, m *Mistake) {
	t.Helper()
	if m.At < 0 || m.End < m.At || m.End > len(m.Text) {
		t.Fatalf("the place %d to %d is not in %q", m.At, m.End, m.Text)
	}
	for _, at := range []int{m.At, m.End} {
		if at < len(m.Text) && !utf8.RuneStart(m.Text[at]) {
			t.Errorf("the place %d is within a rune of %q", at, m.Text)
		}
	}
	switch {
	case m.Command == "" || m.Problem == "" || !utf8.ValidString(m.Error()):
		t.Errorf("the mistake is incomplete: %+v", m)
	case strings.Contains(m.Error(), "\n") || strings.HasSuffix(m.Problem, "."):
		t.Errorf("the mistake is not a line: %q", m.Error())
	case strings.Contains(strings.ToLower(m.Problem), "invalid"):
		t.Errorf("the mistake says nothing: %q", m.Error())
	case m.Nearest == "" && m.Example == "" && !strings.Contains(m.Problem, "help lists them") &&
		!strings.Contains(m.Problem, "Older and Newer"):
		t.Errorf("the mistake says not what is right: %q", m.Error())
	}
	if m.Fix != "" {
		if _, err := parse(t, m.Fix); err != nil {
			t.Errorf("%q: what would be right is wrong: %q: %v", m.Text, m.Fix, err)
		}
	}
}

func TestExactPlace(t *testing.T) {
	for text, want := range map[string]string{
		"--type a,b[,c":           "[",
		"--capacity 'spot, sopt'": "sopt",
		"--older “2 months”":      `"2 months"`,
		"—tpye x":                 "--tpye",
		"--pool=“a,ä”":            "ä",
		"-lapp:web --spot":        "app:web",
		"list ok äh":              "ä",
	} {
		_, err := ParseNodes(text, noon)
		m := asMistake(err)
		if m == nil {
			t.Errorf("%q is right", text)
			continue
		}
		if _, bad, _ := m.Marked(); bad != want {
			t.Errorf("%q: marked %q, want %q", text, bad, want)
		}
	}
}

func TestBounds(t *testing.T) {
	if _, err := ParseEvents(strings.Repeat("ä", 1790), noon); err != nil {
		t.Error(err)
	}
	if _, err := ParseEvents(strings.Repeat("x ", 50), noon); err != nil {
		t.Error(err)
	}
	e, err := ParseEvents(strings.Repeat("x", 1800), noon)
	if err != nil {
		t.Fatal(err)
	}
	e.Before = Cursor{noon, strings.Repeat("u", 128)}
	if n := utf8.RuneCountInString(e.String()); n > MaxLength {
		t.Errorf("with a place in the list the text has %d characters", n)
	}
	if err := e.Validate(noon); err != nil {
		t.Error(err)
	}
	for _, s := range []string{"<", "&", "'", `"`, "(", "-l (", "—", "\xff", "a,", "--type ,", "\u200b", "<a://"} {
		start := time.Now()
		ParseNodes(strings.Repeat(s, 1_000_000/len(s)), noon)
		ParseNodes(strings.Repeat(s, 2000/utf8.RuneCountInString(s)), noon)
		ParseEvents(strings.Repeat(s, 2000/utf8.RuneCountInString(s)), noon)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%q again and again takes %v", s, took)
		}
	}
}

func TestForms(t *testing.T) {
	var n Nodes
	n.View = List
	for flag, value := range map[string]string{
		"type": "m5.*, c6i.*", "selector": "env in (a,b)", "spot": "true", "older": "90m", "by": "Zone", "sort": "oldest",
		"cluster": "prod", "page": "2",
	} {
		if err := n.Set(flag, value, noon); err != nil {
			t.Errorf("%s: %v", flag, err)
		}
	}
	if want := "list -l 'env in (a,b)' --type m5.*,c6i.* --spot --older 1h30m --by zone --sort oldest --page 2 " +
		"--cluster prod"; n.String() != want {
		t.Errorf("got %q", n.String())
	}
	if err := n.Validate(noon); err != nil {
		t.Error(err)
	}
	for flag, want := range map[string]string{"type": "m5.*,c6i.*", "capacity": "spot", "spot": "true", "older": "1h30m",
		"zone": "", "not-ready": "", "nonsense": "", "page": "2"} {
		if got := n.Value(flag); got != want {
			t.Errorf("%s is %q, want %q", flag, got, want)
		}
	}
	if err := n.Set("older", "2mo", noon); err == nil || asMistake(err).Nearest != "60d" || n.Older != 90*time.Minute {
		t.Errorf("%v, %v", err, n.Older)
	}
	if err := n.Set("type", "r5.*", noon); err != nil || !slices.Equal(n.Types, []string{"r5.*"}) {
		t.Errorf("a form replaces: %q, %v", n.Types, err)
	}
	if err := n.Set("type", "", noon); err != nil || n.Types != nil {
		t.Errorf("an empty field takes away: %q, %v", n.Types, err)
	}
	if err := n.Set("nonsense", "x", noon); asMistake(err) == nil {
		t.Errorf("there is no such flag: %v", err)
	}
	n.Removed, n.NotReady = true, true
	if err := n.Validate(noon); asMistake(err) == nil {
		t.Error("the conflict is not found")
	} else if _, bad, _ := asMistake(err).Marked(); bad != "--not-ready" {
		t.Errorf("marked %q", bad)
	}

	var e Events
	if err := e.SetText("Insufficient “cpu now” &amp; --x"); err != nil ||
		!slices.Equal(e.Text, []string{"Insufficient", "cpu now", "&amp;", "--x"}) {
		t.Errorf("%q, %v", e.Text, err)
	}
	if err := e.Validate(noon); err != nil {
		t.Error(err)
	}
	if err := e.SetText(`"a`); asMistake(err) == nil {
		t.Error("an open quote is right")
	}
	if err := e.Set("for", "deploy/web", noon); err != nil || e.Value("for") != "deployment/web" {
		t.Errorf("%v, %v", e.Value("for"), err)
	}
}

func TestHelp(t *testing.T) {
	check := func(h Help) {
		if len(h.Examples) < 4 || len(h.Examples) > 6 {
			t.Errorf("%s has %d examples", h.Command, len(h.Examples))
		}
		for _, l := range h.Examples {
			got, err := parse(t, l.Text)
			if err != nil || l.Meaning == "" {
				t.Errorf("%s: %v", l.Text, err)
			}
			if strings.Contains(l.Text, " ") && got == h.Command {
				t.Errorf("%s asks for nothing", l.Text)
			}
		}
		words := Words(h.Command)
		for _, f := range h.Flags {
			text := h.Command + " --" + f.Name
			if f.Value != "" {
				text += " " + f.Example
			}
			switch f.Name {
			case "since":
				if h.Command == "/nodes" {
					text += " --removed"
				}
			case "exact":
				text += " --for pod/x"
			}
			if _, err := parse(t, text); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			for _, c := range f.Choices {
				if _, err := parse(t, h.Command+" --"+f.Name+" "+c); err != nil {
					t.Errorf("--%s %s: %v", f.Name, c, err)
				}
			}
			if f.Meaning == "" || len(f.Meaning) > 75 || f.Value != "" && f.Example == "" {
				t.Errorf("--%s is not explained", f.Name)
			}
			if !slices.Contains(words, "--"+f.Name) || f.Short != "" && !slices.Contains(words, "-"+f.Short) {
				t.Errorf("--%s is not completed", f.Name)
			}
			about := h.About(f.Name)
			if len(about.Flags) != 1 || len(about.Examples) == 0 {
				t.Errorf("help %s: %+v", f.Name, about)
			}
			if _, err := parse(t, h.Command+" help "+f.Name); err != nil {
				t.Error(err)
			}
		}
		for _, verb := range words[:slices.IndexFunc(words, func(w string) bool { return w[0] == '-' })] {
			if got := h.About(verb); len(got.Usage) == 0 {
				t.Errorf("%s help %s says nothing", h.Command, verb)
			}
		}
		if got := h.About(""); !reflect.DeepEqual(got, h) {
			t.Error("help without a topic is not all of it")
		}
	}
	check(NodesHelp)
	check(EventsHelp)
	if Words("/other") != nil {
		t.Error("there are words of another command")
	}
	if slices.Contains(Words("/events"), "--before") {
		t.Error("the buttons' flags are completed")
	}
	// What people write instead of a flag of ours must not be one, and what is meant must be.
	for name, f := range wrongNodeFlags {
		if nodeGrammar.find(name) != nil {
			t.Errorf("--%s is a flag of /nodes", name)
		}
		if right, _, _ := strings.Cut(strings.TrimLeft(f.right, "-"), " "); right != "" && nodeGrammar.find(right) == nil {
			t.Errorf("--%s: %s is none", name, f.right)
		}
	}
	for name, f := range wrongEventFlags {
		if eventGrammar.find(name) != nil {
			t.Errorf("--%s is a flag of /events", name)
		}
		if right, _, _ := strings.Cut(strings.TrimLeft(f.right, "-"), " "); right != "" && eventGrammar.find(right) == nil {
			t.Errorf("--%s: %s is none", name, f.right)
		}
	}
}

func FuzzParseNodes(f *testing.F) {
	seed(f, "/nodes")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseNodes(text, noon)
		if err != nil {
			checkMistake(t, asMistake(err))
			return
		}
		s := n.String()
		again, err := ParseNodes(s, noon)
		if err != nil || !reflect.DeepEqual(again, n) || again.String() != s {
			t.Fatalf("%q prints as %q, which is %+v and not %+v (%v)", text, s, again, n, err)
		}
		if near := n.Nearest(); near != "" {
			if _, err := parse(t, near); err != nil {
				t.Errorf("%q: nearest %q: %v", text, near, err)
			}
		}
		n.Filter(noon)
		checkForm(t, NodesHelp, n, func(flag string) (Nodes, error) {
			m := n
			err := m.Set(flag, n.Value(flag), noon)
			return m, err
		})
	})
}

// checkForm checks that a form which shows what a request has, and is submitted as it is, changes nothing.
func checkForm[R any](t *testing.T, help Help, r R, again func(flag string) (R, error)) {
	t.Helper()
	for _, f := range help.Flags {
		if slices.Contains([]string{"spot", "on-demand", "reserved"}, f.Name) {
			continue // other words for --capacity, which forms leave out: they may put its values in another order
		}
		if got, err := again(f.Name); err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("--%s, set to what it is, makes %+v of %+v (%v)", f.Name, got, r, err)
		}
	}
}

func FuzzParseEvents(f *testing.F) {
	seed(f, "/events")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseEvents(text, noon)
		if err != nil {
			checkMistake(t, asMistake(err))
			return
		}
		s := e.String()
		again, err := ParseEvents(s, noon)
		if err != nil || !reflect.DeepEqual(again, e) || again.String() != s {
			t.Fatalf("%q prints as %q, which is %+v and not %+v (%v)", text, s, again, e, err)
		}
		if near := e.Nearest(); near != "" {
			if _, err := parse(t, near); err != nil {
				t.Errorf("%q: nearest %q: %v", text, near, err)
			}
		}
		e.Filter(noon)
		checkForm(t, EventsHelp, e, func(flag string) (Events, error) {
			m := e
			err := m.Set(flag, e.Value(flag), noon)
			return m, err
		})
	})
}

// seed gives a fuzz target all texts of the command.
func seed(f *testing.F, command string) {
	for _, tt := range right {
		if text, ok := strings.CutPrefix(tt.text, command); ok {
			f.Add(strings.TrimSpace(text))
		}
	}
	for _, whole := range wrongTexts {
		if text, ok := strings.CutPrefix(whole, command); ok {
			f.Add(strings.TrimSpace(text))
		}
	}
}
