package bench

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/ledger/ledgertest"
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// large is the ledger that Queries, Start and Digest share: five days of a cluster of 5,000 nodes
// that live for 78 minutes each, a million changes, and a million events.
var large = ledgertest.Size{Nodes: 330_000, Live: 5000, Events: 1_000_000, End: time.Now().Truncate(time.Hour),
	Span: 5 * 24 * time.Hour}

var fillLarge = sync.OnceValues(func() (string, error) {
	path := filepath.Join(work, "large.db")
	return path, ledgertest.Fill(context.Background(), path, large)
})

// largeLedger returns a copy of the large ledger, for this benchmark alone.
func largeLedger(b *testing.B) string {
	b.Helper()
	began := time.Now()
	path, err := fillLarge()
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("filled in %v", time.Since(began).Round(time.Second))
	mine := filepath.Join(b.TempDir(), "ledger.db")
	copyFile(b, path, mine)
	return mine
}

func copyFile(b *testing.B, from, to string) {
	b.Helper()
	in, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		b.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkStart: the process starts → /readyz says ready, with 5,000 nodes: the first time, and
// with a ledger of a million changes and a million events. Also how large the program is.
func BenchmarkStart(b *testing.B) {
	plane := controlPlane(b)
	b.Run("empty-ledger", func(b *testing.B) {
		p, kubeconfig := plane()
		p.grow(b, 5000)
		s := newSite(b, kubeconfig, slackemu.Config{})
		q := run(b, bot, s.env...)
		took := q.ready(s.http, 5*time.Minute)
		_, peak := q.memory()
		program, image := sizes(b)
		report(b, took.Seconds(), "s-ready", q.cpu().Seconds(), "cpu-s", peak, "MiB-peak", program/1e6, "MB-program",
			image/1e6, "MB-image")
	})
	var filled string
	b.Run("large-ledger", func(b *testing.B) {
		p, kubeconfig := plane()
		p.grow(b, 5000)
		s := newSite(b, kubeconfig, slackemu.Config{NoRateLimits: true})
		if filled == "" {
			filled = filepath.Join(work, "start.db")
			copyFile(b, largeLedger(b), s.db)
			introduce(b, s)
			copyFile(b, s.db, filled)
		}
		copyFile(b, filled, s.db)
		var changes int
		s.ask("SELECT count(*) FROM changes", &changes)
		q := run(b, bot, s.env...)
		took := q.ready(s.http, 5*time.Minute)
		_, peak := q.memory()
		report(b, took.Seconds(), "s-ready", q.cpu().Seconds(), "cpu-s", peak, "MiB-peak", changes, "changes")
	})
}

// sizes returns how large the program is, and the image with all that the Dockerfile puts beside it, in bytes.
func sizes(b *testing.B) (program, image float64) {
	b.Helper()
	beside := b.TempDir()
	if out, err := exec.Command("go", "-C", "../../tools", "run", "./licences", "-binary", bot, "-out",
		beside).CombinedOutput(); err != nil {
		b.Fatalf("collecting licences: %v\n%s", err, out)
	}
	add := func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			image += float64(info.Size())
		}
		return err
	}
	if err := filepath.WalkDir(beside, add); err != nil {
		b.Fatal(err)
	}
	for _, path := range []string{bot, "/etc/ssl/certs/ca-certificates.crt"} {
		info, err := os.Stat(path)
		if path != bot && errors.Is(err, fs.ErrNotExist) {
			continue // this system keeps its certificates elsewhere
		} else if err != nil {
			b.Fatal(err)
		}
		image += float64(info.Size())
		if path == bot {
			program = float64(info.Size())
		}
	}
	return program, image
}

// introduce makes a filled ledger one of the cluster that s watches: the nodes that were live in
// it have left, and those that are there are its baseline.
func introduce(b *testing.B, s *site) {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+s.db)
	if err != nil {
		b.Fatal(err)
	}
	for _, stmt := range []string{"UPDATE nodes SET removed_at = 1 + created_at WHERE removed_at IS NULL",
		"DELETE FROM clusters"} {
		if _, err := db.Exec(stmt); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	p := s.start()
	cluster.Eventually(b, time.Minute, func(context.Context) error {
		var told int
		if s.ask("SELECT count(*) FROM messages WHERE ts IS NOT NULL", &told); told == 0 {
			return errors.New("the baseline is not told")
		}
		return nil
	})
	p.end(syscall.SIGTERM)
}
