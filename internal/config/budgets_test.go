package config

import (
	"slices"
	"strings"
	"testing"
)

func TestBudgets(t *testing.T) {
	for text, want := range map[string][]Budget{
		"":                                nil,
		" ":                               nil,
		"prod=9000/month":                 {{Cluster: "prod", USD: 9000, Per: "month"}},
		"prod=9000/month,pool:gpu=80/day": {{Cluster: "prod", USD: 9000, Per: "month"}, {Pool: "gpu", USD: 80, Per: "day"}},
		"prod = 99.50 / week ; pool: a=1/day,": {{Cluster: "prod", USD: 99.5, Per: "week"},
			{Pool: "a", USD: 1, Per: "day"}},
		"prod=9000/month,prod=400/day": {{Cluster: "prod", USD: 9000, Per: "month"}, {Cluster: "prod", USD: 400, Per: "day"}},
		"arn:aws:eks:eu-west-1:1:cluster/prod=5/DAY": {{Cluster: "arn:aws:eks:eu-west-1:1:cluster/prod", USD: 5,
			Per: "day"}},
	} {
		got, wrong := parseBudgets(text)
		if !slices.Equal(got, want) || len(wrong) > 0 {
			t.Errorf("%q: %+v, %q; want %+v", text, got, wrong, want)
		}
	}
	for text, want := range map[string]string{
		"prod":                            `"prod": it has no =; write prod=9000/month or pool:gpu=80/day`,
		"prod 9000/month":                 `"prod 9000/month": it has no =; write prod=9000/month`,
		"prod=9000":                       `"prod=9000": it does not say for how long: day, week or month; write prod=9000/month`,
		"prod=9000/monthly":               `"prod=9000/monthly": "monthly" is not day, week or month; write prod=9000/month`,
		"prod=9000/mnth":                  `"prod=9000/mnth": "mnth" is not day, week or month; write prod=9000/month`,
		"prod=$9000/month":                `"prod=$9000/month": "$9000" is not a plain number; write prod=9000/month`,
		"prod=9k/month":                   `"prod=9k/month": "9k" is not a plain number; write prod=9000/month`,
		"prod=9,000/month":                `"prod=9": it does not say for how long: day, week or month; write prod=9000/month`,
		"prod=much/month":                 `"prod=much/month": "much" is not an amount of US dollars; write prod=9000/month or`,
		"prod=-1/month":                   `"prod=-1/month": -1 is no budget: it must be more than 0`,
		"prod=NaN/month":                  `"NaN" is not an amount`,
		"prod=Inf/month":                  `Inf is no budget`,
		"=5/day":                          `"=5/day": it does not say of what`,
		"pool:=5/day":                     `"pool:=5/day": it names no pool`,
		"pools:gpu=5/day":                 `"pools:gpu=5/day": "pools:" is not how a pool is named; write pool:gpu=5/day`,
		"prod=5/day,prod=6/day":           `"prod=6/day": prod has a budget a day already; write one of them`,
		"prod=9000/month,pool:gpu=80/dya": `"pool:gpu=80/dya": "dya" is not day, week or month; write pool:gpu=80/day`,
	} {
		_, wrong := parseBudgets(text)
		if len(wrong) != 1 || !strings.Contains(wrong[0], want) {
			t.Errorf("%q: %q, want %q", text, wrong, want)
		}
	}
}

func TestBudgetsOfTheCluster(t *testing.T) {
	if _, err := Load(right("BUDGETS", "prd=9000/month", "CLUSTER_NAME", "prod")); err == nil ||
		!strings.Contains(err.Error(), `BUDGETS: "prd" is not the cluster's name, CLUSTER_NAME is "prod"; write prod=9000/month`) {
		t.Errorf("%v", err)
	}
	c, err := Load(right("BUDGETS", "prod=9000/month,pool:gpu=80/day", "CLUSTER_NAME", "prod"))
	if err != nil || len(c.Budgets) != 2 {
		t.Errorf("%+v, %v", c.Budgets, err)
	}
}

func FuzzBudgets(f *testing.F) {
	for _, text := range []string{"prod=9000/month,pool:gpu=80/day", "a=1,000/day", "==//", "pool:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, _ := parseBudgets(text)
		for _, b := range all {
			if !(b.USD > 0) || (b.Pool == "") == (b.Cluster == "") || !slices.Contains(budgetPeriods, b.Per) {
				t.Errorf("%q: %+v", text, b)
			}
		}
	})
}
