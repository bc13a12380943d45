// Package digest sums up a period of a cluster: how many nodes there were, what they cost, what
// scaled, what was odd, and what is not known.
//
// It is pure: it gets the ledger's facts and prices as values, and returns a Summary. When a
// digest is due, and how it reaches Slack, is decided by package schedule below it and by
// internal/deliver; package picture draws the Chart, and CSV has the figures for a spreadsheet.
package digest
