package chaos

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/slackemu"
)

// The channels that ROUTES names, beside SLACK_CHANNEL.
const (
	shopChannel   = "C0SHOPCH"
	oncallChannel = "C0ONCALL"
)

// routing is a value of ROUTES, and what it means.
type routing struct {
	text string
	// channel is where a node's step goes, by its pool; "" is SLACK_CHANNEL.
	channel func(pool, step string) string
	rings   []string // channel and whom it rings
}

// routings are what the program is started with in turn, in an episode with routes.
var routings = []routing{
	{"pool=workers -> C0SHOPCH U0GRACEHO; kind=not_ready -> C0ONCALL S0ONCALL @here", func(pool, step string) string {
		switch {
		case pool == "workers":
			return shopChannel
		case step == notReady:
			return oncallChannel
		}
		return ""
	}, []string{shopChannel + " U0GRACEHO", oncallChannel + " S0ONCALL", oncallChannel + " @here"}},
	{"pool=workers,kind!=joined -> C0ONCALL; pool=arm -> C0SHOPCH S0ONCALL", func(pool, step string) string {
		switch {
		case pool == "workers" && step != joined:
			return oncallChannel
		case pool == "arm":
			return shopChannel
		}
		return ""
	}, []string{shopChannel + " S0ONCALL"}},
}

// workspace has the channels of the routes.
func workspace() slackemu.Config {
	const grace = "U0GRACEHO"
	all := []string{slackemu.DefaultBotUserID, slackemu.UserAda, grace}
	return slackemu.Config{
		// Slack's limit on opening connections is for a day's work; the kills here are a year's.
		Limits: map[string]slackemu.Limit{"apps.connections.open": {PerMinute: 600, Burst: 600}},
		Users:  []slackemu.User{{ID: slackemu.UserAda, Name: "ada", TZ: "Europe/London"}, {ID: grace, Name: "grace"}},
		Channels: []slackemu.Channel{{ID: slackemu.ChannelOps, Name: "ops-nodes", Members: all},
			{ID: slackemu.ChannelPrivate, Name: "ops-private", Members: all, IsPrivate: true},
			{ID: shopChannel, Name: "shop", Members: all}, {ID: oncallChannel, Name: "oncall", Members: all}},
		UserGroups: []slackemu.UserGroup{{ID: slackemu.GroupOncall, Handle: "oncall", Members: all[1:]}},
	}
}

// reroute starts the program with other routes after a while. It reports false if it did not: a program that cannot
// read what it has posted does not know what was posted before.
func (e *episode) reroute(after time.Duration) bool {
	e.mu.Lock()
	if e.blind || len(e.routes) == 0 {
		e.mu.Unlock()
		return false
	}
	next := routings[len(e.routes)%len(routings)]
	e.routes = append(e.routes, next)
	e.mu.Unlock()
	over := e.beginFault("people")
	e.loose.Go(func() {
		defer over()
		e.sleep(after)
		e.bot.setenv("ROUTES", next.text)
		e.bot.end(syscall.SIGKILL, 0)
		e.count("kills", 1)
	})
	return true
}

// misplaced finds what is told in a channel to which no routes of the episode have ever sent it, and who was rung by
// none of them. base are the channels that SLACK_CHANNEL named. A second step is told where the first was.
func (t *truth) misplaced(s channelView, routes []routing, base []string) (out []violation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	pools := map[string][]string{}
	for _, l := range t.lives {
		pools[l.name] = append(pools[l.name], l.pool)
		if !l.visitEnd.IsZero() { // of a node that was never seen nobody knows the pool
			pools[l.name] = append(pools[l.name], "")
		}
	}
	may := func(c claim, channel string) bool {
		return slices.ContainsFunc(pools[c.node], func(pool string) bool {
			return slices.ContainsFunc(routes, func(r routing) bool {
				to := r.channel(pool, c.step)
				return to == channel || to == "" && slices.Contains(base, channel)
			})
		})
	}
	for _, p := range s.posts {
		for _, c := range p.said {
			if c.step != ready && c.step != recovered && len(routes) > 0 && !may(c, p.channel) {
				out = append(out, violations(other, "%s %s is told in %s", c.node, c.step, p.channel)...)
			}
		}
	}
	for _, rung := range s.rung {
		if !slices.ContainsFunc(routes, func(r routing) bool { return slices.Contains(r.rings, rung) }) {
			out = append(out, violations(other, "%q was rung", rung)...)
		}
	}
	return out
}

func TestMisplaced(t *testing.T) {
	truth := lived("a joined not_ready recovered", "b joined")
	truth.lives[0].pool = "workers"
	in := func(channel, what string) post {
		p := said(channel, joined, "", 1, what)
		p.channel = channel
		return p
	}
	base := []string{slackemu.ChannelOps}
	for name, test := range map[string]struct {
		view   channelView
		routes []routing
		want   int
	}{
		"no routes":       {channelView{posts: []post{in(slackemu.ChannelOps, "a joined, b joined")}}, nil, 0},
		"where they go":   {channelView{posts: []post{in(shopChannel, "a joined"), in(slackemu.ChannelOps, "b joined")}}, routings[:1], 0},
		"elsewhere":       {channelView{posts: []post{in(slackemu.ChannelOps, "a joined"), in(shopChannel, "b joined")}}, routings[:1], 2},
		"as it was later": {channelView{posts: []post{in(slackemu.ChannelOps, "a joined"), in(oncallChannel, "a not_ready")}}, routings, 0},
		"second steps":    {channelView{posts: []post{in(slackemu.ChannelOps, "a recovered")}}, routings[:1], 0},
		"rung":            {channelView{rung: []string{oncallChannel + " @here"}}, routings, 0},
		"rung by nobody":  {channelView{rung: []string{slackemu.ChannelOps + " @here"}}, routings, 1},
		"rung at all":     {channelView{rung: []string{oncallChannel + " @here"}}, nil, 1},
	} {
		if got := truth.misplaced(test.view, test.routes, base); len(got) != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
