package config

import (
	"strings"
	"testing"
	"time"
)

func TestKeptAlert(t *testing.T) {
	for text, want := range map[string]KeptAlert{
		"5,20%,6h": {5, 0.2, 6 * time.Hour}, "$5/h, 20%, 6h": {5, 0.2, 6 * time.Hour}, "6h 20% 5": {5, 0.2, 6 * time.Hour},
		"20%": {0, 0.2, 6 * time.Hour}, "12.5/h,90m": {12.5, 0, 90 * time.Minute}, `"$5"`: {5, 0, 6 * time.Hour},
		"0.05,20%,40s": {0.05, 0.2, 40 * time.Second}, "off": {}, "OFF": {}, "0": {},
	} {
		if got, err := parseKept(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, fix := range map[string]string{
		"":           "5,20%,6h",
		"6h":         "5,20%,6h, or off",
		"90m":        "5,20%,1h30m",
		"5,20%,2d":   "write 48h",
		"5,6hours":   "write 6h",
		"5,20%,6h,7": "the amount is there twice",
		"120%":       "from 1% to 100%",
		"0%,6h":      "from 1% to 100%",
		"-5":         "dollars an hour",
		"5,1s":       "between 10s and 720h",
		"$five":      "dollars an hour",
		"a fifth":    "for example 5,20%,6h, or off",
		"nan":        "dollars an hour",
	} {
		_, err := parseKept(text)
		if err == nil || !strings.Contains(err.Error(), fix) {
			t.Errorf("%q: %v; want %q", text, err, fix)
		}
	}
	_, err := Load(map[string]string{"KEPT_ALERT": "a fifth"})
	if len(MistakesIn(err, "KEPT_ALERT")) != 1 {
		t.Errorf("the mistake is not told: %v", err)
	}
}
