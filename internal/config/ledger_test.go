package config

import (
	"strings"
	"testing"
)

func TestLedgerPath(t *testing.T) {
	for in, want := range map[string]string{"sqlite:rollcall.db": "rollcall.db", "sqlite:///var/lib/r.db": "/var/lib/r.db",
		"sqlite:/var/r.db": "/var/r.db"} {
		if got, err := ledgerPath(in); got != want || err != nil {
			t.Errorf("ledgerPath(%q) = %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "rollcall.db", "sqlite:", "sqlite::memory:", "postgres://u:secret@h/db"} {
		if _, err := ledgerPath(in); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("ledgerPath(%q): %v", in, err)
		}
	}
}
