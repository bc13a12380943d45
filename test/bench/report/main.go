// Command report runs the benchmarks of test/bench and makes tables of what they measure.
//
//	go run ./test/bench/report                  # every case, into bench/RESULTS.md
//	go run ./test/bench/report -case Latency    # one case, printed only
//	go run ./test/bench/report -from FILE       # tables of an earlier output, printed only
//
// One case alone never changes bench/RESULTS.md: a file whose parts come from different commits
// would compare what was not measured together. The benchmarks' own output goes to bench/raw.txt
// (bench/CASE.txt for one case), which git ignores, in the format that benchstat reads.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

func main() {
	only := flag.String("case", "", "run this case alone, such as Latency or Scale/recorded; print its tables")
	count := flag.Int("count", 3, "runs of each")
	from := flag.String("from", "", "make the tables of this file instead of running anything")
	flag.Parse()
	if err := report(*only, *count, *from); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func report(only string, count int, from string) error {
	if from != "" {
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		fmt.Print(render(parse(logged.ReplaceAllString(string(text), ""))))
		return nil
	}
	pattern, raw := ".", filepath.Join("bench", "raw.txt")
	if only != "" {
		pattern, raw = "^Benchmark"+strings.ReplaceAll(only, "/", "$/"),
			filepath.Join("bench", strings.ReplaceAll(only, "/", "-")+".txt")
	}
	began, commit := time.Now(), commit()
	var out bytes.Buffer
	cmd := exec.Command("go", "test", "./test/bench", "-run", "^$", "-bench", pattern, "-benchtime", "1x", "-count",
		fmt.Sprint(count), "-timeout", "60m")
	cmd.Stdout, cmd.Stderr = io.MultiWriter(os.Stderr, &out), os.Stderr
	failed := cmd.Run()
	if err := os.MkdirAll("bench", 0o755); err != nil {
		return err
	}
	text := logged.ReplaceAllString(out.String(), "")
	if err := os.WriteFile(raw, []byte(text), 0o644); err != nil {
		return err
	}
	tables := render(parse(text))
	if only != "" || failed != nil {
		fmt.Print(tables)
		if failed != nil {
			return fmt.Errorf("the benchmarks failed, bench/RESULTS.md stays as it was: %w", failed)
		}
		return nil
	}
	page := head(parse(text), commit, began, time.Since(began), count) + tables
	if err := os.WriteFile(filepath.Join("bench", "RESULTS.md"), []byte(page), 0o644); err != nil {
		return err
	}
	fmt.Print(page)
	return nil
}

// head says what was measured, where and how.
func head(r results, commit string, began time.Time, took time.Duration, count int) string {
	versions := strings.Fields(output("go", "-C", "test/controlplane", "list", "-m", "-f", "{{.Version}}",
		"k8s.io/kubernetes", "go.etcd.io/etcd/server/v3"))
	for len(versions) < 2 {
		versions = append(versions, "unknown")
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Measurements

Made by `+"`make bench`"+`, which writes this file anew; one case alone: `+"`make bench CASE=Latency`"+`,
which prints its tables and leaves this file as it is.

| | |
|---|---|
| date | %s, %.0f minutes in all |
| commit | %s |
| machine | %s, %d cores, %s; %s |
| versions | %s, Kubernetes %s, etcd %s, SQLite %s |
| runs | %d of each |

The program, the API server, etcd, the Slack emulator and the measuring share these cores. **Bare** is a client-go
watch that posts at once, without ledger, grouping or pacing: the limit that any bot of this kind has. Each figure is
the median of the runs, then their least and greatest; the ratio is to the bare program in the same run. "real" is
through a real API server, "recorded" through one that plays recorded objects (`+"`test/bench/stream_test.go`"+`),
where this machine cannot hold or produce as much. What a figure means exactly is said at its benchmark in
`+"`test/bench`"+`; where the time goes is in [docs/performance.md](../docs/performance.md#where-the-time-goes).

`, began.UTC().Format("2 January 2006"), took.Minutes(), commit, r.config["cpu"], runtime.NumCPU(), memory(), kernel(),
		runtime.Version(), versions[0], versions[1], r.config["sqlite"], count)
	return b.String()
}

// commit is what is measured.
func commit() string {
	commit := output("git", "rev-parse", "--short", "HEAD")
	if output("git", "status", "--porcelain") != "" {
		commit += " with changes"
	}
	return commit
}

// output is what a command prints, "" if it fails: what is not known is left out.
func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func memory() string {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return "memory unknown"
	}
	var kb float64
	if _, err := fmt.Sscanf(string(text), "MemTotal: %f kB", &kb); err != nil {
		return "memory unknown"
	}
	return fmt.Sprintf("%.0f GiB", kb/(1<<20))
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	version, _, _ := strings.Cut(strings.TrimSpace(string(release)), "-")
	return "Linux " + version
}
