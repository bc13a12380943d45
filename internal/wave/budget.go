package wave

import "time"

// The steps of a budget that are told: percent of it, or that it is going to be passed.
const (
	BudgetHalf     = 50
	BudgetMost     = 80
	BudgetPassed   = 100
	BudgetForecast = -1
)

// Budget is what has been spent of a budget in a period of it. All sums are in US dollars, as they were counted at At.
type Budget struct {
	Step  int       `json:"step"`           // why it is told: see BudgetHalf
	Pool  string    `json:"pool,omitempty"` // of this pool alone
	Limit float64   `json:"limit"`
	Per   string    `json:"per"` // day, week or month
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`

	At    time.Time `json:"at"`
	Spent float64   `json:"spent"`
	// What is not known of it: from when on nodes are known, if that is not from the beginning; whether it is only a
	// bound; of how many nodes no price is known, and so on, as in fleet.Cost; and what more it may
	// be, because nobody watched when nodes left.
	Since    time.Time `json:"since,omitzero"`
	AtMost   bool      `json:"at_most,omitempty"`
	AtLeast  bool      `json:"at_least,omitempty"`
	Unpriced int       `json:"unpriced,omitempty"`
	Billed   int       `json:"billed,omitempty"` // nodes that are not billed by the hour
	Priced   int       `json:"priced,omitempty"` // nodes whose price is known, and how many of these prices are old
	Old      int       `json:"old,omitempty"`
	Unsure   float64   `json:"unsure,omitempty"`

	// Before is what was spent by the same time of the period before, if that is known, and Grew what has grown most
	// since.
	Before float64     `json:"before,omitempty"`
	Grew   []BudgetRow `json:"grew,omitempty"`

	// Days is how many whole days are known, if they are too few for a forecast; -1 for none. Otherwise Likely is what is
	// expected by the end, nine times in ten between Low and High; and if that is more than the budget, Passed is the day
	// on which it is passed, between First and Last.
	Days   int       `json:"days,omitempty"`
	Likely float64   `json:"likely,omitempty"`
	Low    float64   `json:"low,omitempty"`
	High   float64   `json:"high,omitempty"`
	Passed time.Time `json:"passed,omitzero"`
	First  time.Time `json:"first,omitzero"`
	Last   time.Time `json:"last,omitzero"`
}

// BudgetRow is by how much more a part of a budget costs than before.
type BudgetRow struct {
	What string  `json:"what"` // pool, type or cause
	Name string  `json:"name"` // untrusted; "" if it is not known
	USD  float64 `json:"usd"`
}
