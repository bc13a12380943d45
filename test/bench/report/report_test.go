package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const raw = `sqlite: 3.53.4
goos: linux
cpu: A Processor 3000
BenchmarkLatency/5000-2	1	5.000 ms-bare-sent-p50	12.00 ms-sent-p50	 25 ms-sent-p95 20 ms-bare-sent-p95
BenchmarkLatency/5000-2	1	4.000 ms-bare-sent-p50	6.00 ms-sent-p50	 19 ms-sent-p95 20 ms-bare-sent-p95
BenchmarkLatency/5000-2	1	5.000 ms-bare-sent-p50	6.00 ms-sent-p50	 24 ms-sent-p95 20 ms-bare-sent-p95
BenchmarkScale/recorded-5000-2  	       1	        40.00 MiB
BenchmarkScale/recorded-100000-2	       1	        66.50 MiB
BenchmarkBurst/1000-2           	       1	      1000 joined-told	         0 joined-lost
--- FAIL: BenchmarkBurst/5000
PASS
`

func TestParse(t *testing.T) {
	r := parse(raw)
	if diff := cmp.Diff([]float64{12, 6, 6}, r.runs["Latency/5000"]["ms-sent-p50"]); diff != "" {
		t.Error(diff)
	}
	if r.config["cpu"] != "A Processor 3000" || r.config["sqlite"] != "3.53.4" {
		t.Errorf("configuration lines: %v", r.config)
	}
	if len(r.runs) != 4 {
		t.Errorf("benchmarks: %v", r.runs)
	}
}

func TestRender(t *testing.T) {
	text := render(parse(raw))
	for _, want := range []string{
		"| 5,000 nodes there: median, from the request | 6 ms | 6–12 | 5 | 1.50 |  |  |\n",
		"| 5,000 nodes there: 95th percentile, from the request | 24 ms | 19–25 | 20 | 1.20 | ≤ 20 | **does not hold** |\n",
		"| growth from 5,000 to 100,000, recorded | 292 bytes a node | 292–292 |  |  | ≤ 400 | holds |\n",
		"| 1,000 joined: told | 1,000 | 1,000–1,000 |  |  |  |  |\n",
		"| 1,000 joined: lost | 0 | 0–0 |  |  | 0 | holds |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no row %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	if strings.Contains(text, "## Events") {
		t.Error("a case that was not run has a section")
	}
}

func TestWrap(t *testing.T) {
	long := strings.Repeat("a", 119)
	for text, want := range map[string]string{
		"":                     "",
		"one two":              "one two",
		long + " b":            long + "\nb",
		"ä " + long[1:] + " b": "ä " + long[1:] + "\nb",
	} {
		if got := wrap(text); got != want {
			t.Errorf("wrap(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.123: "0.12", 9.999: "10.00", 12.34: "12.3", 123.4: "123",
		17580: "17,580", -1234567: "−1,234,567"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}

// A log line in the middle of a benchmark's line hides none of its metrics.
func TestLogged(t *testing.T) {
	text := "BenchmarkEvents/real-most-2   \tE1124 14:03:26.272689   25066 request.go:1198] \"Unexpected error\" " +
		"err=\"deadline\"\n" +
		"E1124 14:03:26.272927   25066 request.go:1198] \"Unexpected error\"\n       1\t        38.73 MiB\n"
	if got := parse(logged.ReplaceAllString(text, "")).runs["Events/real-most"]["MiB"]; len(got) != 1 {
		t.Errorf("runs: %v", got)
	}
}
