package command

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"rollcall/internal/query"

	"k8s.io/apimachinery/pkg/labels"
)

// ParseSelector reads a label selector in Kubernetes' full syntax. Its terms come sorted, each
// once; they must all hold. The error is a *Mistake.
func ParseSelector(value string) ([]query.LabelRequirement, error) {
	if strings.TrimSpace(value) == "" {
		return nil, all(value, "a label selector is missing", "", "app=web,tier!=db")
	}
	if m := mention(value, 0, value, "a label selector"); m != nil {
		m.Example = "app=web,tier!=db"
		return nil, m
	}
	parsed, err := labels.ParseToRequirements(value)
	if err != nil {
		return nil, selectorMistake(value)
	}
	var out []query.LabelRequirement
	for _, r := range parsed {
		out = append(out, requirement(r))
	}
	return sortRequirements(out), nil
}

func requirement(r labels.Requirement) query.LabelRequirement {
	op := query.LabelOperator(r.Operator())
	switch op {
	case "=", "==":
		op = query.LabelIn
	case "!=":
		op = query.LabelNotIn
	}
	values := slices.Clone(r.ValuesUnsorted())
	slices.Sort(values)
	if len(values) == 0 {
		values = nil
	}
	return query.LabelRequirement{Key: r.Key(), Operator: op, Values: values}
}

func sortRequirements(rs []query.LabelRequirement) []query.LabelRequirement {
	slices.SortFunc(rs, func(a, b query.LabelRequirement) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(string(a.Operator), string(b.Operator)),
			slices.Compare(a.Values, b.Values))
	})
	return slices.CompactFunc(rs, func(a, b query.LabelRequirement) bool {
		return a.Key == b.Key && a.Operator == b.Operator && slices.Equal(a.Values, b.Values)
	})
}

// FormatSelector writes requirements as ParseSelector reads them.
func FormatSelector(rs []query.LabelRequirement) string {
	var terms []string
	for _, r := range rs {
		values := strings.Join(r.Values, ",")
		switch r.Operator {
		case query.LabelExists:
			terms = append(terms, r.Key)
		case query.LabelDoesNotExist:
			terms = append(terms, "!"+r.Key)
		case query.LabelGt:
			terms = append(terms, r.Key+">"+values)
		case query.LabelLt:
			terms = append(terms, r.Key+"<"+values)
		case query.LabelIn, query.LabelNotIn:
			switch {
			case len(r.Values) != 1:
				terms = append(terms, r.Key+" "+string(r.Operator)+" ("+values+")")
			case r.Operator == query.LabelIn:
				terms = append(terms, r.Key+"="+values)
			default:
				terms = append(terms, r.Key+"!="+values)
			}
		}
	}
	return strings.Join(terms, ",")
}

// badKey says why s is not the key of a label, "" if it is one.
func badKey(s string) string {
	if _, err := labels.NewRequirement(s, "exists", nil); err == nil {
		return ""
	}
	prefix, name, slash := strings.Cut(s, "/")
	if !slash {
		prefix, name = "", s
	}
	switch {
	case s == "":
		return "it is empty"
	case strings.Contains(name, "/"):
		return "it has more than one /"
	case name == "" || slash && prefix == "":
		return "nothing stands beside its /"
	case len(name) > 63:
		return "it is longer than 63 characters"
	}
	return "keys have letters, digits, -, _ and . and begin and end with a letter or digit"
}

// badValue says why s cannot be the value of a label, "" if it can.
func badValue(s string) string {
	if _, err := labels.NewRequirement("k", "=", []string{s}); err == nil {
		return ""
	}
	switch {
	case strings.ContainsAny(s, "*?"):
		return "values of labels have no globs"
	case len(s) > 63:
		return "values of labels have at most 63 characters"
	}
	return "values of labels have letters, digits, -, _ and . and begin and end with a letter or digit"
}

// depth is how many parentheses are open after s, which began with so many.
func depth(s string, open int) int {
	return open + strings.Count(s, "(") - strings.Count(s, ")")
}

// selectorMistake says what is wrong with a selector that Kubernetes does not read. It looks at
// the terms one by one, because a person sees terms.
func selectorMistake(value string) *Mistake {
	const example = "app=web,tier!=db"
	begin, open := 0, 0
	for i := 0; i <= len(value); i++ {
		if i < len(value) {
			switch value[i] {
			case '(':
				open++
			case ')':
				open--
			}
			if value[i] != ',' || open > 0 {
				continue
			}
		}
		term := strings.TrimSpace(value[begin:i])
		at := begin + strings.Index(value[begin:i], term)
		if term == "" {
			return wrong(value, begin, min(i+1, len(value)), "a term is missing beside a comma", repaired(value), example)
		}
		if _, err := labels.ParseToRequirements(term); err != nil {
			return wrong(value, at, at+len(term), termProblem(term), repaired(value), example)
		}
		begin = i + 1
	}
	return all(value, shown(value)+" is not a label selector", repaired(value), example)
}

func termProblem(term string) string {
	if depth(term, 0) > 0 {
		return "the ( in " + shown(term) + " is not closed"
	}
	if depth(term, 0) < 0 {
		return "nothing opens the ) in " + shown(term)
	}
	rest := strings.TrimSpace(strings.TrimPrefix(term, "!"))
	n := strings.IndexAny(rest, "=!<> ")
	if n < 0 {
		n = len(rest)
	}
	key, rest := rest[:n], strings.TrimSpace(rest[n:])
	if strings.Contains(key, ":") {
		return shown(term) + ": a label is written key=value"
	}
	if why := badKey(key); why != "" {
		return shown(term) + ": " + shown(key) + " is not the key of a label, " + why
	}
	if strings.HasPrefix(term, "!") {
		return shown(term) + ": after ! only a key may stand"
	}
	low := strings.ToLower(rest)
	switch {
	case strings.HasPrefix(rest, ">=") || strings.HasPrefix(rest, "<=") || strings.HasPrefix(rest, "=>") ||
		strings.HasPrefix(rest, "=<"):
		return shown(term) + ": selectors have > and <, but not " + rest[:2]
	case strings.HasPrefix(rest, "=~") || strings.HasPrefix(rest, "!~"):
		return shown(term) + ": selectors have no regular expressions"
	case strings.HasPrefix(rest, ">") || strings.HasPrefix(rest, "<"):
		v := strings.TrimSpace(rest[1:])
		if _, err := strconv.ParseInt(v, 10, 64); err != nil {
			return shown(term) + ": > and < compare whole numbers, and " + shown(v) + " is none"
		}
	case strings.HasPrefix(low, "in") || strings.HasPrefix(low, "notin") || strings.HasPrefix(low, "not in"):
		if !strings.Contains(rest, "(") {
			return shown(term) + ": in and notin need a list in parentheses"
		}
		if !strings.HasPrefix(rest, "in") && !strings.HasPrefix(rest, "notin") {
			return shown(term) + ": the operators are in and notin, in small letters"
		}
		_, list, _ := strings.Cut(rest, "(")
		for v := range strings.SplitSeq(strings.TrimSuffix(list, ")"), ",") {
			if why := badValue(strings.TrimSpace(v)); why != "" {
				return shown(strings.TrimSpace(v)) + " is not the value of a label: " + why
			}
		}
	case strings.HasPrefix(rest, "=") || strings.HasPrefix(rest, "!="):
		v := strings.TrimSpace(strings.TrimLeft(rest, "!="))
		if why := badValue(v); why != "" {
			return shown(v) + " is not the value of a label: " + why
		}
	}
	return shown(term) + " is not a term of a selector; after the key follows =, !=, in (…), notin (…), > or <"
}

// repaired is the selector that was probably meant, "" if that is not clear.
func repaired(value string) string {
	try := value
	for _, repair := range []func(string) string{
		func(s string) string { return strings.Trim(strings.TrimSpace(s), ",") },
		func(s string) string {
			return strings.NewReplacer(`"`, "", "'", "", "&", ",", ";", ",", "[", "(", "]", ")").Replace(s)
		},
		func(s string) string { return strings.ReplaceAll(s, ",,", ",") },
		func(s string) string { return s + strings.Repeat(")", max(0, depth(s, 0))) },
		func(s string) string {
			r := strings.NewReplacer(" IN ", " in ", " In ", " in ", " NOTIN ", " notin ", " NotIn ", " notin ", " Notin ",
				" notin ", " not in ", " notin ", " NOT IN ", " notin ")
			return r.Replace(s)
		},
		repairTerms,
	} {
		if try = repair(try); try == "" {
			return ""
		}
		if rs, err := labels.ParseToRequirements(try); err == nil && len(rs) > 0 {
			var out []query.LabelRequirement
			for _, r := range rs {
				out = append(out, requirement(r))
			}
			return FormatSelector(sortRequirements(out))
		}
	}
	return ""
}

// repairTerms writes key:value as key=value, >=5 as >4, and puts lists in parentheses.
func repairTerms(s string) string {
	if before, list, ok := strings.Cut(s, " in "); ok && !strings.Contains(s, "(") && !strings.ContainsAny(before, ", ") &&
		!strings.ContainsAny(list, "=!<> ") {
		return before + " in (" + list + ")"
	}
	var terms []string
	for t := range strings.SplitSeq(s, ",") {
		for _, op := range []struct {
			wrong, right string
			by           int64
		}{{">=", ">", -1}, {"=>", ">", -1}, {"<=", "<", 1}, {"=<", "<", 1}} {
			if key, n, ok := strings.Cut(t, op.wrong); ok {
				if v, err := strconv.ParseInt(strings.TrimSpace(n), 10, 32); err == nil {
					t = key + op.right + strconv.FormatInt(v+op.by, 10)
					break
				}
			}
		}
		if rest, not := strings.CutPrefix(t, "!"); not {
			if key, v, ok := strings.Cut(rest, "="); ok {
				t = key + "!=" + v
			}
		}
		if key, v, ok := strings.Cut(t, ":"); ok && !strings.ContainsAny(t, "=<>!()") {
			t = strings.TrimSpace(key) + "=" + strings.TrimSpace(v)
		}
		terms = append(terms, t)
	}
	return strings.Join(terms, ",")
}
