package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// figure is a row of a table.
type figure struct {
	text string
	of   func(results) []float64 // its value in each run; none: the row is left out
	bare func(results) []float64 // the bare program's, nil: there is none
	unit string
	// A target is a limit: no more than most, no less than least. For bare figures the limit is
	// on the value.
	most, least float64
	exactly0    bool
}

// metric is what a benchmark reports under a name.
func metric(bench, name string) func(results) []float64 {
	return func(r results) []float64 { return r.runs[bench][name] }
}

// growth is how many bytes each further node of the benchmark at needs, from the one at from on.
func growth(from, at string, nodes float64) func(results) []float64 {
	return func(r results) []float64 {
		a, b := r.runs[from]["MiB"], r.runs[at]["MiB"]
		var out []float64
		for i := range min(len(a), len(b)) {
			out = append(out, (b[i]-a[i])*(1<<20)/nodes)
		}
		return out
	}
}

// section is a case.
type section struct {
	title, about string
	figures      []figure
}

func sections() []section {
	var all []section

	latency := section{title: "Latency",
		about: "A node is committed → Slack has accepted its message; 50 single nodes (20 in a cluster of 5,000), without " +
			"rate limits. " +
			"\"From the request\" counts the API server's own work of creating the node too, \"from the answer\" begins when " +
			"the creator is told, which the watch often is not later than."}
	for _, size := range []struct{ name, text string }{{"0", "an empty cluster"}, {"5000", "5,000 nodes there"}} {
		n := "Latency/" + size.name
		latency.figures = append(latency.figures,
			figure{text: size.text + ": median, from the request", of: metric(n, "ms-sent-p50"),
				bare: metric(n, "ms-bare-sent-p50"), unit: "ms"},
			figure{text: size.text + ": median above the bare program's", of: metric(n, "ms-p50-above-bare"), unit: "ms",
				most: 5},
			figure{text: size.text + ": 95th percentile, from the request", of: metric(n, "ms-sent-p95"),
				bare: metric(n, "ms-bare-sent-p95"), unit: "ms", most: 20},
			figure{text: size.text + ": median, from the answer", of: metric(n, "ms-p50"), bare: metric(n, "ms-bare-p50"),
				unit: "ms"},
			figure{text: size.text + ": 95th percentile, from the answer", of: metric(n, "ms-p95"),
				bare: metric(n, "ms-bare-p95"), unit: "ms"})
	}
	all = append(all, latency)

	burst := section{title: "Burst",
		about: "Nodes as fast as the API server takes them, then removed as fast, under Slack's rate limits, with " +
			"ALERT_WAVE_GAP=5s. " +
			"\"Headline right\" is the time from the last node until the message says how many; \"all named\" until each name " +
			"is in the message's thread, which at a post a second is about 270 names a second at the most, and for the last " +
			"few when the wave is closed. " +
			"The bare program posts each of 1,000 nodes; one drops what Slack refuses, the other waits as Slack says and is " +
			"stopped 15 s after the last node."}
	for _, n := range []string{"1000", "5000"} {
		bench, nodes := "Burst/"+n, thousands(n)
		burst.figures = append(burst.figures,
			figure{text: nodes + ": creating them", of: metric(bench, "s-creating"), unit: "s"},
			figure{text: nodes + ": first node → first message", of: metric(bench, "ms-to-first-message"), unit: "ms"})
		for _, step := range []string{"joined", "removed"} {
			burst.figures = append(burst.figures,
				figure{text: nodes + " " + step + ": told", of: metric(bench, step+"-told")},
				figure{text: nodes + " " + step + ": lost", of: metric(bench, step+"-lost"), exactly0: true},
				figure{text: nodes + " " + step + ": told twice", of: metric(bench, step+"-doubled"), exactly0: true},
				figure{text: nodes + " " + step + ": last node → headline right", of: metric(bench, "s-"+step+"-headline"),
					unit: "s"},
				figure{text: nodes + " " + step + ": last node → all named", of: metric(bench, "s-"+step+"-names"), unit: "s"})
		}
		burst.figures = append(burst.figures,
			figure{text: nodes + ": calls to Slack, both ways", of: metric(bench, "calls")},
			figure{text: nodes + ": of them refused (429)", of: metric(bench, "429s")})
	}
	burst.figures = append(burst.figures,
		figure{text: "bare program, 1,000 joined: told, dropping the refused", of: metric("Burst/bare", "dropping-told")},
		figure{text: "bare program, 1,000 joined: lost, dropping the refused", of: metric("Burst/bare", "dropping-lost")},
		figure{text: "bare program, 1,000 joined: told within 15 s, waiting", of: metric("Burst/bare", "waiting-told")},
		figure{text: "bare programs: refused (429)", of: metric("Burst/bare", "429s")})
	all = append(all, burst)

	scale := section{title: "Scale",
		about: "Resident memory and CPU with so many nodes (13.6 kB each as JSON), a ledger of their own, 400 heartbeats a " +
			"second for 10 s, as 120,000 idle kubelets send; GOMEMLIMIT as in the manifests. " +
			"The peak is the highest of the first start's list, the heartbeats and the next start's comparison with the ledger."}
	for _, n := range []struct{ name, text string }{{"real-0", "0"}, {"real-5000", "5,000"}, {"real-20000", "20,000"},
		{"recorded-5000", "5,000, recorded"}, {"recorded-100000", "100,000, recorded"}} {
		bench, most := "Scale/"+n.name, 0.0
		if strings.HasSuffix(n.name, "-5000") {
			most = 60
		}
		scale.figures = append(scale.figures,
			figure{text: n.text + ": resident, steady", of: metric(bench, "MiB"), bare: metric(bench, "MiB-bare"), unit: "MiB",
				most: most},
			figure{text: n.text + ": resident, peak", of: metric(bench, "MiB-peak"), unit: "MiB", most: most},
			figure{text: n.text + ": CPU with heartbeats", of: metric(bench, "%cpu"), bare: metric(bench, "%cpu-bare"),
				unit: "% of a core"},
			figure{text: n.text + ": CPU for a heartbeat", of: metric(bench, "µs/heartbeat"),
				bare: metric(bench, "µs/heartbeat-bare"), unit: "µs"},
			figure{text: n.text + ": first start → ready", of: metric(bench, "s-first-start"), unit: "s"},
			figure{text: n.text + ": next start → ready", of: metric(bench, "s-next-start"), unit: "s"})
	}
	scale.figures = append(scale.figures,
		figure{text: "growth from 5,000 to 20,000", of: growth("Scale/real-5000", "Scale/real-20000", 15_000),
			unit: "bytes a node"},
		figure{text: "growth from 5,000 to 100,000, recorded",
			of: growth("Scale/recorded-5000", "Scale/recorded-100000", 95_000), unit: "bytes a node", most: 400})
	all = append(all, scale)

	events := section{title: "Events",
		about: "Events of a busy cluster from the watch into the ledger (on disk when counted, synchronous=FULL), for 10 " +
			"s. The lag is how old the newest event in the ledger is while they come. " +
			"\"As many as come\" through the API server is what this machine's API server can write beside the program; " +
			"recorded, it is what the program can read."}
	for _, n := range []struct {
		name, text string
		least, lag float64
	}{{"real-100", "100 a second", 0, 0}, {"real-1000", "1,000 a second", 0, 2000},
		{"real-most", "as many as come", 0, 2000}, {"recorded-2000", "2,000 a second, recorded", 1900, 2000},
		{"recorded-most", "as many as come, recorded", 2000, 2000}} {
		bench := "Events/" + n.name
		events.figures = append(events.figures,
			figure{text: n.text + ": recorded", of: metric(bench, "recorded/s"), unit: "a second", least: n.least},
			figure{text: n.text + ": lag, median", of: metric(bench, "ms-lag-p50"), unit: "ms"},
			figure{text: n.text + ": lag, greatest", of: metric(bench, "ms-lag-max"), unit: "ms", most: n.lag},
			figure{text: n.text + ": lost", of: metric(bench, "events-lost"), exactly0: true},
			figure{text: n.text + ": CPU for an event", of: metric(bench, "µs/event"), unit: "µs"},
			figure{text: n.text + ": resident, peak", of: metric(bench, "MiB-peak"), unit: "MiB"})
	}
	events.figures = append(events.figures,
		figure{text: "on disk, indices included", of: metric("Events/recorded-most", "bytes/event"), unit: "bytes an event"})
	all = append(all, events)

	queries := section{title: "Queries",
		about: "A command's envelope → its answer, 100 times each, from a ledger of 330,000 lives, a million changes and a " +
			"million events, while 500 events a second are written to it."}
	for _, q := range []struct{ name, text string }{
		{"nodes", "`/nodes`"}, {"nodes-by-label", "`/nodes --by topology.kubernetes.io/zone`"}, {"list", "`/nodes list`"},
		{"list-filters", "`/nodes list --spot --zone *a --type m* --older 1h`"},
		{"list-labels", "`/nodes list -l 'kubernetes.io/arch=amd64,!gone' --page 3`"},
		{"list-removed", "`/nodes list --removed --since 7d --spot`"}, {"one-node", "`/nodes NAME`"},
		{"part-of-a-name", "`/nodes PART-OF-A-NAME`"}, {"waiting", "`/nodes waiting`"}, {"kept", "`/nodes kept`"},
		{"spot", "`/nodes spot`"}, {"spot-90d", "`/nodes spot --since 90d`"}, {"costs", "`/nodes costs`"},
		{"costs-90d-by-cause", "`/nodes costs --since 90d --by cause`"},
		{"events", "`/events --since 7d`"}, {"events-scaling", "`/events --since 7d --scaling`"},
		{"events-warnings", "`/events --since 7d --types Warning --reason Failed*`"},
		{"events-of-node", "`/events --since 7d --for node/NAME`"},
		{"events-text", "`/events --since 7d insufficient memory`"},
		{"events-namespace", "`/events --since 7d -n shop --for pod`"},
	} {
		queries.figures = append(queries.figures,
			figure{text: q.text + ": median", of: metric("Queries/"+q.name, "ms-p50"), unit: "ms"},
			figure{text: q.text + ": 95th percentile", of: metric("Queries/"+q.name, "ms-p95"), unit: "ms"})
	}
	all = append(all, queries)

	all = append(all, section{title: "Start",
		about: "The process starts → /readyz says ready, with 5,000 nodes in the API server: with no ledger yet, and with " +
			"one of a million changes and a million events.", figures: []figure{
			{text: "no ledger: ready", of: metric("Start/empty-ledger", "s-ready"), unit: "s"},
			{text: "no ledger: CPU until then", of: metric("Start/empty-ledger", "cpu-s"), unit: "s"},
			{text: "large ledger: ready", of: metric("Start/large-ledger", "s-ready"), unit: "s"},
			{text: "large ledger: CPU until then", of: metric("Start/large-ledger", "cpu-s"), unit: "s"},
			{text: "large ledger: resident, peak", of: metric("Start/large-ledger", "MiB-peak"), unit: "MiB"},
			{text: "size of the program", of: metric("Start/empty-ledger", "MB-program"), unit: "MB"},
			{text: "size of the image, uncompressed", of: metric("Start/empty-ledger", "MB-image"), unit: "MB", most: 60},
		}})
	return append(all,
		section{title: "Digest",
			about: "The digest of a day of 66,000 node lives and 170,000 scaling events out of the same ledger, in one " +
				"process: three in each run.", figures: []figure{
				{text: "summing up, with prices", of: metric("Digest/day", "ms-summary"), unit: "ms"},
				{text: "summing up every other node, as for a channel of ROUTES", of: metric("Digest/part", "ms-summary"),
					unit: "ms"},
				{text: "drawing the picture", of: metric("Digest/day", "ms-picture"), unit: "ms"},
				{text: "memory for both", of: metric("Digest/day", "MiB-more"), unit: "MiB"},
			}})
}

// render makes the tables of what was measured.
func render(r results) string {
	var b strings.Builder
	for _, s := range sections() {
		var rows []string
		for _, f := range s.figures {
			if row := f.row(r); row != "" {
				rows = append(rows, row)
			}
		}
		if len(rows) > 0 {
			fmt.Fprintf(&b, "## %s\n\n%s\n\n| figure | median | min–max | bare | ratio | target | "+
				"|\n|---|--:|--:|--:|--:|--:|---|\n%s\n", s.title, wrap(s.about), strings.Join(rows, ""))
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// wrap breaks a paragraph into lines of at most 120 columns.
func wrap(text string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		width := utf8.RuneCountInString(word)
		switch {
		case column == 0:
		case column+1+width > 120:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += width
	}
	return b.String()
}

// row is a figure's row, "" if it was not measured.
func (f figure) row(r results) string {
	vs := f.of(r)
	if len(vs) == 0 {
		return ""
	}
	m := median(vs)
	unit := f.unit
	if unit != "" {
		unit = " " + unit
	}
	bare, ratio := "", ""
	if f.bare != nil {
		if bs := f.bare(r); len(bs) == len(vs) {
			bare = number(median(bs))
			var ratios []float64
			for i := range bs {
				if bs[i] > 0 && vs[i] > 0 {
					ratios = append(ratios, vs[i]/bs[i])
				}
			}
			// The ratio to next to nothing says nothing.
			if len(ratios) == len(vs) && median(bs) >= 0.5 {
				ratio = number(median(ratios))
			}
		}
	}
	target, verdict := f.verdict(m)
	return fmt.Sprintf("| %s | %s%s | %s–%s | %s | %s | %s | %s |\n", f.text, number(m), unit, number(slices.Min(vs)),
		number(slices.Max(vs)), bare, ratio, target, verdict)
}

// verdict says what a median should be and whether it is.
func (f figure) verdict(m float64) (target, verdict string) {
	holds := true
	switch {
	case f.exactly0:
		target, holds = "0", m <= 0
	case f.most > 0:
		target, holds = "≤ "+number(f.most), m <= f.most
	case f.least > 0:
		target, holds = "≥ "+number(f.least), m >= f.least
	default:
		return "", ""
	}
	if holds {
		return target, "holds"
	}
	return target, "**does not hold**"
}

// number writes three digits that matter.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a == math.Trunc(a) && a < 1e15, a >= 100:
		return thousands(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

// thousands puts commas into a whole number.
func thousands(digits string) string {
	digits, minus := strings.CutPrefix(digits, "-")
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if minus {
		return "−" + digits
	}
	return digits
}
