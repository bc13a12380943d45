package ledger

import "encoding/json"

// Every statement of this package is SQL that SQLite and PostgreSQL both know, and stands once, where it
// is used. What the two write differently stands here, as SQLite writes it; the schema and what is about the
// SQLite file itself (schema.go, move.go, open.go, backup.go) are apart. Placeholders are ? and ?n, which
// another engine may have to write otherwise.

// in is the condition that a column is in a list; the argument is made by list.
func in(column string) string { return column + ` IN (SELECT value FROM json_each(?))` }

// eachOf is a table alias with a column named value, of the values of a list; the argument is made by list.
func eachOf(alias string) string { return `json_each(?) ` + alias }

// list is the argument of in and of eachOf.
func list[T any](values []T) (string, error) {
	b, err := json.Marshal(values)
	return string(b), err
}

// greatest and least are the greater and the lesser of two values, neither of which is NULL.
func greatest(a, b string) string { return `max(` + a + `, ` + b + `)` }
func least(a, b string) string    { return `min(` + a + `, ` + b + `)` }

// unindexed is a column that must not make the planner choose an index: another one is better, for a reason
// that its statistics do not know.
func unindexed(column string) string { return `+` + column }

// jsonText is the text of a member, named by an argument, of a column that holds a JSON object; NULL if it has
// none.
func jsonText(column string) string { return `(` + column + ` ->> ?)` }

// contains is the condition that a text has another one, the argument, in it.
func contains(text string) string { return `instr(` + text + `, ?) > 0` }

// likeFolded is the condition that a text matches a pattern of LIKE, the argument, in whatever case its ASCII letters
// are.
func likeFolded(text string) string { return text + ` LIKE ? ESCAPE '\'` }

// knownReasonsSQL begins a statement that reads known (reason), the distinct reasons of a cluster's events, by
// skipping from one to the next in an index. Its arguments are the cluster, twice, and how many at most.
const knownReasonsSQL = `WITH RECURSIVE known (reason) AS (SELECT min(reason) FROM events WHERE cluster = ?
	UNION ALL SELECT (SELECT min(e.reason) FROM events e WHERE e.cluster = ? AND e.reason > known.reason)
		FROM known WHERE known.reason IS NOT NULL LIMIT ?) `
