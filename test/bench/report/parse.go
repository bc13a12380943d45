package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are the metrics of benchmarks by their names, without "Benchmark" and the number of
// processors: of each metric a value for each run, in order.
type results struct {
	runs   map[string]map[string][]float64
	config map[string]string // the configuration lines: cpu, sqlite
}

var processors = regexp.MustCompile(`-\d+$`)

// logged is a line of client-go's log. go test mixes it into the results, also into the middle of
// a benchmark's line.
var logged = regexp.MustCompile(`[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ [^\n]*\n`)

// parse reads the benchmark format (golang.org/design/14313-benchmark-format). It is read here
// and not with golang.org/x/perf, which would be a dependency for two kinds of lines.
func parse(text string) results {
	r := results{runs: map[string]map[string][]float64{}, config: map[string]string{}}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(line, "Benchmark") {
			if key, value, ok := strings.Cut(line, ": "); ok && key != "" && !strings.ContainsAny(key, " \t") {
				r.config[key] = strings.TrimSpace(value)
			}
			continue
		}
		name := processors.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		if r.runs[name] == nil {
			r.runs[name] = map[string][]float64{}
		}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				r.runs[name][fields[i+1]] = append(r.runs[name][fields[i+1]], v)
			}
		}
	}
	return r
}

// median is the middle one, or the mean of the two in the middle.
func median(vs []float64) float64 {
	vs = slices.Sorted(slices.Values(vs))
	n := len(vs)
	if n == 0 {
		return 0
	}
	return (vs[(n-1)/2] + vs[n/2]) / 2
}
