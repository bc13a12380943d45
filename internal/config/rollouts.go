package config

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

const rolloutsExample = "shop/*,payments/api"

// globName is a name of an object, or a pattern for one as path.Match reads it.
var globName = regexp.MustCompile(`^[a-z0-9.*?\[\]^\\-]+$`)

// parseRollouts reads ROLLOUTS, and says of each part what is wrong with it.
func parseRollouts(text string) (globs, wrong []string) {
	apart := func(r rune) bool { return strings.ContainsRune(",; \t\n", r) }
	for _, part := range strings.FieldsFunc(unquote(text), apart) {
		problem, right := wrongGlob(part)
		switch {
		case problem == "" && !slices.Contains(globs, part):
			globs = append(globs, part)
		case problem != "" && right != "":
			wrong = append(wrong, fmt.Sprintf("%q: %s; write %s", part, problem, right))
		case problem != "":
			wrong = append(wrong, fmt.Sprintf("%q: %s; write for example %s", part, problem, rolloutsExample))
		}
	}
	return globs, wrong
}

// wrongGlob says what is wrong with a glob of namespace/name, "" if nothing is, and the nearest form that is right; ""
// if there is none.
func wrongGlob(glob string) (problem, right string) {
	parts := strings.Split(strings.ToLower(glob), "/")
	if len(parts) == 1 {
		parts = strings.Split(parts[0], ":")
	}
	if len(parts) == 3 && strings.HasPrefix("deployments", parts[1]) && parts[1] != "" { // as kubectl has it
		parts = slices.Delete(parts, 1, 2)
	}
	if len(parts) == 1 {
		parts = append(parts, "")
	}
	for i, p := range parts {
		if p == "" {
			parts[i] = "*"
		}
	}
	right = strings.Join(parts, "/")
	_, bad := path.Match(right, "")
	if len(parts) != 2 || bad != nil || !globName.MatchString(parts[0]) || !globName.MatchString(parts[1]) {
		right = ""
	}
	switch {
	case right == glob:
		return "", ""
	case bad != nil:
		return "a bracket is not closed, or nothing follows a backslash", ""
	case len(parts) > 2:
		return "it has more than a namespace and a name", ""
	case right == "":
		return "only lower-case letters, digits, - and . are in names, and *, ? and [a-z] stand for others", ""
	case !strings.Contains(glob, "/"):
		return "it is not namespace/name", right
	case strings.HasPrefix(glob, "/"), strings.HasSuffix(glob, "/"):
		return "the namespace or the name is missing", right
	case strings.ToLower(glob) == right:
		return "names are in lower case", right
	}
	return "it is not namespace/name", right
}

// checkRollouts reads whose rollouts are told.
func (l *loader) checkRollouts(c *Config) {
	var wrong []string
	c.Rollouts, wrong = parseRollouts(c.RolloutList)
	for _, problem := range wrong {
		l.wrong("ROLLOUTS", "%s", problem)
	}
}
