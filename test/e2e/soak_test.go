package e2e

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// TestSoak runs the program for as long as ROLLCALL_SOAK says, with nodes that come and go,
// questions and faults, and reports how its memory, goroutines and open files were over time. It
// fails if goroutines or files grow. Run it with `make soak`.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("ROLLCALL_SOAK"))
	if err != nil {
		t.Skip("ROLLCALL_SOAK is not set to a duration")
	}
	const addr = "127.0.0.1:18975"
	s := set(t, cluster.Shared(t), "HTTP_ADDR="+addr, "DIGEST_SCHEDULE=@every 2m", "LOG_LEVEL=warn")
	s.start()
	s.watching()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	faults := []slackemu.Fault{slackemu.ServerError(), slackemu.CutConnection(), slackemu.RateLimited(1),
		slackemu.ServerError().AfterEffect(), slackemu.Slow(2 * time.Second)}
	var alive []string
	var samples []sample
	nextSample := time.Now()
	for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		switch n := r.IntN(100); {
		case n < 40:
			alive = append(alive, s.join(1+r.IntN(4))...)
		case n < 80 && len(alive) > 30:
			s.remove(alive[:3]...)
			alive = alive[3:]
		case n < 90:
			s.slack.SlashCommand(slackemu.UserAda, slackemu.ChannelOps, "/nodes",
				[]string{"", "list", "digest", "help"}[r.IntN(4)])
		case n < 97:
			s.slack.Fail([]string{"chat.postMessage", "chat.update", slackemu.MethodResponseURL}[r.IntN(3)], 1,
				faults[r.IntN(len(faults))])
		case n < 98:
			s.slack.DropSockets()
		}
		if time.Now().After(nextSample) {
			nextSample = time.Now().Add(10 * time.Second)
			if x, err := measure(addr); err == nil {
				samples = append(samples, x)
			}
		}
	}
	s.settle(3*time.Minute, "joined", "removed")
	if len(samples) < 8 {
		t.Fatalf("only %d samples", len(samples))
	}
	fourth := len(samples) / 4
	first, last := median(samples[fourth:2*fourth]), median(samples[len(samples)-fourth:])
	t.Logf("%v, %d joined, %d left, %d messages: resident %.1f → %.1f MB, goroutines %.0f → %.0f, open files %.0f → "+
		"%.0f (medians of the second and the last fourth)", length,
		len(s.truth["joined"]), len(s.truth["removed"]), len(s.slack.Messages(slackemu.ChannelOps)), first.resident/1e6,
		last.resident/1e6, first.goroutines, last.goroutines, first.files, last.files)
	if last.goroutines > first.goroutines*1.2+5 || last.files > first.files*1.2+5 {
		t.Error("goroutines or open files grow")
	}
	s.stop()
}

// sample is what the program uses at a moment.
type sample struct{ resident, goroutines, files float64 }

func measure(addr string) (x sample, err error) {
	res, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		return x, err
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		to := map[string]*float64{"process_resident_memory_bytes": &x.resident, "go_goroutines": &x.goroutines,
			"process_open_fds": &x.files}[name]
		if to == nil {
			continue
		}
		if *to, err = strconv.ParseFloat(value, 64); err != nil {
			return x, fmt.Errorf("%s: %w", name, err)
		}
	}
	return x, nil
}

// median is each figure's own.
func median(all []sample) sample {
	of := func(get func(sample) float64) float64 {
		var vs []float64
		for _, x := range all {
			vs = append(vs, get(x))
		}
		slices.Sort(vs)
		return vs[len(vs)/2]
	}
	return sample{of(func(x sample) float64 { return x.resident }), of(func(x sample) float64 { return x.goroutines }),
		of(func(x sample) float64 { return x.files })}
}
