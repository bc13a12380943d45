package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"math"
	"os"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// A full disk. SQLite needs room even to delete: what a transaction changes is first appended to the log. So a
// reserve lies beside the ledger, and is given up when there is no room left. Then the least of what is kept
// makes way, in this order: events that are not of scaling, those of scaling, removed nodes whose changes were
// told; the oldest first. What is live or untold never does. The room that it leaves inside the file is used
// again before the file grows.

// reserveSize is the size of the file path.reserve, and how much room is made inside the database at a time, in
// bytes. The log is some 4 MiB when it is written back (wal_autocheckpoint), and the transaction that was under
// way then comes on top. Tests make it smaller.
var reserveSize = 16 << 20

// reserve is the name of the file that keeps room.
func (l *Ledger) reserve() string { return l.path + ".reserve" }

// isFull reports whether an error means that there is no room left on the disk.
func isFull(err error) bool {
	if errors.Is(err, syscall.ENOSPC) {
		return true
	}
	se, ok := errors.AsType[*sqlite.Error](err)
	return ok && (se.Code()&0xff == sqlite3.SQLITE_FULL || se.Code() == sqlite3.SQLITE_IOERR_SHMSIZE)
}

// keepReserve makes the reserve, unless it is there or the disk would be nearly full with it.
func (l *Ledger) keepReserve() error {
	if info, err := os.Stat(l.reserve()); err == nil && info.Size() == int64(reserveSize) {
		return nil
	}
	if free, ok := freeBytes(l.path); ok && free < 4*int64(reserveSize) {
		return nil
	}
	f, err := os.OpenFile(l.reserve(), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, private)
	if err != nil {
		return err
	}
	// Neither a hole nor what a file system can compress.
	random := make([]byte, 64<<10)
	for left := reserveSize; left > 0 && err == nil; left -= len(random) {
		random = random[:min(left, len(random))]
		rand.Read(random)
		_, err = f.Write(random)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(l.reserve()) // half of it may be what fills the disk
	}
	return err
}

// releaseReserve gives the room of the reserve away, and reports whether there was any.
func (l *Ledger) releaseReserve() bool { return os.Remove(l.reserve()) == nil }

// makeRoom gives up what matters least, so that a transaction which found the disk full can be tried again,
// and reports whether there is more room now.
func (l *Ledger) makeRoom(ctx context.Context) bool {
	l.full.Lock()
	defer l.full.Unlock()
	made := l.releaseReserve()
	// Into the file goes what the log holds, as far as readers let it. The log begins anew in the room that it
	// has, which is not given back: another program might take it.
	err := l.pragma(ctx, `PRAGMA wal_checkpoint(RESTART)`)
	for err == nil && ctx.Err() == nil {
		var s fileSize
		if s, err = l.fileSize(ctx); err != nil || s.unused >= int64(reserveSize) {
			made = made || err == nil
			break
		}
		var n int64
		if n, err = l.giveUp(ctx); err == nil && n == 0 {
			break
		}
		made = made || n > 0
	}
	if now := time.Now(); now.Sub(l.saidFull) > time.Minute {
		l.saidFull = now
		l.log.Warn("the disk of the ledger is full; its oldest events make way, make room on its volume", "made", made,
			"err", err)
	}
	return made
}

// giveUp deletes one step of what matters least, and returns how many rows it were.
func (l *Ledger) giveUp(ctx context.Context) (n int64, err error) {
	for scaling := range 2 {
		cluster, ok, err := one(ctx, l.r, value[string], oldestEventsSQL, scaling)
		if err != nil {
			return 0, err
		}
		if !ok {
			continue
		}
		err = l.try(ctx, func(tx tx) error {
			n, _, err = deleteEvents(ctx, tx, cluster, scaling, math.MaxInt64)
			return err
		})
		return n, err
	}
	err = l.try(ctx, func(tx tx) error { n, err = deleteLives(ctx, tx); return err })
	return n, err
}

// fileSize is the size of the database, in bytes.
type fileSize struct {
	used   int64 // by what is in it
	unused int64 // inside the file, which it takes before it grows
}

func (l *Ledger) fileSize(ctx context.Context) (s fileSize, err error) {
	_, _, err = one(ctx, l.r, scanTo(&s.used, &s.unused), `SELECT (p.page_count - f.freelist_count) * s.page_size,
		f.freelist_count * s.page_size FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s`)
	return s, err
}

// startOnFullDisk starts a ledger that has found its disk full.
func (l *Ledger) startOnFullDisk(ctx context.Context) error {
	l.log.Warn("the disk of the ledger is full; using its reserve", "there", l.releaseReserve())
	if err := l.closeDatabase(); err != nil {
		return err
	}
	l.token, l.hot = "", nil
	checkpoint(ctx, l.path)
	if err := l.start(ctx); err != nil {
		return err
	}
	l.makeRoom(ctx) // before the watches begin to write
	return nil
}
