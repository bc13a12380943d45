package slackemu

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Limits of messages, from docs.slack.dev/reference/methods/chat.postMessage and chat.update.
const (
	MaxText       = 40_000 // longer texts are cut, without an error
	MaxUpdateText = 4_000  // msg_too_long above it
	// MaxMetadata is the size of the metadata JSON in bytes. Slack has metadata_too_large but names no number; this is a
	// cautious one.
	MaxMetadata = 8_000
)

// content is the checked content of a message that a client sent.
type content struct {
	text                     string
	blocks, attachments      json.RawMessage
	metadata                 *Metadata
	hasText, hasBlocks       bool
	hasAttachments, hasMeta  bool
	truncated                bool
	unfurlLinks, unfurlMedia bool
	parseFull, linkNames     bool
}

// empty says that nothing would show.
func (c content) empty() bool {
	return strings.TrimSpace(c.text) == "" && c.blocks == nil && c.attachments == nil
}

var eventTypeForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,255}$`)

// validator for this workspace. scopes may be nil. Callers hold mu.
func (s *Server) validator(surface Surface, scopes func(string) bool) *validator {
	return &validator{
		surface: surface, refused: s.cfg.NotRolledOut, remoteFiles: s.cfg.RemoteFiles, scopes: scopes,
		fileUsable: s.fileUsable,
	}
}

// content checks what a client sent as a message. Callers hold mu.
func (s *Server) content(args map[string]string, scopes func(string) bool) (content, *apiError) {
	var c content
	flag := func(name string, byDefault bool) bool { return (&request{args: args}).flag(name, byDefault) }
	c.unfurlLinks, c.unfurlMedia = flag("unfurl_links", false), flag("unfurl_media", true)
	c.parseFull, c.linkNames = args["parse"] == "full", flag("link_names", false)
	c.text, c.hasText = args["text"]
	if runes := []rune(c.text); len(runes) > MaxText {
		c.text, c.truncated = string(runes[:MaxText]), true
	}

	v := s.validator(SurfaceMessage, scopes)
	if raw := args["blocks"]; raw != "" {
		c.hasBlocks = true
		list, err := v.blocksJSON(json.RawMessage(raw), "/blocks")
		if err != nil {
			return c, refuseInvalid(err)
		}
		if len(list) > 0 {
			fillIDs(list, s.shortID)
			c.blocks = mustJSON(list)
		}
	}
	if raw := args["attachments"]; raw != "" {
		c.hasAttachments = true
		list, err := v.attachments(json.RawMessage(raw), s.shortID)
		if err != nil {
			return c, err
		}
		if len(list) > 0 {
			c.attachments = mustJSON(list)
		}
	}
	if err := v.err(); err != nil {
		return c, refuseInvalid(err)
	}

	if raw := args["metadata"]; raw != "" {
		c.hasMeta = true
		meta, err := parseMetadata(raw)
		if err != nil {
			return c, err
		}
		c.metadata = meta
	}
	return c, nil
}

// parseMetadata checks metadata; an empty object means none.
func parseMetadata(raw string) (*Metadata, *apiError) {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(raw), &fields) != nil {
		return nil, refuse("invalid_metadata_format")
	}
	if len(fields) == 0 {
		return nil, nil
	}
	if len(raw) > MaxMetadata {
		return nil, refuse("metadata_too_large")
	}
	var meta Metadata
	var payload map[string]any
	if json.Unmarshal([]byte(raw), &meta) != nil || !eventTypeForm.MatchString(meta.EventType) ||
		json.Unmarshal(meta.EventPayload, &payload) != nil || payload == nil {
		return nil, refuse("invalid_metadata_format")
	}
	for k := range fields {
		if k != "event_type" && k != "event_payload" {
			return nil, refuse("invalid_metadata_format")
		}
	}
	return &meta, nil
}

var (
	attachmentFields = []string{
		"color", "fallback", "id", "author_name", "author_subname", "author_link", "author_icon", "title", "title_link",
		"pretext", "text", "image_url", "thumb_url", "fields", "mrkdwn_in", "footer", "footer_icon", "ts", "callback_id",
		"service_name", "service_icon", "from_url", "original_url", "hide_color",
	}
	// blockAttachmentFields may stand next to blocks; others are refused there (reported).
	blockAttachmentFields = []string{"blocks", "color", "fallback", "id", "callback_id", "hide_color"}
	visibleFields         = []string{"text", "pretext", "title", "fields", "image_url", "author_name", "blocks"}
)

// attachments checks secondary attachments. Interactive legacy attachments (actions) are refused: blocks replace them.
func (v *validator) attachments(raw json.RawMessage, newID func() string) ([]any, *apiError) {
	val, err := decodeJSON(raw)
	list, ok := val.([]any)
	if err != nil || !ok {
		return nil, refuse("invalid_attachments")
	}
	if len(list) > MaxAttachments {
		return nil, refuse("too_many_attachments")
	}
	before := len(v.problems)
	for i, val := range list {
		ptr := at("/attachments", i)
		o, ok := v.object(val, ptr)
		if !ok {
			continue
		}
		for k, val := range o.m {
			if val == nil { // clients send "blocks": null for none
				delete(o.m, k)
			}
		}
		if !slices.ContainsFunc(visibleFields, o.has) {
			v.fail(ptr, "must define something to show, such as `text` or `blocks`")
			continue
		}
		blocks, hasBlocks := o.m["blocks"]
		if !hasBlocks {
			o.only(attachmentFields...)
			continue
		}
		o.only(blockAttachmentFields...)
		blockList, ok := blocks.([]any)
		if !ok {
			v.fail(at(ptr, "blocks"), "must provide an array")
			continue
		}
		v.blocks(blockList, at(ptr, "blocks"))
		if len(v.problems) == before {
			fillIDs(blockList, newID)
		}
	}
	if len(v.problems) > before && v.code == "" {
		v.code = "invalid_attachments"
	}
	return list, nil
}

// shortID makes an id like those that Slack gives to blocks and elements. Callers hold mu.
func (s *Server) shortID() string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	var b strings.Builder
	for range 5 {
		b.WriteByte(letters[s.rand.IntN(len(letters))])
	}
	return b.String()
}

// fillIDs gives every block a block_id and every interactive element an action_id, as Slack does.
func fillIDs(blocks []any, newID func() string) {
	for _, b := range blocks {
		block, ok := b.(map[string]any)
		if !ok {
			continue
		}
		if block["block_id"] == nil {
			block["block_id"] = newID()
		}
		for _, e := range elementsOf(block) {
			if e["type"] != "image" && e["action_id"] == nil {
				e["action_id"] = newID()
			}
		}
	}
}

// elementsOf returns the interactive elements (and images) of a decoded block.
func elementsOf(block map[string]any) []map[string]any {
	var out []map[string]any
	take := func(val any) {
		if e, ok := val.(map[string]any); ok {
			if _, known := elementChecks[fmt.Sprint(e["type"])]; known {
				out = append(out, e)
			}
		}
	}
	switch block["type"] {
	case "section":
		take(block["accessory"])
	case "input":
		take(block["element"])
	case "actions":
		list, _ := block["elements"].([]any)
		for _, e := range list {
			take(e)
		}
	case "data_table":
		rows, _ := block["rows"].([]any)
		for _, row := range rows {
			cells, _ := row.([]any)
			for _, c := range cells {
				if c, ok := c.(map[string]any); ok && c["type"] == "action_cell" {
					take(c["element"])
				}
			}
		}
	}
	return out
}

// apply puts the content into a message.
func (c content) apply(m *Message) {
	m.Text, m.Blocks, m.Attachments, m.Metadata = c.text, c.blocks, c.attachments, c.metadata
	m.UnfurlLinks, m.UnfurlMedia, m.ParseFull, m.LinkNames, m.Truncated = c.unfurlLinks, c.unfurlMedia, c.parseFull,
		c.linkNames, c.truncated
}

// merge is apply for an edit: what was not sent stays, except a text that is replaced by blocks.
func (c content) merge(m *Message) {
	m.Text, m.Truncated = c.text, c.truncated
	if c.hasBlocks {
		m.Blocks = c.blocks
	}
	if c.hasAttachments {
		m.Attachments = c.attachments
	}
	if c.hasMeta {
		m.Metadata = c.metadata
	}
}
