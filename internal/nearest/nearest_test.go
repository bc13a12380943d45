package nearest

import "testing"

func TestWord(t *testing.T) {
	for s, want := range map[string]string{"warning": "warn", "inof": "info", "DEBUG": "debug", "eror": "error",
		"verbose": "", "": ""} {
		if got := Word(s, "debug", "info", "warn", "error"); got != want {
			t.Errorf("Word(%q) = %q, want %q", s, got, want)
		}
	}
	if got := Word("arn:aws:eks:eu-west-1:1:cluster/porod", "arn:aws:eks:eu-west-1:1:cluster/prod",
		"minikube"); got != "arn:aws:eks:eu-west-1:1:cluster/prod" {
		t.Errorf("a long name: %q", got)
	}
}
