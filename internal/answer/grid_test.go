package answer

import (
	"strings"
	"testing"

	"rollcall/internal/message"
)

func TestCutNames(t *testing.T) {
	for _, tt := range []struct{ names, want, end string }{
		{"", "", ""},
		{"a.b.c", "a.b.c", ""}, // one name is said whole
		{"a.ec2.internal b.ec2.internal", "a b", ".ec2.internal"},
		{"a.x.internal b.y.internal", "a.x.internal b.y.internal", ""},
		{"a.b a", "a.b a", ""},
		{"a b", "a b", ""},
		{".b .b", ".b .b", ""},
		{"a. b.", "a. b.", ""},
		{"node-1.b.b node-2.b.b", "node-1 node-2", ".b.b"},
	} {
		var rows [][]message.Cell
		for name := range strings.FieldsSeq(tt.names) {
			rows = append(rows, []message.Cell{{Text: name}})
		}
		end := cutNames(rows)
		var got []string
		for _, r := range rows {
			got = append(got, r[0].Text)
		}
		if end != tt.end || strings.Join(got, " ") != tt.want {
			t.Errorf("%q becomes %q with the end %q, want %q and %q", tt.names, got, end, tt.want, tt.end)
		}
	}
}
