package message

import (
	"fmt"
	"strings"

	"rollcall/internal/fleet"
)

// OneLine is text without what would break its line.
func OneLine(s string) string { return strings.Join(strings.Fields(Clean(s)), " ") }

// RefusalWords says why no node comes, "pool general is at its limit", or why none came. It is "" where nothing says
// why.
func RefusalWords(r fleet.Refusal, past bool) string {
	is, are, has, does := "is", "are", "has", "do not"
	if past {
		is, are, has, does = "was", "were", "had", "did not"
	}
	pools := strings.Split(OneWord(r.Pool), ",")
	pool, of := "", ""
	switch {
	case r.Pool == "":
		pool = "a node group"
	case len(pools) == 1:
		pool, of = "pool "+pools[0], " of pool "+pools[0]
	default:
		pool, is, has = "pools "+strings.Join(pools, ", "), are, "have"
		of = " of " + pool
	}
	switch r.Kind {
	case "":
		return ""
	case fleet.AtLimit:
		if len(pools) > 1 {
			return pool + " " + is + " at their limits"
		}
		return pool + " " + is + " at its limit"
	case fleet.AtMaximum:
		return pool + " " + is + " at its maximum size"
	case fleet.AtTotal:
		return OneWord(r.By) + " may make no more nodes in this cluster"
	case fleet.NoType:
		return pool + " " + has + " no instance type that would do"
	case fleet.Unfit:
		return "no pool " + has + " nodes of the kind that they ask for"
	case fleet.NoCapacity:
		if kind, zone, ok := strings.Cut(r.Detail, " in "); ok && !strings.Contains(kind+zone, " ") {
			return "the cloud " + has + " no " + OneWord(kind) + " in " + OneWord(zone)
		}
		return "the cloud " + has + " no capacity for " + pool
	case fleet.NoLaunch:
		if r.Pool == "" {
			return "the last scale-up failed, and " + OneWord(r.By) + " waits before the next"
		}
		return "machines" + of + " " + does + " start"
	case fleet.NoRegister:
		return "machines" + of + " start, but never become nodes"
	}
	return OneWord(r.By) + " makes none"
}

// RefusalDetail is what was said of why no node comes, in the words of whoever said it; "" if there is no more to say.
func RefusalDetail(r fleet.Refusal) string {
	detail := Clip(OneLine(r.Detail), 2*maxWhy)
	if kind, zone, ok := strings.Cut(r.Detail, " in "); detail == "" ||
		r.Kind == fleet.NoCapacity && ok && !strings.Contains(kind+zone, " ") {
		return ""
	}
	return OneWord(r.By) + ": " + detail
}

// Scheduler is what the scheduler says of a pod that finds no room, in its own words.
func Scheduler(note string) string {
	first, _, _ := strings.Cut(OneLine(note), ". ")
	return "The scheduler: " + Clip(first, 300)
}

// PodsOf says whose pods they are: "98 pods of shop/web, 2 of shop/api and 5 others".
func PodsOf(of []fleet.PodsOf, others int) string {
	var parts []string
	for i, p := range of {
		unit := ""
		if i == 0 {
			unit = " pods"
			if p.Pods == 1 {
				unit = " pod"
			}
		}
		switch name := strings.TrimPrefix(OneWord(p.Namespace)+"/"+OneWord(p.Name), "/"); {
		case p.Kind != "Pod":
			parts = append(parts, fmt.Sprintf("%d%s of %s", p.Pods, unit, WorkloadName(p.Workload)))
		case p.Pods == 1 && !strings.HasSuffix(name, "*"):
			parts = append(parts, "pod "+name)
		default:
			parts = append(parts, fmt.Sprintf("%d%s %s", p.Pods, unit, name))
		}
	}
	text := strings.Join(parts, ", ")
	if others > 0 {
		text += fmt.Sprintf(" and %d others", others)
	}
	return text
}
