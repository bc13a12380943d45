package chaos

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"rollcall/internal/channel"
	"rollcall/internal/slackemu"
)

var footerForm = regexp.MustCompile(`prod: (\d+) nodes?, (\d+) ready`)

// longForm is a span that no node of an episode can have taken, whatever its clock said.
var longForm = regexp.MustCompile(`(?:ready|recovered|lived) (?:after|for)? ?(?:a median of )?\d+ h\b[^)\n]*`)

// nodeForm is a node's name, on a card; causeForm is why it left, wantedForm why it came.
var (
	nodeForm   = regexp.MustCompile(`^ip-10-\d+-\d+-\d+\.\S+$`)
	wantedForm = regexp.MustCompile(`^(for|as headroom for|replaces) .*$`)
	causeForm  = regexp.MustCompile(`^(consolidated|scaled down|disrupted|ended|repaired|spot|machine|operating) .*$`)
)

// causesIn reads why the nodes on a message's cards are said to have come and to have left.
func causesIn(text string) (came, went []claim) {
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case nodeForm.MatchString(line):
			name = line
		case name != "" && causeForm.MatchString(line):
			cause, _, _ := strings.Cut(line, ", drained for ")
			went = append(went, claim{name, cause})
		case name != "" && wantedForm.MatchString(line):
			cause, _, _ := strings.Cut(line, ": ")
			came = append(came, claim{name, cause})
		}
	}
	return came, went
}

// namers are the kinds of messages that name nodes.
var namers = []string{joined, ready, notReady, recovered, removed, "away", "catch_up"}

// look reads channels.
func look(s *slackemu.Server, ids ...string) (out channelView) {
	out.keys = map[string][]string{}
	var newest time.Time
	for _, c := range s.Channels() {
		if slices.Contains(ids, c.ID) {
			out.read(s, c.ID, c.Archived, &newest)
		}
	}
	return out
}

func (out *channelView) read(s *slackemu.Server, id string, archived bool, newest *time.Time) {
	for _, m := range s.AllMessages(id) {
		var p struct{ Key string }
		if m.Metadata == nil || json.Unmarshal(m.Metadata.EventPayload, &p) != nil {
			continue
		}
		out.keys[p.Key] = append(out.keys[p.Key], m.TS)
	}
	for _, n := range s.Notifications(id) {
		out.rung = append(out.rung, id+" "+cmp.Or(n.Mention.ID, "@"+string(n.Mention.Kind)))
	}
	for _, m := range s.AllMessages(id) {
		came, went := causesIn(slackemu.PlainText(m))
		out.came, out.causes = append(out.came, came...), append(out.causes, went...)
		if long := longForm.FindString(slackemu.PlainText(m)); long != "" {
			out.long = append(out.long, long)
		}
	}
	for _, w := range channel.Waves(s, id) {
		m, ok := s.Message(id, w.TS)
		if !ok {
			continue
		}
		if f := footerForm.FindStringSubmatch(slackemu.PlainText(m)); f != nil && w.Kind != "baseline" {
			if at := m.Versions[len(m.Versions)-1].At; at.After(*newest) {
				*newest, out.footer = at, f[1]+" nodes, "+f[2]+" ready"
			}
		}
		p := post{channel: id, archived: archived, ts: w.TS, key: w.Key, kind: w.Kind, text: w.Text, nodes: w.Nodes,
			replies: len(w.Replies), first: map[claim]time.Time{}}
		for _, told := range channel.Of(m, nil) {
			p.said = append(p.said, claim{told.Node, told.Step})
		}
		p.table = len(p.said) == 0 && w.Nodes > 0 && slices.Contains(namers, w.Kind)
		p.updated(out, newest, w.Replies)
		lists := map[string][]channel.Telling{} // by key: a list that was posted twice is one
		for _, r := range w.Replies {
			var q struct{ Key string }
			if r.Metadata != nil && json.Unmarshal(r.Metadata.EventPayload, &q) == nil {
				lists[q.Key] = channel.Of(r, &m)
			}
		}
		for _, list := range lists {
			for _, told := range list {
				p.said = append(p.said, claim{told.Node, told.Step})
			}
		}
		for _, v := range m.Versions {
			then := m
			then.Blocks, then.Metadata = v.Blocks, v.Metadata
			for _, told := range channel.Of(then, nil) {
				if c := (claim{told.Node, told.Step}); p.first[c].IsZero() {
					p.first[c] = v.At
				}
			}
		}
		out.posts = append(out.posts, p)
	}
}

// updated takes over what replies say in place of an edit, where Slack takes none: the last of them is the message.
func (p *post) updated(s *channelView, newest *time.Time, replies []slackemu.Message) {
	for _, r := range replies {
		var q struct {
			Kind  string
			Nodes int
		}
		if r.Metadata == nil || json.Unmarshal(r.Metadata.EventPayload, &q) != nil || q.Kind != "update" {
			continue
		}
		p.text, p.nodes = r.Text, q.Nodes
		p.table = p.table || len(channel.Of(r, nil)) == 0
		if f := footerForm.FindStringSubmatch(slackemu.PlainText(r)); f != nil {
			if at := r.Versions[len(r.Versions)-1].At; at.After(*newest) {
				*newest, s.footer = at, f[1]+" nodes, "+f[2]+" ready"
			}
		}
	}
}

// copies counts the messages and replies that have the key of an earlier one, and how many of them
// an app that cannot see its own messages may have posted: those before which an answer was lost,
// or came so late that the program ended before it can have noted it.
func (s channelView) copies(calls []slackemu.Call, endings []ending, stopped []span) (all, forgiven int) {
	unnoted := map[string]bool{}
	for _, c := range calls {
		if c.Effect && (c.Fault != "" && (c.Status != 200 || c.Error != "") || cutShort(c, endings, stopped)) {
			unnoted[c.TS] = true
		}
	}
	for _, ts := range s.keys {
		for _, earlier := range ts[:len(ts)-1] {
			all++
			if unnoted[earlier] {
				forgiven++
			}
		}
	}
	return all, forgiven
}

// span is a time in which something was so.
type span struct{ from, until time.Time }

// noting is how long the program may take to note an answer.
const noting = 1500 * time.Millisecond

// cutShort says whether the program ended after a call before it can have noted its answer, not
// counting the time in which it was stopped.
func cutShort(c slackemu.Call, endings []ending, stopped []span) bool {
	answered := c.At.Add(c.Took)
	for _, e := range endings {
		if e.at.Before(c.At) || e.began.After(c.At) {
			continue
		}
		e.began = answered
		return ran(e, stopped) < noting
	}
	return false
}

// ran is how long a process ran, not counting the time in which it was stopped.
func ran(e ending, stopped []span) time.Duration {
	took := e.at.Sub(e.began)
	for _, s := range stopped {
		if from, until := later(s.from, e.began), earlier(s.until, e.at); until.After(from) {
			took -= until.Sub(from)
		}
	}
	return took
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
