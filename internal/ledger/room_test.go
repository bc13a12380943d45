package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/fleet"
	"rollcall/internal/wave"
)

// noise are events that are not of scaling, n of them from number first on, about 1 kB each.
func noise(first, n int) (events []fleet.Event) {
	for i := first; i < first+n; i++ {
		e := event(fmt.Sprintf("noise-%06d", i), 1, time.Duration(i)*time.Second)
		e.Reason, e.Note = "Pulled", strings.Repeat("x", 800)
		events = append(events, e)
	}
	return events
}

// pages lets the database have some more pages than it has, and no more: it is full then.
func pages(t *testing.T, l *Ledger, more int) {
	t.Helper()
	now, _, err := one(t.Context(), once{&reader{DB: l.w}}, value[int], `PRAGMA page_count`)
	check(t, err)
	check(t, l.pragma(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, now+more)))
}

// On a full disk the oldest noise makes way, for newer events and above all for the changes of nodes.
func TestFullDiskKeepsChanges(t *testing.T) {
	shrink(t, &reserveSize, 1<<20)
	l, ctx := fresh(t), t.Context()
	check(t, l.RecordEvents(ctx, "prod", []fleet.Event{event("story", 1, 0)}, "1"))
	pages(t, l, 1500) // 6 MB
	for i := range 40 {
		check(t, l.RecordEvents(ctx, "prod", noise(i*500, 500), fmt.Sprint(i)))
		record(t, l, fmt.Sprint(i), first(2*i), first(2*i+1))
	}
	scaling, other, err := l.EventCounts(ctx, "prod", t0)
	check(t, err)
	if scaling != 1 || other < 500 || other > 10000 {
		t.Errorf("%d events of scaling and %d others are left", scaling, other)
	}
	span, err := l.EventSpan(ctx, "prod")
	check(t, err)
	if !span.Other.After(t0.Add(10000 * time.Second)) {
		t.Errorf("the oldest event is of %v", span.Other)
	}
	if todo, _, err := l.Todo(ctx, "prod", 1000); err != nil || len(todo) != 80 {
		t.Errorf("%d to-dos of 80, %v", len(todo), err)
	}
	if totals, err := l.Totals(ctx, "prod"); err != nil || totals.Nodes != 80 {
		t.Errorf("%d nodes of 80, %v", totals.Nodes, err)
	}
}

// Where nothing may make way, events are left out, without an error that would end the program; a change
// that cannot be recorded is one.
func TestFullDiskWithNothingToGiveUp(t *testing.T) {
	var said bytes.Buffer
	l, ctx := fresh(t), t.Context()
	l.log = slog.New(slog.NewTextHandler(&said, nil))
	record(t, l, "1", first(1))
	pages(t, l, 0)
	if err := l.RecordEvents(ctx, "prod", noise(0, 500), "7"); err != nil {
		t.Errorf("events: %v", err)
	}
	if !strings.Contains(said.String(), "events are left out") {
		t.Errorf("the log does not say it: %s", &said)
	}
	if _, other, err := l.EventCounts(ctx, "prod", t0); err != nil || other > 0 {
		t.Errorf("%d events, %v", other, err)
	}
	var many []fleet.Observation
	for n := range 500 {
		many = append(many, first(n+2))
	}
	err := l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Observations: many, ResourceVersion: "2", At: t0})
	if err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("nodes: %v", err)
	}
	if todo, _, err := l.Todo(ctx, "prod", 10); err != nil || len(todo) != 1 {
		t.Errorf("%d to-dos, %v", len(todo), err)
	}
	pages(t, l, 10000)
	check(t, l.RecordNodes(ctx, fleet.Batch{Cluster: "prod", Observations: many, ResourceVersion: "2", At: t0}))
}

// fill fills a disk to its last byte with a file.
func fill(t *testing.T, path string) {
	t.Helper()
	f := must[*os.File](t)(os.Create(path))
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else {
			check(t, err)
		}
	}
}

// A disk that is full when the ledger is opened, and stays so, takes the changes of nodes, because the
// reserve makes the room that pruning needs.
func TestStartOnFullDisk(t *testing.T) {
	shrink(t, &reserveSize, 2<<20)
	for _, reserved := range []bool{true, false} {
		t.Run(fmt.Sprint("reserve ", reserved), func(t *testing.T) {
			dir, ctx := t.TempDir(), t.Context()
			smallDisk(t, dir, "24m")
			path := filepath.Join(dir, "rollcall.db")
			l := open(t, path)
			check(t, l.RecordEvents(ctx, "prod", noise(0, 4000), "1"))
			record(t, l, "1", first(1))
			if reserved {
				check(t, l.keepReserve())
			}
			check(t, l.Close())
			ballast := filepath.Join(dir, "ballast")
			fill(t, ballast)
			l, err := Open(ctx, path, Options{})
			if !reserved {
				if err == nil || !strings.Contains(err.Error(), "the disk is full") {
					t.Errorf("without a reserve: %v", err)
				}
				return
			}
			check(t, err)
			defer l.Close()
			for i := range 30 {
				record(t, l, fmt.Sprint(i), first(2*i+2), first(2*i+3))
				check(t, l.RecordEvents(ctx, "prod", noise(4000+i*200, 200), "1"))
			}
			if todo, _, err := l.Todo(ctx, "prod", 1000); err != nil || len(todo) != 61 {
				t.Errorf("%d to-dos of 61, %v", len(todo), err)
			}
			check(t, l.keepReserve())
			if _, err := os.Stat(l.reserve()); err == nil {
				t.Error("a reserve was made on a full disk")
			}
			check(t, os.Remove(ballast))
			check(t, l.keepReserve())
			if info, err := os.Stat(l.reserve()); err != nil || info.Size() != int64(reserveSize) {
				t.Errorf("no reserve was made when there was room again: %v", err)
			}
		})
	}
}

// What is in the file is bounded in bytes: the lives that ended first and were told go first, and what is live,
// untold or of a live wave never goes.
func TestFileIsBounded(t *testing.T) {
	l, ctx := fresh(t), t.Context()
	var ids []int64
	for n := range 900 { // 0 to 599 left, of which 0 to 99 are untold and 100 to 199 in a live wave
		seen := node(n)
		seen.Detail.ProviderID = strings.Repeat("x", 2000)
		seen.Labels = map[string]string{"of": fmt.Sprint(n)}
		o := fleet.First(seen, t0)
		os := []fleet.Observation{o}
		if n < 600 {
			os = append(os, fleet.Gone(seen, o.Known, t0.Add(time.Duration(n)*time.Minute)))
		}
		record(t, l, fmt.Sprint(n), os...)
	}
	todo, _, err := l.Todo(ctx, "prod", 5000)
	check(t, err)
	live := map[bool][]int64{}
	for _, x := range todo {
		var n int
		fmt.Sscanf(x.Node.Name, "node-%d", &n)
		switch {
		case n >= 200:
			ids = append(ids, x.Change.ID)
		case n >= 100:
			live[true] = append(live[true], x.Change.ID)
		}
	}
	check(t, l.Apply(ctx, "prod", "C1", wave.Plan{New: []wave.Opening{{Kind: wave.KindRemoved, Changes: ids},
		{Kind: wave.KindRemoved, Changes: live[true]}}}, false, t0))
	waves := must[[]wave.Wave](t)(l.LiveWaves(ctx, "prod"))
	for _, w := range waves {
		check(t, l.Accepted(ctx, w.Main, 1<<40, t0))
	}
	if _, err := l.exec(ctx, `UPDATE waves SET done_at = 1 WHERE id = ?`, waves[0].ID); err != nil {
		t.Fatal(err)
	}
	before, err := l.fileSize(ctx)
	check(t, err)
	keep := Retention{Scaling: 1000 * time.Hour, Other: time.Hour, MaxFile: before.used * 17 / 20}
	_, err = l.Prune(ctx, keep, t0)
	check(t, err)
	after, err := l.fileSize(ctx)
	check(t, err)
	left := func(from, to int) (n int) {
		for i := from; i < to; i++ {
			if _, ok, err := l.Node(ctx, "prod", fmt.Sprint("uid-", i)); err == nil && ok {
				n++
			}
		}
		return n
	}
	if after.used > keep.MaxFile || left(0, 200) != 200 || left(200, 300) != 0 || left(590, 600) != 10 ||
		left(600, 900) != 300 {
		t.Errorf("of %d bytes %d are left, bound %d; untold or in a live wave %d of 200, oldest %d, latest %d of 10, live %d",
			before.used, after.used, keep.MaxFile, left(0, 200), left(200, 300), left(590, 600), left(600, 900))
	}
	var sets int
	check(t, l.r.QueryRow(`SELECT count(*) FROM label_sets`).Scan(&sets))
	if nodes := left(0, 900); sets != nodes {
		t.Errorf("%d label sets of %d nodes", sets, nodes)
	}
	keep.MaxFile = 1 // which cannot be kept
	_, err = l.Prune(ctx, keep, t0)
	check(t, err)
	if left(0, 200) != 200 || left(200, 600) != 0 || left(600, 900) != 300 {
		t.Errorf("of what must stay there are %d of 200 and %d of 300; of the rest %d", left(0, 200), left(600, 900),
			left(200, 600))
	}
}
