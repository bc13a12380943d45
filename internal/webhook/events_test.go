package webhook_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"

	"rollcall/internal/alert"
	"rollcall/internal/alert/alerttest"
	"rollcall/internal/deliver"
	"rollcall/internal/digest"
	"rollcall/internal/fleet"
	"rollcall/internal/message"
	"rollcall/internal/wave"
	"rollcall/internal/webhook"
	"rollcall/internal/webhook/webhooktest"
)

var update = flag.Bool("update", false, "rewrite the examples in the documentation")

var (
	t0     = time.Date(2026, 11, 22, 9, 12, 0, 0, time.UTC)
	stamp  = deliver.Stamp{Seq: 41, Now: t0.Add(2 * time.Second)}
	events = webhook.Events{Cluster: "prod", Price: func(fleet.Machine) fleet.Price {
		return fleet.Price{USD: 0.096, Known: true, AtMost: true, Source: "list price of on-demand"}
	}}
	demand = fleet.Explanation{Strength: 3, Pods: 2, Cause: fleet.Cause{Kind: fleet.Demand, By: fleet.Karpenter,
		Why: "from 14 to 52, cpu above target",
		For: fleet.Workload{Kind: "Deployment", Namespace: "shop", Name: "checkout"}}}
)

func node() fleet.Node {
	return fleet.Node{Cluster: "prod", UID: "0b1f7c1e-5d0c-4a57-9a2b-3f6f2f3f9f11", Name: "ip-10-0-0-1.ec2.internal",
		Provider: "aws", InstanceType: "m5.large", CapacityType: "spot", Zone: "us-east-1b", Region: "us-east-1",
		Pool: "general", Arch: "amd64", OS: "linux", Labels: map[string]string{"team": "shop"}, CreatedAt: t0,
		Detail: fleet.Detail{ProviderID: "aws:///us-east-1b/i-0abc", KubeletVersion: "v1.36.3",
			Capacity: fleet.Resources{MilliCPU: 2000, Memory: 8 << 30, Pods: 29}}}
}

func change(kind fleet.ChangeKind) fleet.Change {
	return fleet.Change{ID: 7, Cluster: "prod", NodeUID: node().UID, NodeName: node().Name, Kind: kind, Occurrence: 1, At: t0,
		Proof: fleet.ProofObject}
}

// schema says what is wrong with an event.
func schema(t *testing.T) func([]byte) error {
	t.Helper()
	validate, err := webhooktest.Schema()
	if err != nil {
		t.Fatal(err)
	}
	return validate
}

// valid holds an event to the schema and to what a CloudEvent is.
func valid(t *testing.T, validate func([]byte) error, d wave.Delivery, err error) wave.Delivery {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var e cloudevents.Event
	if err := json.Unmarshal(d.Body, &e); err != nil {
		t.Fatal(err)
	}
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
	if e.ID() != d.Key || e.Type() != d.Type {
		t.Errorf("event %s of type %s is recorded as %s of type %s", e.ID(), e.Type(), d.Key, d.Type)
	}
	if err := validate(d.Body); err != nil {
		t.Errorf("%v\n%s", err, d.Body)
	}
	if len(d.Body) > 64<<10 {
		t.Errorf("an event of type %s has %d bytes", d.Type, len(d.Body))
	}
	return d
}

// The examples in the documentation are what the program sends.
func TestExamples(t *testing.T) {
	validate := schema(t)
	root, err := webhooktest.Root()
	if err != nil {
		t.Fatal(err)
	}
	away := change(fleet.Removed)
	away.NotBefore, away.Proof, away.GapID = t0.Add(-9*time.Minute), fleet.ProofNone, 3
	waiting := wave.Wave{ID: 12, Key: "ledger-12-abcdefghijklm", Cluster: "prod", Kind: wave.KindWaiting, OpenedAt: t0,
		Main: wave.Posting{Channel: "C0ONCALL"}, Look: wave.Look{By: "U0ADA", Name: "ada", At: t0.Add(time.Minute)},
		About: wave.About{Standing: &wave.Standing{Key: "k", Since: t0.Add(-12 * time.Minute)},
			Waiting: &wave.Waiting{Waiting: fleet.Waiting{
				State: fleet.Refused, Refusal: fleet.Refusal{Kind: fleet.AtLimit, By: fleet.Karpenter, Pool: "gpu"}, Pods: 4,
				Since: t0.Add(-12 * time.Minute), For: []fleet.PodsOf{{Workload: demand.For, Pods: 4}}}}}}
	text := alert.Render(waiting, fleet.Totals{}, nil, alert.Config{}).Text
	sum := digest.Summary{Cluster: "prod", Span: digest.Span{From: t0.Add(-24 * time.Hour), Until: t0}, Start: 40, End: 45,
		Peak: 52, Low: 38, Joined: 31, Left: 26, Use: digest.Use{Cost: fleet.Cost{USD: 103.72, Priced: 71}}}
	for name, write := range map[string]func() (wave.Delivery, error){
		"joined": func() (wave.Delivery, error) {
			return events.Change(stamp, wave.FedChange{Change: change(fleet.Joined), Node: node()}, "")
		},
		"removed-while-away": func() (wave.Delivery, error) {
			return events.Change(stamp, wave.FedChange{Change: away, Node: node(), Gap: &fleet.Gap{From: away.NotBefore,
				Until: t0, Cause: "restart", Missed: true}}, deliver.QuietMute)
		},
		"explained": func() (wave.Delivery, error) {
			return events.Cause(stamp, wave.FedCause{Change: change(fleet.Joined), Node: node(), Why: demand})
		},
		"message": func() (wave.Delivery, error) {
			return events.Message(stamp, deliver.FedMessage{Wave: waiting, Phase: deliver.Opened, Text: text, Events: 1})
		},
		"digest": func() (wave.Delivery, error) {
			return events.Digest(stamp, wave.Digest{Posting: wave.Posting{Key: "ledger-digest-prod-1795338720-abcdefghijklm"},
				Schedule: "day"}, sum, "prod: 45 nodes, 31 joined, 26 left, $103.72 a day")
		},
		"missed": func() (wave.Delivery, error) { return events.Missed(stamp, 12) },
		"check":  func() (wave.Delivery, error) { return events.Check(t0) },
	} {
		t.Run(name, func(t *testing.T) {
			d, err := write()
			valid(t, validate, d, err)
			var b bytes.Buffer
			if err := json.Indent(&b, d.Body, "", "  "); err != nil {
				t.Fatal(err)
			}
			b.WriteByte('\n')
			file := filepath.Join(root, "docs", "webhook", name+".json")
			if *update {
				if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, b.Bytes()) {
				t.Errorf("%s is not what is sent; run the test with -update\n%s", file, &b)
			}
		})
	}
}

// Every example in the documentation's folder keeps to the schema, and each is one of the test's.
func TestExamplesAreValid(t *testing.T) {
	validate := schema(t)
	root, err := webhooktest.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "docs", "webhook", "*.json"))
	if err != nil || len(files) != 7 {
		t.Errorf("%q, %v", files, err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err == nil {
			err = validate(body)
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	// And the schema can say no.
	for name, body := range map[string]string{
		"no ID":        `{"specversion":"1.0","source":"/clusters/a","type":"io.rollcall.check.v1","time":"2026-11-22T09:12:00Z","datacontenttype":"application/json","data":{"cluster":"a","text":"b"}}`,
		"another data": `{"specversion":"1.0","id":"evt_aaaaaaaaaaaaaaaaaaaaaaaaaa","source":"/clusters/a","type":"io.rollcall.node.joined.v1","subject":"a","sequence":"0000000000000001","time":"2026-11-22T09:12:00Z","datacontenttype":"application/json","data":{"cluster":"a","text":"b"}}`,
	} {
		if validate([]byte(body)) == nil {
			t.Errorf("%s: it is valid", name)
		}
	}
}

// Every message that people see is a valid event in every phase, and so is every change and every cause.
func TestEverythingIsAnEvent(t *testing.T) {
	validate := schema(t)
	scenes := alerttest.Scenes()
	for _, kind := range alert.Kinds() {
		scenes["plain "+string(kind)] = wave.Wave{Kind: kind, Cluster: "prod", OpenedAt: t0}
	}
	for name, w := range scenes {
		t.Run(name, func(t *testing.T) {
			w.Key = "ledger-1-abcdefghijklm"
			text := alert.Render(w, fleet.Totals{}, nil, alert.Config{}).Text
			for i, phase := range []deliver.Phase{deliver.Opened, deliver.Changed, deliver.Over, deliver.Withdrawn} {
				d, err := events.Message(stamp, deliver.FedMessage{Wave: w, Phase: phase, Text: text, Events: i + 1})
				valid(t, validate, d, err)
			}
		})
	}
	for _, kind := range fleet.ChangeKinds {
		d, err := events.Change(stamp, wave.FedChange{Change: change(kind), Node: node()}, deliver.QuietKind)
		valid(t, validate, d, err)
	}
	for _, kind := range fleet.CauseKinds {
		c := change(fleet.Removed)
		if message.IsComing(kind) {
			c = change(fleet.Joined)
		}
		d, err := events.Cause(stamp, wave.FedCause{Change: c, Node: node(), Why: fleet.Explanation{Strength: 1,
			Cause: fleet.Cause{Kind: kind}}})
		valid(t, validate, d, err)
	}
}

// An event has the same ID each time it is written, and no other has it.
func TestIDs(t *testing.T) {
	validate := schema(t)
	seen := map[string]string{}
	add := func(what string, d wave.Delivery, err error) {
		t.Helper()
		valid(t, validate, d, err)
		if before, ok := seen[d.Key]; ok {
			t.Errorf("%s has the ID of %s", what, before)
		}
		seen[d.Key] = what
	}
	test := events
	test.Cluster = "test"
	for _, e := range []webhook.Events{events, test} {
		for _, kind := range fleet.ChangeKinds {
			for occurrence := range 3 {
				c := change(kind)
				c.Occurrence = occurrence + 1
				d, err := e.Change(stamp, wave.FedChange{Change: c, Node: node()}, "")
				add(fmt.Sprint(e.Cluster, kind, occurrence), d, err)
				later := stamp
				later.Seq++
				again, err := e.Change(later, wave.FedChange{Change: c, Node: node()}, "")
				if err != nil || again.Key != d.Key {
					t.Errorf("the same change is %s and %s, %v", d.Key, again.Key, err)
				}
			}
		}
		for n := range 3 {
			d, err := e.Message(stamp, deliver.FedMessage{Wave: wave.Wave{Key: "k", Kind: wave.KindJoined}, Phase: deliver.Changed,
				Events: n + 1})
			add(fmt.Sprint(e.Cluster, "message", n), d, err)
			why := demand
			why.Strength = n + 1
			d, err = e.Cause(stamp, wave.FedCause{Change: change(fleet.Joined), Node: node(), Why: why})
			add(fmt.Sprint(e.Cluster, "cause", n), d, err)
		}
	}
}

// Whatever a cluster's texts are, an event is valid, and not too large; its source and its subject are what they are
// to be.
func TestHostileTexts(t *testing.T) {
	validate := schema(t)
	nasty := strings.Repeat("<!channel>\u202e\x00\xff&\n", 300)
	n := node()
	n.Name, n.InstanceType, n.CapacityType, n.Zone, n.Region, n.Pool = nasty, nasty, nasty, nasty, nasty, nasty
	n.Labels = map[string]string{}
	for i := range 3000 {
		n.Labels[fmt.Sprint("example.com/label-", i)] = nasty[:60]
	}
	c := change(fleet.Removed)
	c.Reason = nasty
	why := fleet.Explanation{Strength: 1, Cause: fleet.Cause{Kind: fleet.OtherDisruption, By: nasty, Why: nasty,
		For: fleet.Workload{Kind: nasty, Namespace: nasty, Name: nasty}}, Nodes: slices.Repeat([]string{nasty}, 50)}
	e := webhook.Events{Cluster: "arn:aws:eks:us-east-1:1:cluster/prod %"}
	d, err := e.Change(stamp, wave.FedChange{Change: c, Node: n, Why: why}, "")
	valid(t, validate, d, err)
	var event cloudevents.Event
	if err := json.Unmarshal(d.Body, &event); err != nil {
		t.Fatal(err)
	}
	if want := "/clusters/arn:aws:eks:us-east-1:1:cluster%2Fprod%20%25"; event.Source() != want {
		t.Errorf("its source is %s, want %s", event.Source(), want)
	}
	if strings.ContainsAny(event.Subject(), "\u202e\x00") {
		t.Errorf("its subject is %q", event.Subject())
	}
	d, err = e.Message(stamp, deliver.FedMessage{Phase: deliver.Opened, Text: nasty, Events: 1, Wave: wave.Wave{
		Kind: wave.KindJoined, Key: "k", Members: slices.Repeat([]wave.Member{{Node: n}}, 5000)}})
	valid(t, validate, d, err)
}

// What a rollout is about, and who looks at a message, is in its event.
func TestAbout(t *testing.T) {
	w := alerttest.Scenes()["rollout"]
	w.Key, w.Look, w.Main.Channel = "k", wave.Look{By: "U1", Name: "ada", At: t0}, "C0SHOP00"
	d, err := events.Message(stamp, deliver.FedMessage{Wave: w, Phase: deliver.Changed, Events: 2})
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Data struct {
			Channel string
			About   struct {
				Deployment       struct{ Namespace, Name string }
				Replica_Set      string
				Old_Replica_Sets []string
				New_Pods, Nodes  int
				Warnings         []struct{ Pods int }
				State, Looked_By string
			}
		}
	}
	if err := json.Unmarshal(d.Body, &e); err != nil {
		t.Fatal(err)
	}
	about := e.Data.About
	if e.Data.Channel != "C0SHOP00" || about.Deployment.Namespace+"/"+about.Deployment.Name != "shop/web" ||
		about.Replica_Set != "web-7d4f19" || !slices.Equal(about.Old_Replica_Sets, []string{"web-6b9cf8"}) ||
		about.New_Pods != 24 || about.Nodes != 3 || len(about.Warnings) != 3 || about.Warnings[0].Pods != 3 ||
		about.State != string(fleet.RollingOut) || about.Looked_By != "ada" {
		t.Errorf("%s", d.Body)
	}
}
