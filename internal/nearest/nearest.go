// Package nearest finds the word that a person meant, for error messages that end in the right
// form. It imports only the standard library and does no I/O.
package nearest

import "strings"

// Word is the one of the words that s was probably meant to be, "" if none is near. Case does
// not count, and a word that s begins with is near: warning is warn.
func Word(s string, among ...string) string {
	best, least := "", max(3, len(s)/3+1)
	for _, w := range among {
		d := distance(strings.ToLower(s), strings.ToLower(w))
		if strings.HasPrefix(strings.ToLower(s), strings.ToLower(w)) {
			d = min(d, 1)
		}
		if d < least {
			best, least = w, d
		}
	}
	return best
}

// distance is the number of single-byte edits between a and b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
