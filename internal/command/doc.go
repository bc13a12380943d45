// Package command reads the texts of the slash commands /nodes and /events, and writes them.
//
// A text becomes a request (Nodes, Events) or a Mistake, which says where the text is wrong, what
// was expected, and the nearest right form. A request prints as a text again: parsing that text
// gives the same request, so buttons carry requests as their values. What is relative ("the last
// two hours") stays relative until Filter resolves it at a moment.
//
// One table for each command (nodeFlags, eventFlags) says what its flags are called, take and
// mean. Parsing, printing, help, completion and forms all go by it.
//
// The grammar follows kubectl: --flag value, --flag=value, -l value, -lvalue, -l=value; -- ends
// the flags; " and ' quote, and within " a backslash quotes " and itself. Verbs, flags and the
// values that are words of ours count in any case. A quoted word is never a verb or a flag. Texts
// come from phones and through Slack, so smart quotes, long dashes, strange blanks, Slack's
// escapes, links and mentions are understood too; see lex.go. Times are read as kubectl, logs and
// people write them (time.go), and so are the verbs of other tools (intent.go). What could be
// misread is refused with a form that works: typed_test.go has a table of both.
//
// The package is pure: it does no I/O and reads no clock, imports Kubernetes' selector parser and
// nothing of Slack's, and never says whether a node, a kind or a cluster exists.
package command
