package slackemu

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// MentionKind says whom a mention means.
type MentionKind string

// The mentions that Slack brings to life.
const (
	MentionChannel   MentionKind = "channel"     // <!channel>: rings all members
	MentionHere      MentionKind = "here"        // <!here>: rings the active members
	MentionEveryone  MentionKind = "everyone"    // <!everyone>: rings everyone
	MentionUser      MentionKind = "user"        // <@U…>: rings one person
	MentionUserGroup MentionKind = "subteam"     // <!subteam^S…>: rings a group
	MentionLink      MentionKind = "channel_ref" // <#C…>: rings nobody, links to a channel
)

// Mention is a live mention in a message.
type Mention struct {
	Kind MentionKind
	ID   string // of the user, group or channel
	// Where is the JSON pointer of the text that holds it, such as /blocks/0/text/text.
	Where string
}

// Rings says whether the mention notifies people.
func (m Mention) Rings() bool { return m.Kind != MentionLink }

// Link is a live link in a message.
type Link struct {
	URL, Text string
	// Auto links are bare URLs that Slack recognises.
	Auto  bool
	Where string
}

var (
	control = regexp.MustCompile(`<([^<>\n]*)>`)
	bareURL = regexp.MustCompile(`https?://[^\s<>|` + "`" + `]+`)
	bareAll = regexp.MustCompile(`(?:^|[^\w&])@(channel|here|everyone|group)\b`)
)

// LiveMentions returns the mentions that Slack would bring to life: in the top-level text, in mrkdwn text objects, in
// markdown blocks, in the texts of attachments, and as user, usergroup, channel and broadcast elements of rich text.
// plain_text objects, rich text "text" elements and raw table cells are inert. Within code spans a mention counts as
// live, because that is not documented otherwise.
func LiveMentions(m Message) []Mention {
	var w walker
	w.message(m)
	return w.mentions
}

// LiveLinks returns the links of a message: <url|text>, bare URLs in mrkdwn, rich text links, and the URLs of buttons.
func LiveLinks(m Message) []Link {
	var w walker
	w.message(m)
	return w.links
}

// MrkdwnMentions returns the live mentions of a single mrkdwn text.
func MrkdwnMentions(text string) []Mention {
	var w walker
	w.mrkdwn(text, "", false)
	return w.mentions
}

type walker struct {
	mentions []Mention
	links    []Link
}

func (w *walker) message(m Message) {
	w.mrkdwn(m.Text, "/text", false)
	if m.ParseFull || m.LinkNames {
		for _, hit := range bareAll.FindAllStringSubmatch(m.Text, -1) {
			kind := MentionKind(hit[1])
			if kind == "group" {
				kind = MentionChannel
			}
			w.mentions = append(w.mentions, Mention{Kind: kind, Where: "/text"})
		}
	}
	if m.Blocks != nil {
		if blocks, err := decodeJSON(m.Blocks); err == nil {
			w.walk(blocks, "/blocks")
		}
	}
	if m.Attachments == nil {
		return
	}
	val, err := decodeJSON(m.Attachments)
	if err != nil {
		return
	}
	list, _ := val.([]any)
	for i, a := range list {
		att, _ := a.(map[string]any)
		ptr := at("/attachments", i)
		for _, key := range []string{"pretext", "text", "title", "footer"} {
			if s, ok := att[key].(string); ok {
				w.mrkdwn(s, at(ptr, key), false)
			}
		}
		fields, _ := att["fields"].([]any)
		for j, f := range fields {
			f, _ := f.(map[string]any)
			for _, key := range []string{"title", "value"} {
				if s, ok := f[key].(string); ok {
					w.mrkdwn(s, at(at(at(ptr, "fields"), j), key), false)
				}
			}
		}
		if blocks, ok := att["blocks"]; ok {
			w.walk(blocks, at(ptr, "blocks"))
		}
	}
}

// walk goes through blocks; what an object is, its type says.
func (w *walker) walk(val any, ptr string) {
	switch val := val.(type) {
	case []any:
		for i, e := range val {
			w.walk(e, at(ptr, i))
		}
	case map[string]any:
		str := func(key string) string { s, _ := val[key].(string); return s }
		switch val["type"] {
		case "mrkdwn":
			verbatim, _ := val["verbatim"].(bool)
			w.mrkdwn(str("text"), at(ptr, "text"), verbatim)
			return
		case "markdown":
			w.mrkdwn(str("text"), at(ptr, "text"), false)
			return
		case "plain_text", "raw_text", "text":
			return
		case "broadcast":
			w.mention(MentionKind(str("range")), "", ptr)
		case "user":
			w.mention(MentionUser, str("user_id"), ptr)
		case "usergroup":
			w.mention(MentionUserGroup, str("usergroup_id"), ptr)
		case "channel":
			w.mention(MentionLink, str("channel_id"), ptr)
		case "link":
			w.links = append(w.links, Link{URL: str("url"), Text: str("text"), Where: ptr})
		case "button":
			if u := str("url"); u != "" {
				w.links = append(w.links, Link{URL: u, Where: at(ptr, "url")})
			}
		}
		for _, key := range sortedKeys(val) {
			w.walk(val[key], at(ptr, key))
		}
	}
}

func (w *walker) mention(kind MentionKind, id, ptr string) {
	w.mentions = append(w.mentions, Mention{kind, id, ptr})
}

func (w *walker) mrkdwn(text, ptr string, verbatim bool) {
	rest := control.ReplaceAllStringFunc(text, func(hit string) string {
		body, label, _ := strings.Cut(hit[1:len(hit)-1], "|")
		switch {
		case body == "!channel", body == "!here", body == "!everyone":
			w.mention(MentionKind(body[1:]), "", ptr)
		case body == "!group": // the old name of !channel in private channels
			w.mention(MentionChannel, "", ptr)
		case strings.HasPrefix(body, "!subteam^"):
			w.mention(MentionUserGroup, strings.TrimPrefix(body, "!subteam^"), ptr)
		case strings.HasPrefix(body, "@U"), strings.HasPrefix(body, "@W"), strings.HasPrefix(body, "@B"):
			w.mention(MentionUser, body[1:], ptr)
		case strings.HasPrefix(body, "#C"), strings.HasPrefix(body, "#G"):
			w.mention(MentionLink, body[1:], ptr)
		case strings.Contains(body, "://"), strings.HasPrefix(body, "mailto:"), strings.HasPrefix(body, "tel:"):
			w.links = append(w.links, Link{URL: body, Text: label, Where: ptr})
		}
		return " "
	})
	if verbatim {
		return
	}
	for _, u := range bareURL.FindAllString(rest, -1) {
		w.links = append(w.links, Link{URL: u, Auto: true, Where: ptr})
	}
}

// Escape makes text inert for mrkdwn and top-level text: the three characters that Slack asks for, and no others
// (docs.slack.dev/messaging/formatting-message-text).
func Escape(text string) string { return escaper.Replace(text) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// PlainText collects what a person can read of a message, one line per text, for tests and searches: the top-level
// text is left out when there are blocks, as Slack does.
func PlainText(m Message) string {
	var lines []string
	if m.Blocks == nil {
		lines = append(lines, m.Text)
	} else if val, err := decodeJSON(m.Blocks); err == nil {
		collectText(val, &lines)
	}
	if m.Attachments != nil {
		if val, err := decodeJSON(m.Attachments); err == nil {
			collectText(val, &lines)
		}
	}
	return strings.Join(lines, "\n")
}

// readable are the keys whose strings people see, in the order in which they stand.
var readable = []string{"title", "caption", "pretext", "label", "text", "fields", "alt_text", "name", "value",
	"elements", "accessory", "element", "options", "rows", "chart", "segments", "axis_config", "x_label", "y_label",
	"categories", "series", "blocks", "footer"}

func collectText(val any, lines *[]string) {
	switch val := val.(type) {
	case string:
		*lines = append(*lines, val)
	case []any:
		if len(val) > 0 && isInline(val[0]) {
			var b strings.Builder
			for _, e := range val {
				b.WriteString(inlineText(e))
			}
			*lines = append(*lines, b.String())
			return
		}
		for _, e := range val {
			collectText(e, lines)
		}
	case map[string]any:
		if val["type"] == "raw_number" && val["text"] == nil {
			*lines = append(*lines, fmt.Sprint(val["value"]))
			return
		}
		for _, key := range readable {
			child, ok := val[key]
			if _, isText := child.(string); !ok || (key == "value" && (!isText || val["type"] != nil || val["text"] != nil)) {
				continue // a button's or option's value is not shown
			}
			collectText(child, lines)
		}
	}
}

var inlineTypes = []string{"text", "link", "user", "usergroup", "channel", "team", "emoji", "date", "broadcast",
	"color"}

func isInline(val any) bool {
	m, _ := val.(map[string]any)
	kind, _ := m["type"].(string)
	return slices.Contains(inlineTypes, kind)
}

func inlineText(val any) string {
	m, _ := val.(map[string]any)
	for _, key := range []string{"text", "fallback", "url", "user_id", "usergroup_id", "channel_id", "team_id", "name",
		"range", "value", "timestamp"} {
		switch s := m[key].(type) {
		case nil:
		case string:
			if s != "" {
				return s
			}
		default:
			return fmt.Sprint(s)
		}
	}
	return ""
}
