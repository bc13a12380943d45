package message

import "testing"

func TestSpoken(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "",
		"prod: 2 nodes left":  "prod: 2 nodes left",
		"prod: 43 → 42 nodes": "prod: 43 to 42 nodes",
		"prod: 2 of 60 nodes not ready, $0.109/h (2× c-2x)": "prod: 2 of 60 nodes not ready, $0.109/h (2 c-2x)",
		"prod: 2 nodes left, −$0.437/h in all":              "prod: 2 nodes left, minus $0.437/h in all",
		"$191.65 in 24 h (+73 %)":                           "$191.65 in 24 h (plus 73 %)",
		"≤ $0.34/h, ≥ 3 nodes":                              "at most $0.34/h, at least 3 nodes",
		"pool batch · zone c":                               "pool batch, zone c",
		"OOMKilling (×12)":                                  "OOMKilling 12 times",
		"ip-10-0-0-1 left on 2026-11-24":                    "ip-10-0-0-1 left on 2026-11-24",
		"Filter… Next ▶":                                    "Filter Next",
	} {
		if got := Spoken(text); got != want {
			t.Errorf("%q is read as %q, want %q", text, got, want)
		}
	}
}
