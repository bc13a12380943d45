package fleet

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCleanText(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"plain", "node-1 is ready", "node-1 is ready"},
		{"empty", "", ""},
		{"letters of every script", "знак 節點 עברית العربية हिन्दी é", "знак 節點 עברית العربية हिन्दी é"},
		{"line break", "a\nb", "a\nb"},
		{"other control characters", "a\tb\x00b\rc\x1b[31md\x7fe", "a b b c [31md e"},
		{"C1", "a\u0080b\u009bc", "abc"},
		{"next line", "a\u0085b", "a b"},
		{"line and paragraph separators", "a\u2028b\u2029c", "a b c"},
		{"override", "ready \u202egnp.exe\u202c", "ready gnp.exe"},
		{"embeddings and marks", "\u202aa\u202bb\u202dc\u200ed\u200fe\u061cf", "abcdef"},
		{"isolates", "\u2066a\u2067b\u2068c\u2069", "abc"},
		{"no width", "no\u200bde\u200c-\u200d1\u2060\ufeff\u00ad", "node-1"},
		{"tags", "a\U000e0001\U000e0061b", "ab"},
		{"fillers", "a\u034f\u115f\u3164\uffa0b", "ab"},
		{"variation of a letter", "a\ufe0fb\U000e0100", "ab"},
		{"a symbol as an emoji", "⚠️ Warning", "⚠️ Warning"},
		{"a symbol as an emoji, in a text to clean", "⚠️ \u202eWarning", "⚠️ Warning"},
		{"joined emoji", "👩\u200d💻", "👩💻"},
		{"a sign that is seen", "\u0600\u06dd", "\u0600\u06dd"},
		{"not UTF-8", "a\xffb\xe2\x80", "a\uFFFDb\uFFFD"},
		{"a replacement character", "a\uFFFDb", "a\uFFFDb"},
	} {
		got := CleanText(tt.text)
		if got != tt.want {
			t.Errorf("%s: CleanText(%q) = %q, want %q", tt.name, tt.text, got, tt.want)
		}
		if again := CleanText(got); again != got {
			t.Errorf("%s: cleaned again, %q becomes %q", tt.name, got, again)
		}
	}
	text := "топology.kubernetes.io/zone ⚠️"
	if allocs := testing.AllocsPerRun(10, func() { CleanText(text) }); allocs != 0 {
		t.Errorf("%v allocations for clean text, want none", allocs)
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		text  string
		bytes int
		want  string
	}{
		{"", 4, ""},
		{"node", 4, "node"},
		{"nodes", 4, "n…"},
		{"aéé", 5, "aéé"},
		{"aééé", 5, "a…"},
		{"aééé", 6, "aé…"},
		{"💻💻", 7, "💻…"},
		{"💻💻", 6, "…"},
	} {
		if got := Cut(tt.text, tt.bytes); got != tt.want || len(got) > tt.bytes {
			t.Errorf("Cut(%q, %d) = %q, want %q", tt.text, tt.bytes, got, tt.want)
		}
	}
	for bytes := 3; bytes < 20; bytes++ {
		if got := Cut(strings.Repeat("aé節💻", 5), bytes); len(got) > bytes || !utf8.ValidString(got) {
			t.Errorf("%d bytes: %q", bytes, got)
		}
	}
}
