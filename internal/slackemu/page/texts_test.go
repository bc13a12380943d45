package page_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/slackemu/page"
)

// TestTexts renders texts in the browser, with the page's own modules.
func TestTexts(t *testing.T) {
	tab, _ := visit(t, &gallery{t: t, slack: workspace(t)}, page.Config{})
	render := func(module, function, text string) string {
		arg, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var out string
		tab.Eval(fmt.Sprintf(
			`Promise.all([import("/assets/lit-html/lit-html.js"), import("/assets/js/%s.js")]).then(([lit, m]) => {
			const box = document.createElement("div");
			lit.render(m.%s(%s), box);
			for (const e of box.querySelectorAll("a")) { e.removeAttribute("target"); e.removeAttribute("rel"); }
			for (const e of box.querySelectorAll("time")) e.replaceWith(...e.childNodes);
			return box.innerHTML.replace(/<!--.*?-->/gs, "").replace(/ class="(p|mention|mention me|p hang)"/g, "");
		})`, module, function, arg), &out)
		return out
	}
	for _, tt := range []struct{ text, want string }{
		{`*bold* and _italic_, ~gone~.`, `<div><b>bold</b> and <i>italic</i>, <s>gone</s>.</div>`},
		{`*bold _both_ ~all~*`, `<div><b>bold <i>both</i> <s>all</s></b></div>`},
		{`(*b*) a*b*c snake_case_name 2 * 3 * 4 * x*`, `<div>(<b>b</b>) a*b*c snake_case_name 2 * 3 * 4 * x*</div>`},
		{"`*code* &lt;b&gt; <https://x.example|label>` *open", `<div><code>*code* &lt;b&gt; label</code> *open</div>`},
		{"*bold `code` end*", `<div><b>bold <code>code</code> end</b></div>`},
		{"before\n```one\n *two*```\nafter", "<div>before</div><pre>one\n *two*</pre><div>after</div>"},
		{"&gt; quoted\n> too\nnot", "<blockquote>quoted\ntoo</blockquote><div>not</div>"},
		{">>> all\nthe rest", "<blockquote>all\nthe rest</blockquote>"},
		{"• one\n• two", "<div>• one</div><div>• two</div>"},
		{"<https://x.example/a_b_c?x=1&amp;y=*2*|the *label*>",
			`<div><a href="https://x.example/a_b_c?x=1&amp;y=*2*">the *label*</a></div>`},
		{"see https://x.example/a_b). Or http://y.example, too",
			`<div>see <a href="https://x.example/a_b">https://x.example/a_b</a>). Or <a ` +
				`href="http://y.example">http://y.example</a>, too</div>`},
		{"<javascript:alert(1)|x> <data:text/html,x|y> <ftp://x.example|z>",
			`<div>&lt;javascript:alert(1)|x&gt; &lt;data:text/html,x|y&gt; <span>z</span></div>`},
		{"&lt;!channel&gt; &amp;lt; <!channel> <!subteam^S1|@team>",
			`<div>&lt;!channel&gt; &amp;lt; <span>@channel</span> <span>@team</span></div>`},
		{"<@U0ADA> <@U0NOBODY> <#C0ROLLCALL> <#C0ELSE|else>",
			`<div><span>@Ada Lovelace</span> <span>@someone</span> <a href="#C0ROLLCALL">#ops-nodes</a> ` +
				`<span>#else</span></div>`},
		{":+1: :wave::skin-tone-3: :nope: 10:30:15", `<div>👍 👋 :nope: 10:30:15</div>`},
		{"<!date^1700000000^{date_num} {time_secs}^https://x.example|then>",
			`<div><a href="https://x.example">2023-11-14 10:13:20 PM</a></div>`},
		{"<!date^99999999999999999^{date}|too far>", `<div>too far</div>`},
		{"\ue0000\ue001 *b*", `<div>0 <b>b</b></div>`},
		{"<img src=x onerror=alert(1)>", `<div>&lt;img src=x onerror=alert(1)&gt;</div>`},
	} {
		if diff := cmp.Diff(tt.want, render("mrkdwn", "mrkdwn", tt.text)); diff != "" {
			t.Errorf("%q: %s", tt.text, diff)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{"**b** *i* __b__ _i_ ~~s~~ `c` \\*plain\\* snake_case_name",
			`<div><b>b</b> <i>i</i> <b>b</b> <i>i</i> <s>s</s> <code>c</code> *plain* snake_case_name</div>`},
		{"[a](https://x.example) [b](javascript:alert(1)) ![pic](https://x.example/p.png)",
			`<div><a href="https://x.example">a</a> <span>b</span>) <a href="https://x.example/p.png">pic</a></div>`},
		{"- a\n  - b\n- c", `<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>`},
		{"3. a\n4. b", `<ol start="3"><li>a</li><li>b</li></ol>`},
		{"> q\n> r\n\ntext\nmore\n\n---", `<blockquote><div>q` + "\n" + `r</div></blockquote><div>text` + "\n" +
			`more</div><hr>`},
		{"<script>alert(1)</script>", `<div>&lt;script&gt;alert(1)&lt;/script&gt;</div>`},
	} {
		if diff := cmp.Diff(tt.want, render("mrkdwn", "markdown", tt.text)); diff != "" {
			t.Errorf("%q: %s", tt.text, diff)
		}
	}

	// Dates as a reader in London sees them at a moment of 2026: Wednesday, 1 July, 14:00 UTC, 15:00 there.
	const now = 1782914400
	for _, tt := range []struct {
		epoch        int64
		format, want string
	}{
		{now, "{date_num} {time}", "2026-07-01 3:00 PM"},
		{now, "{date} {date_short} {date_long}", "July 1st Jul 1 Wednesday, July 1st"},
		{now - 400*86400, "{date} | {date_short} | {date_long}", "May 27th, 2025 | May 27, 2025 | Tuesday, May 27th, 2025"},
		{now, "{date_pretty} at {time_secs}", "Today at 3:00:00 PM"},
		{now - 86400, "on {date_short_pretty}", "on yesterday"},
		{now + 86400, "{date_long_pretty}", "Tomorrow"},
		{now - 10*86400, "{date_short_pretty}", "Jun 21"},
		{now - 15*3600 - 1, "{date_short_pretty} {time}", "Yesterday 11:59 PM"},
		{now - 5, "{ago}", "just now"},
		{now - 180, "{ago}", "3 minutes ago"},
		{now - 3700, "{ago}", "1 hour ago"},
		{now + 2*86400, "{ago}", "in 2 days"},
		{now, "{date_num} {nonsense}", "fallback"},
		{1 << 55, "{date}", "fallback"},
	} {
		var got string
		tab.Eval(fmt.Sprintf(
			`Promise.all([import("/assets/js/time.js"), import("/assets/js/store.js")]).then(([m, s]) => { const was = `+
				`s.state.now; s.state.now = %d; try { return m.dateText(%d, %q, "fallback"); } finally { s.state.now = was; } })`,
			int64(now)*1000, tt.epoch, tt.format), &got)
		if got != tt.want {
			t.Errorf("%s of %d is %q, want %q", tt.format, tt.epoch, got, tt.want)
		}
	}
	// A date and time that is entered is one of the reader's zone, also around the changes of the clock.
	for local, want := range map[string]int64{
		"2026-01-15T12:00": 1768478400, "2026-07-01T15:00": now, "2026-03-29T00:59": 1774745940,
		"2026-03-29T02:00": 1774746000, "2026-10-25T12:00": 1792929600,
	} {
		var got int64
		var back string
		tab.Eval(fmt.Sprintf(`import("/assets/js/time.js").then((m) => m.epochOf(%q))`, local), &got)
		tab.Eval(fmt.Sprintf(`import("/assets/js/time.js").then((m) => m.localOf(%d))`, got), &back)
		if got != want || back != local {
			t.Errorf("%s is %d, want %d; and back %s", local, got, want, back)
		}
	}
	if html := render("mrkdwn", "preview", "<@U0ADA>: &lt;b&gt; :rocket: <https://x.example|label> <!here>"); !strings.Contains(html, "@Ada Lovelace: &lt;b&gt; 🚀 label @here") {
		t.Errorf("a phone shows %s", html)
	}
}
