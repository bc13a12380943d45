package deliver_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"

	"rollcall/internal/alert"
	"rollcall/internal/answer"
	"rollcall/internal/channel"
	"rollcall/internal/fleet"
	"rollcall/internal/slackemu"
	"rollcall/internal/wave"
)

// The channels of these tests: that of pool gpu, and that of whoever is on call.
const (
	gpuChannel    = "C0GPU"
	oncallChannel = "C0ONCALL"
)

// threeChannels is a workspace with the channels of these tests.
func threeChannels() slackemu.Config {
	all := []string{slackemu.DefaultBotUserID, slackemu.UserAda, slackemu.UserGrace}
	return slackemu.Config{Channels: []slackemu.Channel{{ID: slackemu.ChannelOps, Name: "ops-nodes", Members: all},
		{ID: gpuChannel, Name: "gpu", Members: all}, {ID: oncallChannel, Name: "oncall", Members: all}}}
}

// when returns a line that matches what has a value.
func when(key, value, channel, mentions string) alert.Route {
	return alert.Route{Line: 1, To: wave.Place{Channel: channel, Mentions: mentions}, Nodes: key != alert.KeySeverity,
		Mismatch: func(of alert.Attributes) string {
			if v, _ := of(key); v != value {
				return key
			}
			return ""
		}}
}

// joinPool records that nodes of a pool joined.
func (r *rig) joinPool(pool string, from, to int) {
	r.t.Helper()
	for n := from; n < to; n++ {
		node := r.node(n)
		node.Pool = pool
		r.record(nil, fleet.First(node, time.Now()))
		r.names["joined"] = r.names["joined"][:len(r.names["joined"])-1]
		r.names[pool] = append(r.names[pool], node.Name)
	}
}

// tells waits until a channel tells that exactly these nodes took a step.
func (r *rig) tells(id, step string, nodes []string) {
	r.t.Helper()
	r.eventually(20*time.Second, func() error {
		if err := channel.Expect(r.slack, id, step, nodes); err != nil {
			return fmt.Errorf("in %s: %w", id, err)
		}
		return nil
	})
}

// rung are whom the messages of a channel have rung, as they were posted.
func (r *rig) rung(id string) (all []string) {
	for _, n := range r.slack.Notifications(id) {
		if n.Mention.Where != "/text" { // blocks say the same
			all = append(all, string(n.Mention.Kind)+" "+n.Mention.ID)
		}
	}
	return all
}

func TestThreeChannels(t *testing.T) {
	t.Parallel()
	r := newRig(t, threeChannels())
	r.pace = fast
	r.alert.Routes = alert.Routes{Lines: []alert.Route{
		when(alert.KeySeverity, alert.Warning, oncallChannel, slackemu.GroupOncall+" @here"),
		when(alert.KeyPool, "gpu", gpuChannel, "")}}
	r.start()
	r.joinPool("general", 0, 3)
	r.joinPool("gpu", 10, 13)
	r.tells(slackemu.ChannelOps, "joined", r.names["general"])
	r.tells(gpuChannel, "joined", r.names["gpu"])
	// A node becomes ready where its joining was told, and goes not ready for whoever is on call.
	for _, n := range []int{1, 11} {
		r.setReady(n, fleet.Ready, "KubeletReady")
	}
	r.tells(gpuChannel, "ready", r.names["ready"][1:])
	r.tells(slackemu.ChannelOps, "ready", r.names["ready"][:1])
	for _, n := range []int{1, 11} {
		r.setReady(n, fleet.ReadyUnknown, "NodeStatusUnknown")
	}
	r.tells(oncallChannel, "not_ready", r.names["not_ready"])
	want := []string{"subteam " + slackemu.GroupOncall, "here "}
	if got := r.rung(oncallChannel); !slices.Equal(got, want) {
		t.Errorf("rung are %q, want %q", got, want)
	}
	for _, id := range []string{slackemu.ChannelOps, gpuChannel} {
		if got := r.rung(id); got != nil {
			t.Errorf("in %s, %q were rung", id, got)
		}
	}
	m := channel.Waves(r.slack, oncallChannel)[0]
	if !strings.Contains(m.Text, "<!subteam^"+slackemu.GroupOncall+"> <!here>") {
		t.Errorf("the notification reads %q", m.Text)
	}
}

// ROUTES is changed between two starts: what is not posted yet moves, also what was begun to be posted and is not
// there; what is posted stays.
func TestRoutesChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t, threeChannels())
	r.pace = fast
	r.start()
	r.joinPool("gpu", 0, 1)
	r.joinPool("general", 1, 2)
	posted := slices.Concat(r.names["gpu"], r.names["general"])
	r.tells(slackemu.ChannelOps, "joined", posted)
	// From now on the channel takes nothing.
	for _, method := range []string{"chat.postMessage", "chat.update"} {
		r.slack.Inject(slackemu.Rule{Method: method, Fault: slackemu.Refuse("internal_error")})
	}
	time.Sleep(2 * r.alert.WaveGap)
	r.joinPool("gpu", 10, 12)
	r.joinPool("general", 20, 22)
	r.eventually(20*time.Second, func() error {
		if n, _, err := r.ledger.Backlog(t.Context(), "prod"); err != nil || n != 4 {
			return fmt.Errorf("%d untold, %v", n, err)
		}
		live, err := r.ledger.LiveWaves(t.Context(), "prod")
		if err != nil || len(live) < 2 || !live[len(live)-1].Main.Tried || live[len(live)-1].Counts.Members != 4 {
			return fmt.Errorf("waves %+v, %v", live, err)
		}
		return nil
	})
	r.halt()
	r.slack.ClearFaults()
	r.alert.Routes = alert.Routes{Lines: []alert.Route{when(alert.KeyPool, "gpu", gpuChannel, slackemu.UserAda)}}
	r.start()
	r.tells(gpuChannel, "joined", r.names["gpu"][1:])
	r.tells(slackemu.ChannelOps, "joined", slices.Concat(posted, r.names["general"][1:]))
	if got := r.rung(gpuChannel); !slices.Equal(got, []string{"user " + slackemu.UserAda}) {
		t.Errorf("rung are %q", got)
	}
}

// A message whose answer was lost is found in the channel that it was posted in, and stays there.
func TestRoutesChangedAfterLostAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, threeChannels())
	r.pace = fast
	r.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Fault: slackemu.CutConnection().AfterEffect()})
	r.start()
	r.joinPool("gpu", 0, 2)
	r.eventually(20*time.Second, func() error {
		if n := len(r.slack.Messages(slackemu.ChannelOps)); n != 1 {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	})
	r.halt()
	r.slack.ClearFaults()
	r.alert.Routes = alert.Routes{Lines: []alert.Route{when(alert.KeyPool, "gpu", gpuChannel, "")}}
	r.start()
	r.tells(slackemu.ChannelOps, "joined", r.names["gpu"])
	r.joinPool("gpu", 2, 3)
	r.tells(gpuChannel, "joined", r.names["gpu"][2:])
	r.tells(slackemu.ChannelOps, "joined", r.names["gpu"][:2])
}

// Whom a line rings is changed while Slack may have a message: it is looked for, and not posted again.
func TestMentionsChangedAfterLostAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, threeChannels())
	r.pace = fast
	r.alert.Routes = alert.Routes{Lines: []alert.Route{when(alert.KeyPool, "gpu", gpuChannel, "")}}
	r.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Fault: slackemu.CutConnection().AfterEffect()})
	r.start()
	r.joinPool("gpu", 0, 2)
	r.eventually(20*time.Second, func() error {
		if n := len(r.slack.Messages(gpuChannel)); n != 1 {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	})
	r.halt()
	r.slack.ClearFaults()
	r.alert.Routes = alert.Routes{Lines: []alert.Route{when(alert.KeyPool, "gpu", gpuChannel, slackemu.UserAda)}}
	r.start()
	r.eventually(20*time.Second, func() error {
		if n, _, err := r.ledger.Backlog(t.Context(), "prod"); err != nil || n > 0 {
			return fmt.Errorf("%d untold, %v", n, err)
		}
		return nil
	})
	r.tells(gpuChannel, "joined", r.names["gpu"])
	if n := len(r.slack.Messages(gpuChannel)); n != 1 {
		t.Errorf("%d messages, want the one that was posted", n)
	}
	if got := r.rung(gpuChannel); got != nil {
		t.Errorf("rung are %q by an edit", got)
	}
}

// A mute that was asked for in one channel hides nothing in another; one that was asked for elsewhere hides all.
func TestMuteOfAChannel(t *testing.T) {
	t.Parallel()
	r := newRig(t, threeChannels())
	r.pace = fast
	r.alert.Routes = alert.Routes{Lines: []alert.Route{when(alert.KeyKind, "joined", gpuChannel, "")}}
	r.start()
	m, err := r.ledger.AddMute(t.Context(), wave.Mute{Request: "1", Cluster: "prod", Scope: wave.MuteCluster,
		By: slackemu.UserAda, ByName: "Ada", Channel: gpuChannel, At: time.Now(), Until: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	said := func(id, part string) {
		t.Helper()
		r.eventually(20*time.Second, func() error {
			for _, m := range r.slack.Messages(id) {
				if strings.Contains(slackemu.PlainText(m), part) {
					return nil
				}
			}
			return fmt.Errorf("%s does not say %q", id, part)
		})
	}
	said(gpuChannel, "Other channels are told as always.")
	r.join(0, 1)
	r.setReady(0, fleet.Ready, "KubeletReady")
	r.setReady(0, fleet.ReadyUnknown, "NodeStatusUnknown")
	r.tells(slackemu.ChannelOps, "not_ready", r.names["not_ready"])
	r.undo(m)
	said(gpuChannel, "1 joined, 1 became ready")
	if err := channel.Expect(r.slack, gpuChannel, "joined", nil); err != nil {
		t.Error(err)
	}
	if _, err := r.ledger.AddMute(t.Context(), wave.Mute{Request: "2", Cluster: "prod", Scope: wave.MuteCluster,
		By: slackemu.UserAda, ByName: "Ada", At: time.Now(), Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	said(slackemu.ChannelOps, "This goes for all channels.")
}

// Whoever looks at what is loud is named in its message, and nobody is rung any more; else they are rung once more.
func TestLookAndRemind(t *testing.T) {
	t.Parallel()
	for _, looks := range []bool{false, true} {
		t.Run(fmt.Sprint("somebody looks: ", looks), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, threeChannels())
			r.pace = fast
			r.alert.RemindAfter = 3 * time.Second
			r.alert.Routes = alert.Routes{Lines: []alert.Route{
				when(alert.KeyKind, "not_ready", oncallChannel, slackemu.GroupOncall)}}
			r.start()
			r.join(0, 1)
			r.setReady(0, fleet.Ready, "KubeletReady")
			r.setReady(0, fleet.ReadyUnknown, "NodeStatusUnknown")
			r.tells(oncallChannel, "not_ready", r.names["not_ready"])
			w := channel.Waves(r.slack, oncallChannel)[0]
			look := func() wave.Look {
				t.Helper()
				first, ok, err := r.ledger.Look(t.Context(), w.Key, wave.Look{By: slackemu.UserAda, Name: "Ada", At: time.Now()})
				if err != nil || !ok {
					t.Fatalf("%t, %v", ok, err)
				}
				return first
			}
			named := func(messages int) {
				t.Helper()
				r.eventually(20*time.Second, func() error {
					n := 0
					for _, m := range r.slack.AllMessages(oncallChannel) {
						text := slackemu.PlainText(m)
						if strings.Contains(text, "👀 Ada looks at it since") && !strings.Contains(text, "I look at it") {
							n++
						}
					}
					if n != messages {
						return fmt.Errorf("%d messages name Ada, want %d", n, messages)
					}
					return nil
				})
			}
			rings := 1
			if looks {
				look()
				named(1)
				time.Sleep(2 * r.alert.RemindAfter)
			} else {
				rings = 2
				r.eventually(20*time.Second, func() error {
					if n := len(r.rung(oncallChannel)); n != rings {
						return fmt.Errorf("%d rings", n)
					}
					return nil
				})
				r.start() // nobody is reminded twice
				time.Sleep(2 * r.alert.RemindAfter)
				look()
				named(2)
			}
			if got := r.rung(oncallChannel); len(got) != rings {
				t.Errorf("rung are %q, want %d rings", got, rings)
			}
			if first := look(); first.By != slackemu.UserAda {
				t.Errorf("%+v looks at it", first)
			}
		})
	}
}

// Whoever looks at nodes that do not become ready is named where they are called out, and below a message that takes no
// edits.
func TestLookElsewhere(t *testing.T) {
	t.Parallel()
	for _, frozen := range []bool{false, true} {
		t.Run(fmt.Sprint("edits are forbidden: ", frozen), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, threeChannels())
			r.pace = fast
			r.alert.WaveGap, r.alert.ReadyDeadline = 300*time.Millisecond, time.Second
			r.start()
			r.join(0, 1)
			says := func(text, without string) {
				t.Helper()
				r.eventually(20*time.Second, func() error {
					for _, m := range r.slack.AllMessages(slackemu.ChannelOps) {
						if said := slackemu.PlainText(m); m.ThreadTS != "" && m.ThreadTS != m.TS && strings.Contains(said, text) &&
							(without == "" || !strings.Contains(said, without)) {
							return nil
						}
					}
					return fmt.Errorf("no reply says %q", text)
				})
			}
			says("I look at it", "")
			if frozen {
				r.slack.Inject(slackemu.Rule{Method: "chat.update", Fault: slackemu.Refuse("edit_window_closed")})
			}
			w := channel.Waves(r.slack, slackemu.ChannelOps)[0]
			if _, ok, err := r.ledger.Look(t.Context(), w.Key, wave.Look{By: slackemu.UserAda, Name: "Ada",
				At: time.Now()}); err != nil || !ok {
				t.Fatalf("%t, %v", ok, err)
			}
			says("👀 Ada looks at it since", "I look at it")
			r.eventually(20*time.Second, func() error { // and that is all
				live, err := r.ledger.LiveWaves(t.Context(), "prod")
				if err != nil || len(live) != 1 || slices.ContainsFunc(live[0].Parts, func(p wave.Posting) bool {
					return p.ID == "" || !p.Looked
				}) {
					return fmt.Errorf("%+v, %v", live, err)
				}
				return nil
			})
			time.Sleep(2 * time.Second)
			want := map[bool]int{false: 1, true: 2}[frozen]
			if n := len(channel.Waves(r.slack, slackemu.ChannelOps)[0].Replies); n != want {
				t.Errorf("%d replies, want %d", n, want)
			}
		})
	}
}

// While Slack does not answer a call, what else there is to tell is decided all the same: other sinks are told of it.
func TestPlansWhileSlackIsSilent(t *testing.T) {
	t.Parallel()
	r := newRig(t, threeChannels())
	r.pace = fast
	r.slack.Inject(slackemu.Rule{Method: "chat.postMessage", Fault: slackemu.HangUp(), Times: 1})
	r.start()
	r.join(0, 1)
	r.eventually(10*time.Second, func() error {
		if n := r.slack.Counts()["chat.postMessage"].Calls; n != 1 {
			return fmt.Errorf("%d posts", n)
		}
		return nil
	})
	r.mute("1", "web", time.Hour)
	r.join(1, 2) // belongs to the message that is under way
	r.eventually(6*time.Second, func() error {
		live, err := r.ledger.LiveWaves(t.Context(), "prod")
		if err != nil || len(live) != 2 || live[1].Kind != wave.KindMute || live[0].Counts.Members != 1 {
			return fmt.Errorf("%+v, %v", live, err)
		}
		return nil
	})
	if n := r.slack.Counts()["chat.postMessage"].Calls; n != 1 {
		t.Errorf("%d posts: the first was to be under way", n)
	}
	r.settle("joined")
}

// Digests of a channel are of the nodes that its lines cover, beside that of all.
func TestDigestOfAChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		emu := slackemu.New(slackemu.Config{})
		defer emu.Close()
		api := slack.New(slackemu.DefaultBotToken, slack.OptionAPIURL("http://slack/api/"),
			slack.OptionHTTPClient(&http.Client{Transport: inMemory{emu}}))
		e := newEditor(t, emu, api, ticks(t, "0 9 * * *", "UTC"))
		defer e.ledger.Close()
		e.baseline(time.Now())
		shop := fleet.Node{Cluster: "prod", UID: "shop", Name: "shop", InstanceType: "m5.xlarge", CapacityType: "spot",
			Labels: map[string]string{"team": "shop"}, CreatedAt: time.Now(), Ready: fleet.Condition{Status: fleet.Ready}}
		e.check(e.ledger.RecordNodes(t.Context(), fleet.Batch{Cluster: "prod", At: time.Now(),
			Observations: []fleet.Observation{fleet.First(shop, time.Now())}}))
		routes := alert.Routes{Cluster: "prod", Rest: slackemu.ChannelOps,
			Lines: []alert.Route{when("team", "shop", slackemu.ChannelPrivate, "")}}
		stop := e.run()
		e.config.Channel, e.config.Audience = slackemu.ChannelPrivate, slackemu.ChannelPrivate
		e.config.Summaries = answer.Summaries{Store: e.ledger, Price: dollar,
			Covers: func(wave.Digest) func(fleet.Node) bool { return routes.Covers(slackemu.ChannelPrivate) }}
		stopPart := e.run()
		for range 3 {
			time.Sleep(12 * time.Hour)
			e.watched(time.Now())
		}
		stop()
		stopPart()
		for id, want := range map[string]string{slackemu.ChannelOps: "prod: 0 to 2 nodes",
			slackemu.ChannelPrivate: "prod, this channel's nodes: 0 to 1 node"} {
			var texts []string
			for _, m := range emu.Messages(id) {
				if m.ThreadTS == "" || m.ThreadTS == m.TS {
					texts = append(texts, m.Text)
				}
			}
			if len(texts) != 2 || !strings.Contains(texts[0], want) {
				t.Errorf("in %s: %q; want two, the first with %q", id, texts, want)
			}
		}
	})
}
