package command

import (
	"slices"
	"strings"
	"testing"
)

// typed are commands as people type them on phones, paste them from kubectl and logs, and guess
// them from other bots: what each means, or, after "!", how the refusal begins and, after "→", what
// is offered instead.
var typed = []struct{ text, want string }{
	// Verbs and habits of other tools.
	{"/nodes", "/nodes"},
	{"/nodes ls", "/nodes list"},
	{"/nodes LS", "/nodes list"},
	{"/nodes lst", "/nodes list"},
	{"/nodes all", "/nodes list"},
	{"/nodes list all", "/nodes list"},
	{"/nodes status", "/nodes"},
	{"/nodes Status.", "/nodes"},
	{"/nodes count", "/nodes"},
	{"/nodes total --spot", "/nodes --spot"},
	{"/nodes get nodes", "/nodes list"},
	{"/nodes get nodes -l app=web", "/nodes list -l app=web"},
	{"/nodes kubectl get no", "/nodes list"},
	{"/nodes describe node ip-10-0-0-1", "/nodes ip-10-0-0-1"},
	{"/nodes why ip-10-0-0-1", "/nodes ip-10-0-0-1"},
	{"/nodes info web", "/nodes web"},
	{"/nodes 'status'", "/nodes node/status"},
	{"/nodes mute 1h", "!alerts are muted with the button Mute…"},
	{"/nodes silence batch", "!alerts are muted with the button Mute…"},
	{"/nodes why", "!why needs the name of a node"},
	{"/nodes get nodes -o wide", `!"-o" is not a filter of /nodes: answers have one form`},
	{"/nodes | grep web", "!nothing is piped here → /nodes list *web*"},
	{"/nodes list | wc -l", "!nothing is piped here → /nodes list"},
	{"/nodes /events", "!this is /nodes, and /events is another command → /events"},
	{"/nodes /nodes list", "/nodes list"},
	{"/nodes by zone", `!the filter "by" is written with two dashes → /nodes --by zone`},
	{"/nodes list --removed since 2h",
		`!the filter "since" is written with two dashes → /nodes list --removed --since 2h`},
	{"/nodes not ready", "!one node is shown at a time → /nodes --not-ready"},
	{"/nodes pod/web-1", `!"pod/web-1" is a Pod → /events --for pod/web-1`},
	{"/nodes app=web", `!"app=web" is not the name of a node but a label → /nodes -l app=web`},
	{"/nodes Standard_D4s_v3",
		`!"Standard_D4s_v3" is not the name of a node but an instance type → /nodes --type Standard_D4s_v3`},
	{"/nodes 노드", "!the character 노 cannot stand in the name of a node"},
	{"/nodes @ada", `!"@ada" is a mention`},

	// Lists.
	{"/nodes --zone us-east-1a or us-east-1b", "/nodes --zone us-east-1a,us-east-1b"},
	{"/nodes list --zone us-east-1a, us-east-1b", "/nodes list --zone us-east-1a,us-east-1b"},
	{"/nodes --zone us-east-1a and us-east-1b",
		"!alternatives of --zone are given between commas → /nodes --zone us-east-1a,us-east-1b"},
	{"/nodes --type m5.large，c5.large", "/nodes --type m5.large,c5.large"},
	{"/nodes list web-1 or web-2", "/nodes list web-1 web-2"},
	{"/nodes -l app=web and tier=db", "/nodes -l app=web,tier=db"},
	{"/events --types warning or normal", "/events --types Warning,Normal"},
	{"/events -n shop or kube-system OOM", "/events -n shop,kube-system OOM"},

	// Spans and times.
	{"/nodes list --older 1d 12h", "/nodes list --older 1d12h"},
	{"/nodes list --older 1d12h", "/nodes list --older 1d12h"},
	{"/nodes list --newer 2 days", "/nodes list --newer 2d"},
	{"/nodes list --newer an hour", `!"an hour" is not a span of time → /nodes list --newer 1h`},
	{"/nodes list --older 2 months", `!"2 months" is not a span of time → /nodes list --older 60d`},
	{"/nodes digest 7d", "!a digest is about all nodes → /nodes digest --since 1w"},
	{"/nodes digest last 2 weeks", "!a digest is about all nodes → /nodes digest --since 2w"},
	{"/events --since 2h ago", "/events --since 2h"},
	{"/events --since last 2 hours", "/events --since 2h"},
	{"/events since 2h", `!"since" before a time is written --since → /events --since 2h`},
	{"/events --since 2026-11-23T09:00:00 +05:30", "/events --since 2026-11-23T03:30"},
	{"/events --since 2026-11-23T09:00:00+05:30", "/events --since 2026-11-23T03:30"},
	{"/events --since 2026-11-23 09:00", "/events --since 2026-11-23T09:00"},
	{"/events --since Mon, 23 Nov 2026 09:15:00 +0100", "/events --since 2026-11-23T08:15"},
	{"/events --until 10:30 UTC", "/events --until 2026-11-24T10:30"},
	{"/events --until 10:30", `!"10:30" is not written as times are → /events --until 2026-11-24T10:30`},
	{"/events --since yesterday", `!"yesterday" is not written as times are → /events --since 2026-11-23`},
	{"/events --since yesterday 9am",
		`!"yesterday 9am" is not written as times are → /events --since 2026-11-23T09:00`},
	{"/events --since yesterday 9am UTC", "/events --since 2026-11-23T09:00"},
	{"/events --since 9am", `!"9am" is not written as times are → /events --since 2026-11-24T09:00`},
	{"/events --since today 09:30 OOM",
		`!"today 09:30" is not written as times are → /events --since 2026-11-24T09:30 OOM`},
	{"/events --since 9am IST", "!IST stands for several time zones"},
	{"/events --since 1795510800", `!"1795510800" is not written as times are → /events --since 2026-11-24T09:00`},
	{"/events --since 3h59m (x5035 over 7d)",
		"!what is in parentheses says how often an event came → /events --since 3h59m"},
	{"/events --since 2h 404", "/events --since 2h '404'"},

	{"/nodes --older than 7d", "/nodes --older 1w"},
	{"/events --since 1h30", `!"1h30" is not a span of time → /events --since 1h30m`},
	{"/events --since 09:00-10:00", `!"09:00-10:00" is not a span of time`},
	{"/events --since 2026-11-24T09:00 Europe/Berlin", `!"Europe/Berlin" does not go with "2026-11-24T09:00"`},
	{"/events --since 2h to 1h", `!"to" before a time is written --until → /events --since 2h --until 1h`},
	{"/events between 9:00 and 10:00", "!two times are written --since and --until"},
	{"/events yesterday", "!a time is written after --since → /events --since 2026-11-23"},
	{"/events 2h", "!a time is written after --since → /events --since 2h"},
	{"/events '2h'", "/events '2h'"},

	// Several at once.
	{"/events OOM or Evicted", "!all words must stand in an event"},
	{"/events OOM && Evicted", "!all words must stand in an event"},
	{"/events --for pod/a or pod/b", "!events are shown for one object at a time"},
	{"/nodes us-east-1a or us-east-1b", "!one node is shown at a time → /nodes list --zone us-east-1a,us-east-1b"},
	{"/nodes m5.large, c5.large", "!one node is shown at a time → /nodes list --type m5.large,c5.large"},
	{"/nodes web-1,web-2", "!several nodes are shown as a list → /nodes list web-1 web-2"},
	{"/nodes zone=us-east-1a", `!"zone=us-east-1a" is not the name of a node but a filter → /nodes --zone us-east-1a`},
	{"/nodes pool:batch", `!"pool:batch" is not the name of a node but a filter → /nodes --pool batch`},

	// Texts.
	{"/events “can’t pull”", `/events "can't pull"`},
	{"/events ‘can’t pull’", `/events "can't pull"`},
	{"/events couldn’t attach", `/events "couldn't" attach`},
	{"/events 이미지를 가져올 수 없음", "/events '이미지를' '가져올' '수' '없음'"},
	{"/events нет места", "/events 'нет' 'места'"},
	{"/events ls", "/events"},
	{"/events kubectl get events -n shop", "/events -n shop"},
	{"/events warnings", "/events --types Warning"},
	{"/events scaling", "/events --scaling"},
	{"/events | grep OOM", "!nothing is piped here → /events OOM"},
	{"/events /nodes", "!this is /events, and /nodes is another command → /nodes"},
	{"/events mute 1h", "!alerts are muted with the button Mute…"},
	{"/events why web-1", "!why a node came or went is told by /nodes → /nodes web-1"},
	{"/events --type m5.large", "!--types is for Warning or Normal → /nodes --type m5.large"},
	{"/events failed to pull", "/events failed to pull"},
}

// fromTrackers are commands of the kinds that people report to the trackers of chat bots and of their like for other
// programs: what phones make of quotes and dashes (errbot 1094, 1145 and 1236, kubebot 9, simple-poll 2, cog 275), text
// in bold (fusebot 26), links made of names (botkube 460), options with = and quotes (botkube 408 and 799), kubectl's
// habits (botkube 440, 685 and 801), verbs of other bots, slips of the finger (hubot-enterprise 65). The form is that
// of typed.
var fromTrackers = []struct{ text, want string }{
	{"/nodes get nodes --cluster-name=“prod”",
		`!"--cluster-name" is not a filter of /nodes → /nodes list --cluster prod`},
	{"/nodes —zone=us-east-1a", "/nodes --zone us-east-1a"},
	{"/nodes list —spot", "/nodes list --spot"},
	{"/nodes list –-spot", "/nodes list --spot"},
	{"/nodes list -spot", `!"-spot" is written with two dashes → /nodes list --spot`},
	{"/nodes list --spot=true", "/nodes list --spot"},
	{"/nodes list --option1=“q”", `!"--option1" is not a filter of /nodes`},
	{"/nodes -l “app=web”", "/nodes -l app=web"},
	{"/nodes -lapp=web", "/nodes -l app=web"},
	{"/nodes -l=app=web", "/nodes -l app=web"},
	{"/nodes --l app=web", `!"--l" is not a filter of /nodes → /nodes -l app=web`},
	{"/nodes get node ip-10-0-0-1 -o yaml", `!"-o" is not a filter of /nodes: answers have one form`},
	{"/nodes get nodes -A", `!"-A" is not a filter of /nodes: nodes are in no namespace`},
	{"/nodes get nodes -w", `!"-w" is not a filter of /nodes: changes are told in the channel`},
	{"/nodes get nodes --show-labels", `!"--show-labels" is not a filter of /nodes: /nodes NAME shows a node's labels`},
	{"/nodes get nodes --sort-by=.metadata.creationTimestamp",
		`!"--sort-by" is not a filter of /nodes → /nodes list --sort newest`},
	{"/nodes top nodes", "!how much nodes use is not recorded → /nodes"},
	{"/nodes kubectl top nodes", "!how much nodes use is not recorded → /nodes"},
	{"/nodes describe nodes", "/nodes list"},
	{"/nodes show all nodes", "/nodes list"},
	{"/nodes kubectl describe node ip-10-0-0-1", "/nodes ip-10-0-0-1"},
	{"/nodes drain ip-10-0-0-1", "!Rollcall only watches → /nodes ip-10-0-0-1"},
	{"/nodes delete node ip-10-0-0-1", "!Rollcall only watches → /nodes ip-10-0-0-1"},
	{"/nodes cordon nodes", "!Rollcall only watches"},
	{"/nodes ping", "/nodes"},
	{"/nodes **list**", "/nodes list"},
	{"/nodes _list_", "/nodes list"},
	{"/nodes ~list~", "/nodes list"},
	{"/nodes !list", "/nodes list"},
	{"/nodes *web*", "/nodes list *web*"},
	{"/nodes --hlep", `!"--hlep" is not a filter of /nodes → /nodes help`},
	{"/nodes how many nodes?", "/nodes"},
	{"/nodes list spot", "/nodes list --spot"},
	{"/nodes spot nodes", "/nodes list --spot"},
	{"/nodes list not ready", "/nodes list --not-ready"},
	{"/nodes list not ready spot nodes", "/nodes list --spot --not-ready"},
	{"/nodes list unschedulable", "/nodes list --cordoned"},
	{"/nodes list 'spot'", "/nodes list 'spot'"},
	{"/nodes <http://ip-10-0-0-1.ec2.internal|ip-10-0-0-1.ec2.internal>", "/nodes ip-10-0-0-1.ec2.internal"},
	{"/nodes list <http://web-1.example.com|web-1.example.com>", "/nodes list web-1.example.com"},
	{"/nodes get pods", "!Rollcall lists nodes → /events --for pod/*"},
	{"/nodes get deployments", "!Rollcall lists nodes → /events --for deployment/*"},
	{"/nodes list 'my node'", "!a blank cannot stand in the name of a node"},
	{"/nodes list > nodes.txt", "!the character > cannot stand in the name of a node"},
	{"/events get events --all-namespaces --sort-by=.lastTimestamp",
		`!"--sort-by" is not a filter of /events: the newest come first`},
	{"/events -n=shop", "/events -n shop"},
	{"/events --namespace “shop”", "/events -n shop"},
	{"/events --field-selector type=Warning", `!"--field-selector" is not a filter of /events: there are --for`},
	{"/events --type=Warning", `!"--type" is not a filter of /events → /events --types Warning`},
	{"/events type=Warning", `!"type=Warning" is no word of an event but a filter → /events --types Warning`},
	{"/events reason:OOMKilling", `!"reason:OOMKilling" is no word of an event but a filter → /events --reason OOMKilling`},
	{"/events a=b", "/events 'a=b'"},
	{"/events describe pod web-1", "/events --for pod/web-1"},
	{"/events pod/web-1", "/events --for pod/web-1"},
	{"/events pods/x -n shop", "/events --for pod/x -n shop"},
	{"/events node/x -n a", "!-n does not go with --for node/x → /events --for node/x"},
	{"/events for pod web-1 --since 1h", "/events --for pod/web-1 --since 1h"},
	{"/events of node ip-10-0-0-1", "/events --for node/ip-10-0-0-1"},
	{"/events pod not found", "/events 'pod' not found"},
	{"/events 'pod/web-1'", "/events 'pod/web-1'"},
	{"/events last 2 hours", `!"last" before a time is written --since → /events --since 2h`},
	{"/events past 30 minutes", `!"past" before a time is written --since → /events --since 30m`},
	{"/events tail", "/events"},
	{"/events recent", "/events"},
	{"/events -f", `!"-f" is not a filter of /events: answers do not change by themselves`},
	{"/events “Back-off restarting failed container”", "/events 'Back-off restarting failed container'"},
	{"/events OOMKilled?", "/events 'OOMKilled?'"},
}

// TestTyped holds that each command is understood, or refused with a form that works and is not the
// same again.
func TestTyped(t *testing.T) {
	for _, tt := range slices.Concat(typed, fromTrackers) {
		got, err := parse(t, tt.text)
		want, refused := strings.CutPrefix(tt.want, "!")
		if !refused {
			if err != nil || got != want {
				t.Errorf("%q is %q (%v), want %q", tt.text, got, err, want)
			}
			continue
		}
		begin, fix, _ := strings.Cut(want, " → ")
		m := asMistake(err)
		if m == nil || !strings.HasPrefix(m.Problem, begin) || m.Fix != fix {
			t.Errorf("%q is %q: %+v, want %q and %q instead", tt.text, got, m, begin, fix)
			continue
		}
		if m.Fix == tt.text {
			t.Errorf("%q is offered itself", tt.text)
		}
		checkMistake(t, m)
	}
}
