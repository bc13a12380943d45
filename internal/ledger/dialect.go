package ledger

import (
	"encoding/json"
	"strings"
)

// dialect is what SQLite and PostgreSQL say differently. All other statements of this package are SQL
// that both know, apart from those about the database as a file: schema.go, move.go, open.go,
// backup.go and room.go. There is only SQLite yet; a test keeps its own words out of the other files.
//
// Parameters are written ?, once for each argument, in the order of the arguments: an engine that
// numbers its parameters can count them where statements are compiled, in sql.go.
type dialect struct{}

// in is the condition that a column is one of the values of a list, which is a parameter: see list.
func (dialect) in(column string) string { return column + ` IN (SELECT value FROM json_each(?))` }

// values is a table of the values of a list, which is a parameter: see list. The column is called
// value, as in alias.value.
func (dialect) values(alias string) string { return `json_each(?) ` + alias }

// list is the argument for in and values: a slice of strings or integers.
func (dialect) list(values any) any {
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // neither can fail
	}
	if string(text) == "null" { // of a nil slice
		return "[]"
	}
	return string(text)
}

// listOf is the list of the integers of a group's rows, as JSON.
func (dialect) listOf(expression string) string { return `json_group_array(` + expression + `)` }

// unindexed is a column that is compared without choosing an index for it, because another
// column's is better.
func (dialect) unindexed(column string) string { return `+` + column }

// like is the condition that a column matches a pattern, which is a parameter: % is any text, _ any
// character, and \ makes the next one itself. Letters of ASCII match in either case.
func (dialect) like(column string) string { return column + ` LIKE ? ESCAPE '\'` }

// contains is the condition that a column contains a text, which is a parameter, in its case.
func (dialect) contains(column string) string { return `instr(` + column + `, ?) > 0` }

// jsonText is the string at a key of the JSON object in a column, NULL if it has none.
func (dialect) jsonText(column, key string) string {
	return `(` + column + ` ->> '` + strings.ReplaceAll(key, `'`, `''`) + `')`
}

// integer is the number that a text consists of, NULL if it holds anything but digits or a number
// beyond 64 bits.
func (dialect) integer(text string) string {
	digits := `ltrim(` + text + `, '0')`
	return `CASE WHEN ` + text + ` <> '' AND ltrim(` + text + `, '0123456789') = '' AND (length(` + digits + `) < 19
		OR length(` + digits + `) = 19 AND ` + digits + ` <= '9223372036854775807') THEN CAST(` + text + ` AS INTEGER) END`
}
