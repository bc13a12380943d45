package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"rollcall/internal/alert"
	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

func TestRoutes(t *testing.T) {
	c, err := Load(right("SLACK_CHANNEL", "C0REST00", "REMIND_AFTER", "30m", "ROUTES", `
		# the night
		kind in (surge,waiting,budget) -> C0ONCALL S0PLATFORM @here
		pool=gpu,kind!=ready           -> C0ML0000 ; team=shop,severity=warning -> C0SHOP00 U0ADA000 U0ADA000
		cluster=prod,kind=blind -> C0ONCALL
	`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range c.Routes.Lines {
		got = append(got, strings.TrimSpace(r.Matchers+" > "+r.To.Channel+" "+r.To.Mentions))
	}
	want := []string{"kind in (surge,waiting,budget) > C0ONCALL S0PLATFORM @here", "pool=gpu,kind!=ready > C0ML0000",
		"team=shop,severity=warning > C0SHOP00 U0ADA000", "cluster=prod,kind=blind > C0ONCALL"}
	if !slices.Equal(got, want) {
		t.Errorf("routes %q, want %q", got, want)
	}
	r := c.Routes
	r.Cluster = "prod"
	for _, tc := range []struct {
		pool, team string
		kind       fleet.ChangeKind
		want       string
		line       int
	}{
		{"gpu", "", fleet.Joined, "C0ML0000", 3}, {"gpu", "", fleet.BecameReady, "C0REST00", 0},
		{"web", "shop", fleet.WentUnready, "C0SHOP00", 4}, {"web", "shop", fleet.Removed, "C0REST00", 0},
	} {
		n := fleet.Node{Cluster: "prod", Pool: tc.pool, Labels: map[string]string{"team": tc.team}}
		to, line := r.Find(alert.NodeAttributes(n, tc.kind))
		if to.Channel != tc.want || line != tc.line {
			t.Errorf("%+v goes to %v by line %d", tc, to, line)
		}
	}
	if to := r.OfWave(wave.KindBlind, wave.About{}, nil); to.Channel != "C0ONCALL" {
		t.Errorf("what is not seen goes to %v", to)
	}
	if why := r.Lines[0].Mismatch(alert.NodeAttributes(fleet.Node{}, fleet.Joined)); why != "kind in (budget,surge,waiting)" {
		t.Errorf("line 1 wants %q", why)
	}
}

// The case of a machine type's name does not count, and a node that is no machine can be named.
func TestRoutesOfTypes(t *testing.T) {
	c, err := Load(right("ROUTES", "type in (standard_D2s_v3,virtual-node) -> C0TYPES0; type!=M5.Large -> C0OTHER0"))
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]string{"Standard_D2s_v3": "C0TYPES0", fleet.VirtualNode: "C0TYPES0",
		"c5.large": "C0OTHER0", "m5.large": c.SlackChannel} {
		if to := c.Routes.OfChange(fleet.Node{InstanceType: kind}, fleet.Joined); to.Channel != want {
			t.Errorf("%s goes to %s, want %s", kind, to.Channel, want)
		}
	}
}

func TestWrongRoutes(t *testing.T) {
	for text, want := range map[string]string{
		"pool=gpu C0ML0000":            `line 1, "pool=gpu C0ML0000": it has no ->; write pool=gpu,kind!=ready -> C0123456789 S0123456789`,
		"* -> C0ML0000\n\npool=gpu ->": `line 3, "pool=gpu ->": it names no channel after ->`,
		" -> C0ML0000":                 `it matches nothing; write * before -> for everything`,
		"pool=gpu -> #ml":              `"#ml" is not a channel ID; names do not work`,
		"pool=gpu -> https://x.slack.com/archives/C0ML0000": `is not a channel ID; write C0ML0000`,
		"pool=gpu -> c0ml0000":                              `"c0ml0000" is not a channel ID; write C0ML0000`,
		"pool=gpu -> C0ML0000 @channel":                     `"@channel" rings nobody; only @here rings a whole channel`,
		"pool=gpu -> C0ML0000 here":                         `"here" rings nobody; write @here`,
		"pool=gpu -> C0ML0000 <!subteam^S0PLATFORM>":        `rings nobody; write S0PLATFORM`,
		"pool=gpu -> C0ML0000 @ada":                         `"@ada" rings nobody; write a user's ID (U…`,
		"kind=redy -> C0ML0000":                             `line 1, "kind=redy -> C0ML0000": "redy" is no kind; write ready`,
		"kind notin (joined,suge) -> C0ML0000":              `"suge" is no kind; write surge`,
		"kind=away -> C0ML0000":                             `"away" is not what a line is about: what happened while nobody watched`,
		"kind=stuck -> C0ML0000":                            `write kind=joined`,
		"kind=digest -> C0ML0000":                           `DIGEST_CHANNEL says where digests go`,
		"severity=critical -> C0ML0000":                     `"critical" is no severity; write warning or info`,
		"pool==(gpu -> C0ML0000":                            `write matchers as for kubectl get nodes -l`,
		"pool=a -> C0ML0000; pool in (a) -> C0SHOP00":       `line 2, "pool in (a) -> C0SHOP00": line 1 matches the same`,
		"pool=a -> C0ML0000;;bad":                           `line 3, "bad": it has no ->`,
	} {
		_, err := Load(right("SLACK_CHANNEL", "C0REST00", "ROUTES", text))
		if err == nil || !strings.Contains(err.Error(), "ROUTES: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
	if _, err := Load(right("REMIND_AFTER", "5s")); err == nil || !strings.Contains(err.Error(), "at least 1m0s") {
		t.Errorf("a reminder after seconds: %v", err)
	}
	for routes, want := range map[string]string{"": "ROUTES names nobody", "kind=surge -> C0ML0000": "ROUTES names nobody",
		"kind=surge -> C0ML0000 @here": ""} {
		if _, err := Load(right("REMIND_AFTER", "5m", "ROUTES", routes)); (err != nil) != (want != "") ||
			err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("a reminder with %q: %v", routes, err)
		}
	}
}

// A channel to which lines lead gets the digest of what they cover, any other that of all nodes.
func TestDigestsTo(t *testing.T) {
	routes := "pool=gpu -> C0ML0000; kind in (surge,budget) -> C0ONCALL; kind=not_ready -> C0REST00"
	for channels, want := range map[string][]DigestTo{
		"":                            {{Channel: "C0REST00"}},
		"C0ALL000":                    {{Channel: "C0ALL000"}},
		"C0ML0000":                    {{Channel: "C0ML0000", Audience: "C0ML0000", Part: true}},
		"C0REST00, C0ML0000,C0REST00": {{Channel: "C0REST00"}, {Channel: "C0ML0000", Audience: "C0ML0000", Part: true}},
		"C0ALL000,C0REST00":           {{Channel: "C0ALL000"}, {Channel: "C0REST00", Audience: "C0REST00"}},
	} {
		c, err := Load(right("SLACK_CHANNEL", "C0REST00", "ROUTES", routes, "DIGEST_CHANNEL", channels))
		if err != nil || !slices.Equal(c.DigestsTo, want) {
			t.Errorf("%q: %+v, %v; want %+v", channels, c.DigestsTo, err, want)
		}
	}
	_, err := Load(right("SLACK_CHANNEL", "C0REST00", "ROUTES", routes, "DIGEST_CHANNEL", "C0ONCALL"))
	if err == nil || !strings.Contains(err.Error(), "DIGEST_CHANNEL: ROUTES sends no node that joins or leaves to C0ONCALL") {
		t.Errorf("a digest of nothing: %v", err)
	}
}

func FuzzRoutes(f *testing.F) {
	for _, text := range []string{"kind in (surge,waiting) -> C0ONCALL S0PLATFORM", "* -> C0ALL000 @here; # no", "a->b->c",
		"pool notin (a,b),!team -> C0ML0000 U0ADA000\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, c := &loader{}, Config{RouteLines: text, SlackChannel: "C0REST00"}
		l.checkRoutes(&c)
		for _, r := range c.Routes.Lines {
			if !channelID.MatchString(r.To.Channel) || r.Line < 1 {
				t.Errorf("%q: %+v", text, r)
			}
			for m := range strings.FieldsSeq(r.To.Mentions) {
				if !mentionID.MatchString(m) {
					t.Errorf("%q rings %q", text, m)
				}
			}
			r.Mismatch(alert.NodeAttributes(fleet.Node{}, fleet.Joined))
		}
	})
}

// What it costs to find where a change of a node goes that no line matches.
func BenchmarkRoutes(b *testing.B) {
	var lines []string
	for i := range 10 {
		lines = append(lines, fmt.Sprintf("pool=pool-%d,kind in (joined,removed),team!=shop -> C0ML%04d", i, i))
	}
	c, err := Load(right("ROUTES", strings.Join(lines, ";")))
	if err != nil {
		b.Fatal(err)
	}
	n := fleet.Node{Cluster: "prod", Pool: "pool-11", Labels: map[string]string{"team": "web"}}
	b.ReportAllocs()
	for b.Loop() {
		if to := c.Routes.OfChange(n, fleet.Joined); to.Channel != c.SlackChannel {
			b.Fatalf("it goes to %v", to)
		}
	}
}
