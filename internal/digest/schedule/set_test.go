package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

func set(t *testing.T, specs ...string) Set {
	t.Helper()
	var all []*Schedule
	for _, spec := range specs {
		s, err := Parse(spec, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	set, err := NewSet(all...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestSet(t *testing.T) {
	for _, tt := range []struct {
		specs []string
		want  []string
	}{
		{[]string{"0 9 * * 1", "0 9 * * *"}, []string{"day: 0 9 * * *", "week: 0 9 * * 1"}},
		{[]string{"0 10 * * 1-5"}, []string{"day: 0 10 * * 1-5"}},
		{[]string{"0 9,18 * * 1-5", "0 9 1 * *", "@every 168h"},
			[]string{"day: 0 9,18 * * 1-5", "week: @every 168h", "month: 0 9 1 * *"}},
		{[]string{"@daily", "0 18 * * *", "0 9 * * 6,7"},
			[]string{"day: @daily", "day-2: 0 18 * * *", "week: 0 9 * * 6,7"}},
		{[]string{"@yearly", "@hourly", "0 9 1,15 * *", "@every 1m"},
			[]string{"hour: @every 1m", "hour-2: @hourly", "week: 0 9 1,15 * *", "year: @yearly"}},
		{[]string{"0 9 29 2 *"}, []string{"year: 0 9 29 2 *"}},
	} {
		var got []string
		for _, s := range set(t, tt.specs...) {
			got = append(got, s.Name()+": "+s.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.specs, got, tt.want)
		}
	}
	s := set(t, "0 9 * * *", "30 8 * * 1")
	sunday := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, want := range []string{"2026-11-30 08:30 UTC", "2026-11-30 09:00 UTC", "2026-12-01 09:00 UTC"} {
		if sunday = s.Next(sunday); sunday.Format(stamp) != want {
			t.Errorf("the next is %s, want %s", sunday.Format(stamp), want)
		}
	}
	if s.Of("week") != s[1] || s.Of("month") != nil {
		t.Error("a schedule is not found by its name")
	}
	a, _ := Parse("0 9 * * MON", time.UTC)
	b, _ := Parse(" 0 9 * * 1 ", time.UTC)
	if _, err := NewSet(a, b); err == nil || !strings.Contains(err.Error(), "0 9 * * 1 is there twice") {
		t.Errorf("the same twice: %v", err)
	}
}

func TestSplit(t *testing.T) {
	for text, want := range map[string][]string{
		"0 9 * * *": {"0 9 * * *"}, "0 9 * * *; 0 9 * * 1": {"0 9 * * *", "0 9 * * 1"},
		"0 9 * * *;0 9 * * 1;": {"0 9 * * *", "0 9 * * 1"}, "\n@daily\r\n  @weekly\n\n": {"@daily", "@weekly"},
		" ; ": nil, "": nil,
	} {
		if got := Split(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	const right = "0 9 * * *; 0 9 * * 1"
	for text, want := range map[string]string{
		"0 9 * * *, 0 9 * * 1": right, "0 9 * * * ,0 9 * * 1": right, "0 9 * * * , 0 9 * * 1": right, "0 9 * * * | 0 9 * * 1": right,
		"0 9 * * * && 0 9 * * 1": right, "0 9 * * * and 0 9 * * 1": right, "0 9 * * * 0 9 * * 1": right,
		`["0 9 * * *", "0 9 * * 1"]`: right, "@daily,@weekly": "@daily; @weekly", "@daily / @every 12h": "@daily; @every 12h",
		"0 9 * * 1,3,5 and @monthly": "0 9 * * 1,3,5; @monthly", "0 9 * * *": "", "0 9 * *": "", "0 0 9 * * *": "",
		"0 9 * * *, 0 9 * * 8": "", "and": "", "": "",
	} {
		if got, ok := Respell(text); ok != (want != "") || ok && got != want {
			t.Errorf("%q is to be %q, %t, want %q", text, got, ok, want)
		}
	}
}
