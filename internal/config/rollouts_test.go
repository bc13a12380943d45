package config

import (
	"slices"
	"strings"
	"testing"
)

func TestRollouts(t *testing.T) {
	for text, want := range map[string][]string{
		"":                      nil,
		" ":                     nil,
		"shop/*,payments/api":   {"shop/*", "payments/api"},
		"shop/* ; shop/*,\n*/*": {"shop/*", "*/*"},
		`"team-[a-c]/web?"`:     {"team-[a-c]/web?"},
	} {
		got, wrong := parseRollouts(text)
		if !slices.Equal(got, want) || len(wrong) > 0 {
			t.Errorf("%q: %q, %q; want %q", text, got, wrong, want)
		}
	}
	for text, want := range map[string]string{
		"shop":                `"shop": it is not namespace/name; write shop/*`,
		"*":                   `"*": it is not namespace/name; write */*`,
		"shop:web":            `"shop:web": it is not namespace/name; write shop/web`,
		"shop/":               `"shop/": the namespace or the name is missing; write shop/*`,
		"/web":                `"/web": the namespace or the name is missing; write */web`,
		"Shop/web":            `"Shop/web": names are in lower case; write shop/web`,
		"shop/deployment/web": `"shop/deployment/web": it is not namespace/name; write shop/web`,
		"prod/shop/web":       `"prod/shop/web": it has more than a namespace and a name; write for example shop/*,`,
		"shop/[a":             `"shop/[a": a bracket is not closed, or nothing follows a backslash; write for example`,
		"shop/we_b":           `"shop/we_b": only lower-case letters, digits, - and . are in names`,
	} {
		if _, wrong := parseRollouts(text); len(wrong) != 1 || !strings.HasPrefix(wrong[0], want) {
			t.Errorf("%q: %q, want %q", text, wrong, want)
		}
	}
	if _, err := Load(map[string]string{"ROLLOUTS": "shop/web,shop"}); len(MistakesIn(err, "ROLLOUTS")) != 1 {
		t.Errorf("a mistake in ROLLOUTS is not told: %v", err)
	}
}
