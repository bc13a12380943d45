package config

import (
	"fmt"
	"net/url"
	"strings"
)

// ledgerPath returns the file that a DATABASE_URL names. Only the sqlite: scheme exists so far.
func ledgerPath(databaseURL string) (string, error) {
	path, ok := strings.CutPrefix(databaseURL, "sqlite:")
	if !ok {
		return "", fmt.Errorf(
			"%q is not a ledger Rollcall can open: write sqlite:FILE, for example sqlite:/var/lib/rollcall/rollcall.db",
			redactURL(databaseURL))
	}
	path = strings.TrimPrefix(path, "//")
	if path == "" || path == ":memory:" || strings.ContainsRune(path, '?') {
		return "", fmt.Errorf("sqlite:%s names no file: write sqlite:FILE, for example sqlite:/var/lib/rollcall/rollcall.db",
			path)
	}
	return path, nil
}

func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "that URL"
	}
	return u.Redacted()
}
