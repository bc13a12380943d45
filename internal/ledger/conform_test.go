package ledger_test

import (
	"path/filepath"
	"testing"

	"rollcall/internal/ledger"
	"rollcall/internal/ledger/ledgertest"
)

// SQLite, as production opens it, is a ledger.
func TestConform(t *testing.T) {
	ledgertest.Conform(t, func(t testing.TB) *ledger.Ledger {
		l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "rollcall.db"), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	})
}
