package slackemu

import (
	"fmt"
	"slices"
	"strings"
)

// checkRichText checks the elements of a rich_text block, or of a rich_text table cell.
func checkRichText(o object) {
	for i, val := range o.list("elements", true, 1, 0) {
		e, ok := o.v.object(val, at(at(o.ptr, "elements"), i))
		if !ok {
			continue
		}
		switch e.kind() {
		case "rich_text_section":
			e.only("type", "elements")
			e.inlines(nil)
		case "rich_text_quote":
			e.only("type", "elements", "border")
			e.integer("border", false, 0, 1)
			e.inlines(nil)
		case "rich_text_preformatted":
			e.only("type", "elements", "border", "language")
			e.integer("border", false, 0, 1)
			e.str("language", false, 1, 64)
			e.inlines([]string{"text", "link"})
		case "rich_text_list":
			e.only("type", "elements", "style", "indent", "offset", "border")
			e.enum("style", true, "bullet", "ordered")
			e.integer("indent", false, 0, maxRichTextListIndent)
			e.integer("offset", false, 0, 1_000_000)
			e.integer("border", false, 0, 1)
			for j, item := range e.list("elements", true, 1, 0) {
				s, ok := o.v.object(item, at(at(e.ptr, "elements"), j))
				if !ok {
					continue
				}
				s.only("type", "elements")
				s.enum("type", true, "rich_text_section")
				s.inlines(nil)
			}
		default:
			o.v.fail(at(e.ptr, "type"), "unsupported type: %v", e.m["type"])
		}
	}
}

// inlines checks the elements of a section, quote or preformatted; allowed nil means all.
func (o object) inlines(allowed []string) {
	for i, val := range o.list("elements", true, 1, 0) {
		e, ok := o.v.object(val, at(at(o.ptr, "elements"), i))
		if !ok {
			continue
		}
		kind := e.kind()
		if allowed != nil && !slices.Contains(allowed, kind) {
			o.v.fail(at(e.ptr, "type"), "unsupported type: %v", e.m["type"])
			continue
		}
		e.inline(kind)
	}
}

var (
	textStyles    = []string{"bold", "italic", "strike", "code", "underline"}
	mentionStyles = []string{"bold", "italic", "strike", "highlight", "client_highlight", "unlink"}
)

func (o object) inline(kind string) {
	styles := textStyles
	switch kind {
	case "text":
		o.only("type", "text", "style")
		o.v.chars += length(o.str("text", true, 1, 0))
	case "link":
		o.only("type", "url", "text", "unsafe", "style")
		// Rich text links may also be mailto: and the like, so only emptiness and length are checked.
		u := o.str("url", true, 1, MaxURL)
		s := o.str("text", false, 1, 0)
		if s == "" {
			s = u
		}
		o.v.chars += length(s)
		o.boolean("unsafe", false)
	case "user":
		o.only("type", "user_id", "style")
		o.str("user_id", true, 1, MaxID)
		styles = mentionStyles
	case "usergroup":
		o.only("type", "usergroup_id", "style")
		o.str("usergroup_id", true, 1, MaxID)
		styles = mentionStyles
	case "channel":
		o.only("type", "channel_id", "style")
		o.str("channel_id", true, 1, MaxID)
		styles = mentionStyles
	case "team":
		o.only("type", "team_id", "style")
		o.str("team_id", true, 1, MaxID)
	case "emoji":
		o.only("type", "name", "unicode", "skin_tone", "style")
		o.str("name", true, 1, 100)
		o.str("unicode", false, 1, 100)
		o.integer("skin_tone", false, 1, 6)
	case "date":
		o.only("type", "timestamp", "format", "url", "fallback", "style")
		o.integer("timestamp", true, 0, 1<<40)
		o.str("format", true, 1, MaxID)
		o.link("url", false, false)
		o.str("fallback", false, 1, MaxID)
		o.v.chars += length(o.str("format", false, 0, 0))
	case "broadcast":
		o.only("type", "range", "style")
		o.enum("range", true, "here", "channel", "everyone")
	case "color":
		o.only("type", "value", "style")
		o.str("value", true, 1, 32)
	default:
		o.v.fail(at(o.ptr, "type"), "unsupported type: %v", o.m["type"])
		return
	}
	if val, ok := o.m["style"]; ok {
		if s, ok := o.v.object(val, at(o.ptr, "style")); ok {
			s.only(styles...)
			for k := range s.m {
				s.boolean(k, false)
			}
		}
	}
}

// checkTable follows docs.slack.dev/reference/block-kit/blocks/table-block. Three things are stricter than written
// there:
// raw_number cells are refused (reported), and so are rows of different lengths and cells of white space only, of which
// it is not known what Slack does.
func checkTable(o object) {
	o.table(1, MaxTableRows, func(_ int, cell any, ptr string) {
		o.v.cell(cell, ptr, tableCells)
	})
	for i, val := range o.list("column_settings", false, 0, MaxTableColumns) {
		if val == nil {
			continue // a column without settings
		}
		if s, ok := o.v.object(val, at(at(o.ptr, "column_settings"), i)); ok {
			s.only("align", "is_wrapped")
			s.enum("align", false, "left", "center", "right")
			s.boolean("is_wrapped", false)
		}
	}
}

// checkDataTable follows docs.slack.dev/reference/block-kit/blocks/data-table-block. Four things are stricter than
// written there: the header takes raw_text alone, the row header's column must exist, cells of white space only are
// refused, and so is a second table of either kind.
func checkDataTable(o object) {
	o.v.chars += length(o.str("caption", true, 1, 0))
	ids := map[string]bool{} // of the buttons
	columns := o.table(2, MaxDataTableRows, func(row int, cell any, ptr string) {
		kinds := dataTableCells
		if row == 0 {
			kinds = headerCells
		}
		o.v.dataCell(cell, ptr, kinds, ids)
	})
	o.integer("page_size", false, 1, MaxDataTablePage)
	o.integer("row_header_column_index", false, 0, int64(max(columns-1, 0)))
}

// table checks rows of cells, and returns how many columns there are.
func (o object) table(lo, hi int, cell func(row int, val any, ptr string)) (columns int) {
	o.v.tables++
	if o.v.tables > MaxTables {
		o.v.failAs("only_one_table_allowed", o.ptr, "only one table is allowed in a message")
	}
	before := o.v.chars
	for r, val := range o.list("rows", true, lo, hi) {
		ptr := at(at(o.ptr, "rows"), r)
		row, ok := val.([]any)
		switch {
		case !ok:
			o.v.fail(ptr, "must provide an array")
			continue
		case len(row) == 0:
			o.v.fail(ptr, "no fewer than 1 items allowed")
		case len(row) > MaxTableColumns:
			o.v.fail(ptr, "no more than %d items allowed", MaxTableColumns)
		case columns != 0 && len(row) != columns:
			o.v.fail(ptr, "must have as many cells as the first row: %d", columns)
		}
		if columns == 0 {
			columns = len(row)
		}
		for c, val := range row {
			cell(r, val, at(ptr, c))
		}
	}
	if o.v.chars-before > MaxTableChars {
		o.v.fail(o.ptr, "must be less than %d characters", MaxTableChars+1)
	}
	return columns
}

// Which cells may stand where.
var (
	tableCells     = []string{"raw_text", "rich_text"}
	headerCells    = []string{"raw_text"}
	fallbackCells  = []string{"raw_text", "raw_number"}
	dataTableCells = []string{"raw_text", "raw_number", "rich_text", "action_cell"}
)

// dataCell checks a cell of a data_table. Only its action cells hold something to press.
func (v *validator) dataCell(val any, ptr string, kinds []string, ids map[string]bool) {
	m, _ := val.(map[string]any)
	if m["type"] != "action_cell" || !slices.Contains(kinds, "action_cell") {
		v.cell(val, ptr, kinds)
		return
	}
	o := object{v, ptr, m}
	o.only("type", "element", "fallback")
	e, ok := m["element"]
	switch b, _ := e.(map[string]any); {
	case !ok:
		o.missing("element")
	case b != nil && b["type"] != "button":
		v.fail(at(at(ptr, "element"), "type"), "unsupported type: %v", b["type"])
	default:
		v.element(e, at(ptr, "element"), inActions, ids)
	}
	if f, ok := m["fallback"]; ok {
		v.cell(f, at(ptr, "fallback"), fallbackCells)
	}
}

func (v *validator) cell(val any, ptr string, kinds []string) {
	o, ok := v.object(val, ptr)
	if !ok {
		return
	}
	kind := o.kind()
	if !slices.Contains(kinds, kind) || slices.Contains(v.refused, kind) {
		v.fail(at(ptr, "type"), "unsupported type: %v", o.m["type"])
		return
	}
	switch kind {
	case "raw_text":
		o.only("type", "text")
		o.cellText(true)
	case "raw_number":
		o.only("type", "value", "text")
		o.number("value", true)
		if !o.has("text") {
			v.chars += length(fmt.Sprint(o.m["value"]))
		}
		o.cellText(false)
	case "rich_text":
		o.only("type", "elements")
		checkRichText(o)
	}
}

func (o object) cellText(required bool) {
	s := o.str("text", required, 1, 0)
	o.v.chars += length(s)
	if s != "" && strings.TrimSpace(s) == "" {
		o.v.fail(at(o.ptr, "text"), "must be more than 0 characters")
	}
}

// checkChartBlock follows docs.slack.dev/reference/block-kit/blocks/data-visualization-block.
func checkChartBlock(o object) {
	o.v.charts++
	if o.v.charts > MaxCharts {
		o.v.fail(o.ptr, "no more than %d data_visualization blocks allowed", MaxCharts)
	}
	o.v.chars += length(o.str("title", true, 1, MaxChartTitle))
	val, ok := o.m["chart"]
	if !ok {
		o.missing("chart")
		return
	}
	c, ok := o.v.object(val, at(o.ptr, "chart"))
	if !ok {
		return
	}
	switch c.kind() {
	case "pie":
		c.only("type", "segments")
		for i, val := range c.list("segments", true, 1, MaxChartSeries) {
			s, ok := o.v.object(val, at(at(c.ptr, "segments"), i))
			if !ok {
				continue
			}
			s.only("label", "value")
			o.v.chars += length(s.str("label", true, 1, MaxChartLabel))
			if f, ok := s.number("value", true); ok && f <= 0 {
				o.v.fail(at(s.ptr, "value"), "must be greater than 0")
			}
		}
	case "bar", "area", "line":
		c.only("type", "series", "axis_config")
		c.series(c.axis())
	default:
		o.v.fail(at(c.ptr, "type"), "unsupported type: %v", c.m["type"])
	}
}

func (o object) axis() []string {
	val, ok := o.m["axis_config"]
	if !ok {
		o.missing("axis_config")
		return nil
	}
	a, ok := o.v.object(val, at(o.ptr, "axis_config"))
	if !ok {
		return nil
	}
	a.only("categories", "x_label", "y_label")
	o.v.chars += length(a.str("x_label", false, 1, MaxChartTitle)) + length(a.str("y_label", false, 1, MaxChartTitle))
	categories := a.strings("categories", true, 1, MaxChartPoints)
	for i, c := range categories {
		ptr := at(at(a.ptr, "categories"), i)
		o.v.chars += length(c)
		o.v.checkLength(c, ptr, 1, MaxChartLabel)
		if slices.Contains(categories[:i], c) {
			o.v.fail(ptr, "categories must be unique: %s", c)
		}
	}
	return categories
}

func (o object) series(categories []string) {
	names := map[string]bool{}
	for i, val := range o.list("series", true, 1, MaxChartSeries) {
		s, ok := o.v.object(val, at(at(o.ptr, "series"), i))
		if !ok {
			continue
		}
		s.only("name", "data")
		name := s.str("name", true, 1, MaxChartLabel)
		o.v.chars += length(name)
		if name != "" && names[name] {
			o.v.fail(at(s.ptr, "name"), "series names must be unique: %s", name)
		}
		names[name] = true
		data := s.list("data", true, 1, MaxChartPoints)
		if len(data) != len(categories) {
			o.v.fail(at(s.ptr, "data"), "must have exactly one point for every category")
		}
		seen := map[string]bool{}
		for j, val := range data {
			p, ok := o.v.object(val, at(at(s.ptr, "data"), j))
			if !ok {
				continue
			}
			p.only("label", "value")
			label := p.str("label", true, 1, MaxChartLabel)
			p.number("value", true)
			if seen[label] {
				o.v.fail(at(p.ptr, "label"), "labels must be unique: %s", label)
			}
			seen[label] = true
			if !slices.Contains(categories, label) {
				o.v.fail(at(p.ptr, "label"), "must match one of axis_config.categories: %s", label)
			}
		}
	}
}
