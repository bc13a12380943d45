package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"rollcall/internal/nearest"
)

// Budget is one of BUDGETS: what nodes may cost, in US dollars.
type Budget struct {
	Cluster string // "" for the pool of each cluster
	Pool    string // "" for a whole cluster
	USD     float64
	Per     string // one of budgetPeriods
}

// budgetPeriods are the periods of budgets.
var budgetPeriods = []string{"day", "week", "month"}

// otherPeriods are words that people use for them.
var otherPeriods = map[string]string{"d": "day", "daily": "day", "days": "day", "w": "week", "weekly": "week",
	"weeks": "week", "m": "month", "mo": "month", "mon": "month", "monthly": "month", "months": "month"}

// maxBudget is the largest budget that is believed, in US dollars.
const maxBudget = 1e9

const budgetExample = "prod=9000/month or pool:gpu=80/day"

// parseBudgets reads BUDGETS, and says of each part what is wrong with it.
func parseBudgets(text string) (all []Budget, wrong []string) {
	parts := strings.FieldsFunc(unquote(text), func(r rune) bool { return strings.ContainsRune(",;\n", r) })
	seen := map[string]bool{}
	for i, part := range parts {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		b, problem, right := parseBudget(part)
		switch next := ""; {
		case problem != "":
			// 9,000/month falls apart at its comma.
			if i+1 < len(parts) {
				next = strings.TrimSpace(parts[i+1])
			}
			if name, amount, ok := cutLast(part, "="); ok && grouped(amount, next) {
				right = name + "=" + strings.TrimLeft(amount, "$ ") + next
			}
			if i > 0 && grouped(parts[i-1][strings.LastIndex(parts[i-1], "=")+1:], part) && strings.Contains(parts[i-1], "=") {
				continue // it was told with the part before
			}
			text := fmt.Sprintf("%q: %s; write %s", part, problem, cmp.Or(right, budgetExample))
			wrong = append(wrong, text)
		case seen[b.what()+"/"+b.Per]:
			wrong = append(wrong, fmt.Sprintf("%q: %s has a budget a %s already; write one of them", part, b.what(), b.Per))
		default:
			seen[b.what()+"/"+b.Per] = true
			all = append(all, b)
		}
	}
	return all, wrong
}

// what is what a budget is of, as it is written.
func (b Budget) what() string {
	if b.Pool != "" {
		return "pool:" + b.Pool
	}
	return b.Cluster
}

// grouped reports whether an amount was cut at a comma between its digits.
func grouped(amount, rest string) bool {
	amount = strings.TrimLeft(strings.TrimSpace(amount), "$ ")
	digits, _, _ := strings.Cut(strings.TrimSpace(rest), "/")
	_, errA := strconv.ParseUint(amount, 10, 32)
	_, errB := strconv.ParseUint(digits, 10, 32)
	return errA == nil && errB == nil && len(amount) <= 3 && len(digits) == 3
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// parseBudget reads one budget; problem is "" if it is right, and right is the nearest form that is, if there is one.
func parseBudget(part string) (b Budget, problem, right string) {
	name, rest, ok := cutLast(part, "=")
	name = strings.TrimSpace(name)
	if !ok {
		if what, more, ok := cutLast(part, " "); ok {
			right = strings.TrimSpace(what) + "=" + more
			if _, problem, _ := parseBudget(right); problem != "" {
				right = ""
			}
		}
		return b, "it has no =", right
	}
	amount, per, hasPer := strings.Cut(rest, "/")
	amount, per = strings.TrimSpace(amount), strings.ToLower(strings.TrimSpace(per))
	clean := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(strings.TrimLeft(amount, "$")), "USD"))
	times := 1.0
	if k, ok := strings.CutSuffix(strings.ToLower(clean), "k"); ok {
		clean, times = k, 1000
	}
	usd, err := strconv.ParseFloat(strings.TrimSpace(clean), 64)
	usd *= times
	number := strconv.FormatFloat(usd, 'f', -1, 64)
	known := slices.Contains(budgetPeriods, per)
	meant := cmp.Or(otherPeriods[per], nearest.Word(per, budgetPeriods...))
	kind, pool, isPool := strings.Cut(name, ":")
	isPool = isPool && nearest.Word(kind, "pool") != "" && len(kind) <= len("pools") && !strings.Contains(pool, ":")
	shown := name
	if isPool {
		shown = "pool:" + strings.TrimSpace(pool)
	}
	valid := err == nil && usd > 0 && usd <= maxBudget && !math.IsInf(usd, 0)
	if valid && shown != "" && shown != "pool:" {
		right = shown + "=" + number + "/" + cmp.Or(meant, "month")
		if known {
			right = shown + "=" + number + "/" + per
		}
	}
	switch {
	case name == "":
		return b, "it does not say of what", ""
	case shown == "pool:":
		return b, "it names no pool", ""
	case isPool && kind != "pool":
		return b, fmt.Sprintf("%q is not how a pool is named", kind+":"), right
	case err != nil || math.IsNaN(usd):
		return b, fmt.Sprintf("%q is not an amount of US dollars", amount), ""
	case !valid:
		return b, fmt.Sprintf("%s is no budget: it must be more than 0 and at most %.0f", amount, maxBudget), ""
	case clean != amount || times != 1:
		return b, fmt.Sprintf("%q is not a plain number", amount), right
	case !hasPer || per == "":
		return b, "it does not say for how long: day, week or month", right
	case !known:
		return b, fmt.Sprintf("%q is not day, week or month", per), right
	}
	b = Budget{USD: usd, Per: per}
	if isPool {
		b.Pool = strings.TrimSpace(pool)
	} else {
		b.Cluster = name
	}
	return b, "", ""
}

// checkBudgets reads the budgets.
func (l *loader) checkBudgets(c *Config) {
	var wrong []string
	c.Budgets, wrong = parseBudgets(c.BudgetList)
	for _, problem := range wrong {
		l.wrong("BUDGETS", "%s", problem)
	}
	if c.ClusterName == "" {
		return
	}
	for _, b := range c.Budgets {
		if b.Cluster != "" && b.Cluster != c.ClusterName {
			l.wrong("BUDGETS", "%q is not the cluster's name, CLUSTER_NAME is %q; write %s=%s/%s, or pool:%s=… for a pool",
				b.Cluster, c.ClusterName, c.ClusterName, strconv.FormatFloat(b.USD, 'f', -1, 64), b.Per, b.Cluster)
		}
	}
}
