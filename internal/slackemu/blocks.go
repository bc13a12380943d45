package slackemu

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"
)

// Surface is a place that shows blocks. Not every block is allowed on each.
type Surface string

// The surfaces of Block Kit (docs.slack.dev/surfaces).
const (
	SurfaceMessage Surface = "message"
	SurfaceModal   Surface = "modal"
	SurfaceHome    Surface = "home"
)

// Limits of Block Kit. All are from docs.slack.dev/reference/block-kit unless marked as reported.
const (
	MaxMessageBlocks      = 50
	MaxViewBlocks         = 100
	MaxBlockChars         = 13_200 // reported: all block text of one message, msg_blocks_too_long above it
	MaxSectionText        = 3_000
	MaxSectionFields      = 10
	MaxSectionField       = 2_000
	MaxHeaderText         = 150
	MaxContextElements    = 10
	MaxActionElements     = 25
	MaxID                 = 255 // block_id, action_id, callback_id, external_id
	MaxButtonText         = 75
	MaxButtonValue        = 2_000
	MaxURL                = 3_000
	MaxOverflowOptions    = 5
	MaxSelectOptions      = 100
	MaxChoiceOptions      = 10 // checkboxes and radio buttons
	MaxOptionText         = 75
	MaxOptionValue        = 150
	MaxPlaceholder        = 150
	MaxConfirmTitle       = 100
	MaxConfirmText        = 300
	MaxConfirmButton      = 30
	MaxAltText            = 2_000
	MaxImageTitle         = 2_000
	MaxLabel              = 2_000  // an input's label and hint
	MaxMarkdown           = 12_000 // over all markdown blocks of a payload
	MaxTables             = 1      // table and data_table blocks together
	MaxTableRows          = 100
	MaxTableColumns       = 20
	MaxTableChars         = 10_000 // of a table reported, of a data_table documented
	MaxDataTableRows      = 101    // the header among them
	MaxDataTablePage      = 100
	MaxCharts             = 2
	MaxChartTitle         = 50 // also the axis labels
	MaxChartLabel         = 20 // categories, series and segment names
	MaxChartPoints        = 20
	MaxChartSeries        = 6 // also pie segments
	MaxVideoText          = 199
	MaxVideoAuthor        = 49
	MaxViewTitle          = 24 // also submit and close
	MaxPrivateMetadata    = 3_000
	MaxViewBytes          = 250_000
	MaxAttachments        = 100
	MaxTextObject         = 3_000
	maxRichTextListIndent = 8
)

// InvalidError says why Slack would refuse blocks, a view or attachments.
type InvalidError struct {
	// Code is the error code of the Web API answer, such as invalid_blocks.
	Code string
	// Messages are the entries of response_metadata.messages, each with its JSON pointer.
	Messages []string
}

// Error gives the code and the messages.
func (e *InvalidError) Error() string {
	if len(e.Messages) == 0 {
		return e.Code
	}
	return e.Code + ": " + strings.Join(e.Messages, "; ")
}

// ValidateBlocks checks a JSON array of blocks as the Web API does for that surface: a cheap check for tests of code
// that renders messages. It returns nil or an *InvalidError. slack_file references are taken as existing.
func ValidateBlocks(surface Surface, blocks json.RawMessage) error {
	v := &validator{surface: surface}
	_, err := v.blocksJSON(blocks, "/blocks")
	if err != nil {
		return err
	}
	return v.err()
}

// validator walks decoded JSON (numbers as json.Number) and collects what Slack would complain about.
type validator struct {
	surface     Surface
	refused     []string                // block types that are "not rolled out" here
	fileUsable  func(string) bool       // nil: every slack_file id is taken as usable
	remoteFiles []string                // external ids that file blocks may name
	scopes      func(scope string) bool // nil: scopes are not checked

	problems []string
	code     string // overrides the default code, first one wins
	chars    int
	markdown int
	tables   int
	charts   int
	focus    int
	blockIDs map[string]bool
	hasInput bool
}

// err returns what has been found, or nil.
func (v *validator) err() error {
	if v.code == "" && v.surface == SurfaceMessage && v.chars > MaxBlockChars && len(v.problems) == 0 {
		return &InvalidError{Code: "msg_blocks_too_long"}
	}
	if len(v.problems) == 0 {
		return nil
	}
	code := v.code
	if code == "" {
		code = "invalid_blocks"
		if v.surface != SurfaceMessage {
			code = "invalid_arguments"
		}
	}
	return &InvalidError{Code: code, Messages: v.problems}
}

func (v *validator) fail(ptr, format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf("[ERROR] %s [json-pointer:%s]", fmt.Sprintf(format, args...), ptr))
}

func (v *validator) failAs(code, ptr, format string, args ...any) {
	if v.code == "" {
		v.code = code
	}
	v.fail(ptr, format, args...)
}

// decodeJSON decodes exactly one JSON value, keeping numbers as written.
func decodeJSON(raw []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var val any
	if err := dec.Decode(&val); err != nil {
		return nil, err
	}
	if dec.More() {
		return nil, fmt.Errorf("data after the JSON value")
	}
	return val, nil
}

// blocksJSON decodes and checks an array of blocks. Only a malformed array is returned as an error; what is wrong in
// the blocks is collected.
func (v *validator) blocksJSON(raw json.RawMessage, ptr string) ([]any, error) {
	val, err := decodeJSON(raw)
	if err != nil {
		return nil, &InvalidError{Code: "invalid_blocks_format"}
	}
	list, ok := val.([]any)
	if !ok {
		return nil, &InvalidError{Code: "invalid_blocks_format"}
	}
	v.blocks(list, ptr)
	return list, nil
}

func (v *validator) blocks(list []any, ptr string) {
	limit := MaxMessageBlocks
	if v.surface != SurfaceMessage {
		limit = MaxViewBlocks
	}
	if len(list) > limit {
		v.fail(ptr, "no more than %d items allowed", limit)
	}
	for i, b := range list {
		v.block(b, at(ptr, i))
	}
}

func at[K int | string](ptr string, key K) string { return fmt.Sprintf("%s/%v", ptr, key) }

// length counts as the stricter of characters and UTF-16 code units, which is always the latter.
func length(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// object is a JSON object under validation, with its place in the document.
type object struct {
	v   *validator
	ptr string
	m   map[string]any
}

func (v *validator) object(val any, ptr string) (object, bool) {
	m, ok := val.(map[string]any)
	if !ok {
		v.fail(ptr, "must provide an object")
	}
	return object{v, ptr, m}, ok
}

// only refuses fields that Slack does not know.
func (o object) only(fields ...string) {
	for _, k := range sortedKeys(o.m) {
		if !slices.Contains(fields, k) {
			o.v.fail(o.ptr, "invalid additional property: %s", k)
		}
	}
}

func (o object) has(key string) bool { _, ok := o.m[key]; return ok }

func (o object) missing(key string) {
	o.v.fail(o.ptr, "missing required field: %s", key)
}

// kind returns the type field, "" if absent or not a string.
func (o object) kind() string { s, _ := o.m["type"].(string); return s }

func (o object) str(key string, required bool, minLen, maxLen int) string {
	val, ok := o.m[key]
	if !ok {
		if required {
			o.missing(key)
		}
		return ""
	}
	s, ok := val.(string)
	if !ok {
		o.v.fail(at(o.ptr, key), "must provide a string")
		return ""
	}
	o.v.checkLength(s, at(o.ptr, key), minLen, maxLen)
	return s
}

func (v *validator) checkLength(s, ptr string, minLen, maxLen int) {
	n := length(s)
	if n < minLen {
		v.fail(ptr, "must be more than %d characters", minLen-1)
	}
	if maxLen > 0 && n > maxLen {
		v.fail(ptr, "must be less than %d characters", maxLen+1)
	}
}

func (o object) enum(key string, required bool, values ...string) string {
	s := o.str(key, required, 0, 0)
	if o.has(key) && !slices.Contains(values, s) {
		o.v.fail(at(o.ptr, key), "must be a valid enum value: %s", strings.Join(values, ", "))
	}
	return s
}

func (o object) boolean(key string, required bool) bool {
	val, ok := o.m[key]
	if !ok {
		if required {
			o.missing(key)
		}
		return false
	}
	b, ok := val.(bool)
	if !ok {
		o.v.fail(at(o.ptr, key), "must provide a boolean")
	}
	return b
}

func (o object) integer(key string, required bool, lo, hi int64) (int64, bool) {
	val, ok := o.m[key]
	if !ok {
		if required {
			o.missing(key)
		}
		return 0, false
	}
	num, ok := val.(json.Number)
	if !ok {
		o.v.fail(at(o.ptr, key), "must provide an integer")
		return 0, false
	}
	n, err := num.Int64()
	if err != nil {
		o.v.fail(at(o.ptr, key), "must provide an integer")
		return 0, false
	}
	if n < lo || n > hi {
		o.v.fail(at(o.ptr, key), "must be between %d and %d", lo, hi)
	}
	return n, true
}

func (o object) number(key string, required bool) (float64, bool) {
	val, ok := o.m[key]
	if !ok {
		if required {
			o.missing(key)
		}
		return 0, false
	}
	num, ok := val.(json.Number)
	if !ok {
		o.v.fail(at(o.ptr, key), "must provide a number")
		return 0, false
	}
	f, err := num.Float64()
	if err != nil || math.IsInf(f, 0) {
		o.v.fail(at(o.ptr, key), "must provide a number")
		return 0, false
	}
	return f, true
}

func (o object) list(key string, required bool, lo, hi int) []any {
	val, ok := o.m[key]
	if !ok {
		if required {
			o.missing(key)
		}
		return nil
	}
	list, ok := val.([]any)
	if !ok {
		o.v.fail(at(o.ptr, key), "must provide an array")
		return nil
	}
	if len(list) < lo {
		o.v.fail(at(o.ptr, key), "no fewer than %d items allowed", lo)
	}
	if hi > 0 && len(list) > hi {
		o.v.fail(at(o.ptr, key), "no more than %d items allowed", hi)
	}
	return list
}

func (o object) strings(key string, required bool, lo, hi int) []string {
	var out []string
	for i, val := range o.list(key, required, lo, hi) {
		s, ok := val.(string)
		if !ok || s == "" {
			o.v.fail(at(at(o.ptr, key), i), "must provide a string")
			continue
		}
		out = append(out, s)
	}
	return out
}

// link checks an http(s) URL; httpsOnly where Slack insists.
func (o object) link(key string, required, httpsOnly bool) string {
	s := o.str(key, required, 1, MaxURL)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	bad := err != nil || u.Host == "" || (u.Scheme != "https" && (httpsOnly || u.Scheme != "http"))
	if bad {
		o.v.fail(at(o.ptr, key), "must be a valid URL")
	}
	return s
}

// Which kinds of text object a field takes.
const (
	plainText = 1 << iota
	mrkdwn
)

func (o object) text(key string, required bool, kinds, maxLen int) {
	val, ok := o.m[key]
	if !ok {
		if required {
			o.missing(key)
		}
		return
	}
	o.v.text(val, at(o.ptr, key), kinds, maxLen)
}

func (v *validator) text(val any, ptr string, kinds, maxLen int) {
	o, ok := v.object(val, ptr)
	if !ok {
		return
	}
	o.only("type", "text", "emoji", "verbatim")
	switch kind := o.kind(); {
	case kind == "plain_text" && kinds&plainText != 0:
		if o.has("verbatim") {
			v.fail(ptr, "invalid additional property: verbatim")
		}
		o.boolean("emoji", false)
	case kind == "mrkdwn" && kinds&mrkdwn != 0:
		if o.has("emoji") {
			v.fail(ptr, "invalid additional property: emoji")
		}
		o.boolean("verbatim", false)
	case !o.has("type"):
		o.missing("type")
	default:
		v.fail(at(ptr, "type"), "unsupported type: %v", o.m["type"])
	}
	v.chars += length(o.str("text", true, 1, maxLen))
}

func (v *validator) block(val any, ptr string) {
	o, ok := v.object(val, ptr)
	if !ok {
		return
	}
	if !o.has("type") {
		o.missing("type")
		return
	}
	kind := o.kind()
	check, known := blockChecks[kind]
	if !known || slices.Contains(v.refused, kind) || !slices.Contains(check.surfaces, v.surface) {
		v.fail(at(ptr, "type"), "unsupported type: %v", o.m["type"])
		return
	}
	o.only(append([]string{"type", "block_id"}, check.fields...)...)
	if id := o.str("block_id", false, 1, MaxID); id != "" {
		if v.blockIDs[id] {
			v.fail(at(ptr, "block_id"), "`block_id` %s already exists", id)
		}
		if v.blockIDs == nil {
			v.blockIDs = map[string]bool{}
		}
		v.blockIDs[id] = true
	}
	check.check(o)
}

type blockCheck struct {
	surfaces []Surface
	fields   []string
	check    func(object)
}

var (
	everywhere   = []Surface{SurfaceMessage, SurfaceModal, SurfaceHome}
	messagesOnly = []Surface{SurfaceMessage}
	modalsOnly   = []Surface{SurfaceModal}
)

// blockChecks is filled in init, because checks refer back to it through nested elements.
var blockChecks map[string]blockCheck

func init() {
	blockChecks = map[string]blockCheck{
		"section":   {everywhere, []string{"text", "fields", "accessory", "expand"}, checkSection},
		"header":    {everywhere, []string{"text", "level"}, checkHeader},
		"divider":   {everywhere, nil, func(object) {}},
		"context":   {everywhere, []string{"elements"}, checkContext},
		"actions":   {everywhere, []string{"elements"}, checkActions},
		"image":     {everywhere, []string{"image_url", "alt_text", "title", "slack_file"}, checkImageBlock},
		"input":     {everywhere, []string{"label", "element", "hint", "optional", "dispatch_action"}, checkInput},
		"rich_text": {everywhere, []string{"elements"}, checkRichText},
		"video": {everywhere,
			[]string{"video_url", "thumbnail_url", "alt_text", "title", "title_url", "author_name", "provider_name",
				"provider_icon_url", "description"}, checkVideo},
		"file":     {messagesOnly, []string{"external_id", "source"}, checkFile},
		"markdown": {messagesOnly, []string{"text"}, checkMarkdown},
		"table":    {messagesOnly, []string{"rows", "column_settings"}, checkTable},
		"data_table": {messagesOnly, []string{"caption", "rows", "page_size", "row_header_column_index"},
			checkDataTable},
		"data_visualization": {messagesOnly, []string{"title", "chart"}, checkChartBlock},
		"alert":              {modalsOnly, []string{"text", "level"}, checkAlert},
	}
}

func checkSection(o object) {
	if !o.has("text") && !o.has("fields") {
		o.v.fail(o.ptr, "must define either `text` or `fields`")
	}
	o.text("text", false, plainText|mrkdwn, MaxSectionText)
	for i, f := range o.list("fields", false, 1, MaxSectionFields) {
		o.v.text(f, at(at(o.ptr, "fields"), i), plainText|mrkdwn, MaxSectionField)
	}
	if acc, ok := o.m["accessory"]; ok {
		o.v.element(acc, at(o.ptr, "accessory"), inSection, nil)
	}
	o.boolean("expand", false)
}

func checkHeader(o object) {
	o.text("text", true, plainText, MaxHeaderText)
	o.integer("level", false, 1, 4)
}

func checkContext(o object) {
	for i, e := range o.list("elements", true, 1, MaxContextElements) {
		ptr := at(at(o.ptr, "elements"), i)
		if m, ok := e.(map[string]any); ok && (m["type"] == "plain_text" || m["type"] == "mrkdwn") {
			o.v.text(e, ptr, plainText|mrkdwn, MaxTextObject)
			continue
		}
		o.v.element(e, ptr, inContext, nil)
	}
}

func checkActions(o object) {
	ids := map[string]bool{}
	for i, e := range o.list("elements", true, 1, MaxActionElements) {
		o.v.element(e, at(at(o.ptr, "elements"), i), inActions, ids)
	}
}

func checkImageBlock(o object) {
	checkImage(o)
	o.text("title", false, plainText, MaxImageTitle)
}

// checkImage checks what the image block and the image element have in common.
func checkImage(o object) {
	o.v.chars += length(o.str("alt_text", true, 1, MaxAltText))
	switch {
	case o.has("image_url") == o.has("slack_file"):
		o.v.fail(o.ptr, "must define either `image_url` or `slack_file`")
	case o.has("image_url"):
		o.link("image_url", true, false)
	default:
		ptr := at(o.ptr, "slack_file")
		f, ok := o.v.object(o.m["slack_file"], ptr)
		if !ok {
			return
		}
		f.only("id", "url")
		if f.has("id") == f.has("url") {
			o.v.fail(ptr, "must define either `id` or `url`")
			return
		}
		ref := f.str("id", false, 1, MaxID) + f.str("url", false, 1, MaxURL)
		if o.v.fileUsable != nil && !o.v.fileUsable(ref) {
			o.v.fail(ptr, "invalid slack file")
		}
	}
}

func checkInput(o object) {
	o.v.hasInput = true
	o.text("label", true, plainText, MaxLabel)
	o.text("hint", false, plainText, MaxLabel)
	o.boolean("optional", false)
	o.boolean("dispatch_action", false)
	if e, ok := o.m["element"]; ok {
		o.v.element(e, at(o.ptr, "element"), inInput, nil)
	} else {
		o.missing("element")
	}
}

func checkVideo(o object) {
	if o.v.scopes != nil && !o.v.scopes("links.embed:write") {
		o.v.fail(o.ptr, "video blocks need the links.embed:write scope")
	}
	o.link("video_url", true, true)
	o.link("thumbnail_url", true, false)
	o.v.chars += length(o.str("alt_text", true, 1, MaxAltText))
	o.text("title", true, plainText, MaxVideoText)
	o.link("title_url", false, true)
	o.str("author_name", false, 1, MaxVideoAuthor)
	o.str("provider_name", false, 1, 0)
	o.link("provider_icon_url", false, false)
	o.text("description", false, plainText, MaxVideoText)
}

func checkFile(o object) {
	id := o.str("external_id", true, 1, MaxID)
	o.enum("source", true, "remote")
	if id != "" && !slices.Contains(o.v.remoteFiles, id) {
		o.v.fail(at(o.ptr, "external_id"), "file not found: %s", id)
	}
}

func checkMarkdown(o object) {
	s := o.str("text", true, 1, MaxMarkdown)
	o.v.chars += length(s)
	before := o.v.markdown
	o.v.markdown += length(s)
	if before <= MaxMarkdown && length(s) <= MaxMarkdown && o.v.markdown > MaxMarkdown {
		o.v.fail(at(o.ptr, "text"), "all markdown blocks together must be less than %d characters", MaxMarkdown+1)
	}
}

func checkAlert(o object) {
	o.text("text", true, plainText|mrkdwn, MaxTextObject)
	o.enum("level", false, "default", "info", "warning", "error", "success")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
