// Package ledger is Rollcall's memory: the durable store of nodes, their changes, events and gaps,
// of what is to be told about them, and of every message that tells it.
//
// It owns the database file, its schema and every SQL statement. A change and its to-do (not
// yet told) are written in one transaction, so that a process killed at any line has either
// recorded both or neither; recording the same thing again records nothing. One process
// writes at a time, which locks enforce, and a token in the database where there are none (lock.go).
// Package ledger never decides what a person is told, and never talks to Kubernetes or Slack.
//
// All times are kept in whole milliseconds and come back in UTC. An error says what was being done
// and, where a person must act, what to do. What a method returns is the caller's.
package ledger

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver
)

// ErrInUse is part of Open's error where another process kept the ledger open.
var ErrInUse = errors.New("another process has had it open")

// applicationID marks a SQLite file as Rollcall's (PRAGMA application_id): "Roll" in ASCII.
const applicationID = 0x526f6c6c

// Ledger is an open store. Its methods may be called from several goroutines. Close it.
type Ledger struct {
	*base
	r *reader // of the machine, or of people: see ForPeople. Never blocked by the writer (WAL).
}

// base is what a Ledger and its ForPeople have in common.
type base struct {
	path     string
	instance string
	lock     *lock  // nil where nothing is written
	token    string // that of meta while this process is the writer, see fence; "" while it is being opened
	log      *slog.Logger
	w        *sql.DB              // one connection: writers queue here
	hot      map[string]*sql.Stmt // of w, see hot
	labels   labelCache
	live     *liveCounts // nil where another process may write
	machine  *reader
	people   *reader
	sql      dialect

	full     sync.Mutex // held while room is made
	saidFull time.Time  // when the log was last told that the disk is full; guarded by full

	mu   sync.Mutex
	subs map[chan struct{}]struct{} // guarded by mu
}

// Options adjust Open. The zero value is what production uses.
type Options struct {
	// LockWait is how long Open waits for another process to let go of the ledger; a pod
	// that is being replaced needs its seconds to stop. Default 15 s.
	LockWait time.Duration
	// Log is told how far a migration is that takes minutes, and what protects the ledger less than
	// usual. Default: none.
	Log *slog.Logger
}

// Open opens the ledger in the SQLite file at path, or creates it where no file is. It
// refuses, with a hint, a file that is corrupt, of another program, of a newer schema,
// read-only, open in another Rollcall, or known by several hard links. A symbolic link is followed.
func Open(ctx context.Context, path string, o Options) (l *Ledger, err error) {
	defer doing(&err, "opening ledger %s", path)
	if o.LockWait == 0 {
		o.LockWait = 15 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if path, err = realPath(path); err != nil {
		return nil, err
	}
	if err := inspect(path); err != nil {
		return nil, err
	}
	l = &Ledger{base: &base{path: path, lock: newLock(path), log: o.Log, live: newLiveCounts(),
		subs: map[chan struct{}]struct{}{}}}
	if err := l.open(ctx, o.LockWait); err != nil {
		l.close() // the error that matters is the first one
		return nil, err
	}
	return l, nil
}

// OpenToRead opens the ledger in the SQLite file at path for questions only, also while another
// process writes it. Methods that write fail. It refuses what Open refuses, a file that is not
// there, and one whose schema is older than this program's.
func OpenToRead(ctx context.Context, path string) (l *Ledger, err error) {
	defer doing(&err, "opening ledger %s", path)
	if path, err = existing(path); err != nil {
		return nil, err
	}
	l = &Ledger{base: &base{path: path, log: slog.New(slog.DiscardHandler), subs: map[chan struct{}]struct{}{}}}
	if err := l.openReaders(ctx); err != nil {
		l.close()
		return nil, err
	}
	l.w = l.r.DB // it refuses to write
	version, _, err := one(ctx, l.r, value[int], `PRAGMA user_version`)
	if err == nil && version != len(migrations) {
		err = fmt.Errorf("it has schema %d, and this version of Rollcall reads %d: start that version once, or use the "+
			"one that wrote it", version, len(migrations))
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// inspect looks at the files before SQLite does, because SQLite makes a new database in
// silence where the old one is missing or empty.
func inspect(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if dir, err := os.Stat(filepath.Dir(path)); err != nil || !dir.IsDir() {
			return fmt.Errorf("its folder %s does not exist; create it or mount the volume there", filepath.Dir(path))
		}
		if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
			return fmt.Errorf("the file is missing but its write-ahead log %s-wal is there; restore the file beside it, "+
				"or move the log away to begin anew", path)
		}
		return nil
	case err != nil:
		return fmt.Errorf("%w; check the permissions of the folder and of the file", err)
	case info.IsDir():
		return fmt.Errorf("it is a folder; name a file in it, for example %s", filepath.Join(path, "rollcall.db"))
	case info.Size() == 0:
		return errors.New("the file is empty, so it is no ledger (cut off by a full disk?); restore a backup, " +
			"or remove it to begin anew")
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w; the user that Rollcall runs as must be able to read and write it", err)
	}
	defer f.Close()
	// https://www.sqlite.org/fileformat.html#the_database_header: the magic is at 0, the
	// application ID at 68. Opening another program's database would already change its
	// journal mode.
	head := make([]byte, 100)
	if _, err := io.ReadFull(f, head); err != nil || string(head[:16]) != "SQLite format 3\x00" {
		return errors.New("the file is not a SQLite database; it was left untouched: name another file, " +
			"or restore a backup")
	}
	if binary.BigEndian.Uint32(head[68:]) != applicationID {
		return errors.New("it is a SQLite database of another program; it was left untouched: name another file")
	}
	// Versions of the file format, for writing and for reading: 1, or 2 with a write-ahead log. SQLite takes a file of
	// any other for one that nobody may write.
	if head[18] < 1 || head[18] > 2 || head[19] < 1 || head[19] > 2 {
		return damaged(fmt.Sprintf("its format has version %d for writing and %d for reading", head[18], head[19]))
	}
	if encoding := binary.BigEndian.Uint32(head[56:]); encoding != 1 {
		return damaged(fmt.Sprintf("its text has encoding %d, not UTF-8", encoding))
	}
	return nil
}

// existing looks at a ledger that must be there, and returns its path without symbolic links.
func existing(path string) (string, error) {
	path, err := realPath(path)
	if err != nil {
		return "", err
	}
	if err := inspect(path); err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w; name the ledger with DATABASE_URL", err)
	}
	return path, oneName(path)
}

func dsn(path string, pragmas ...string) string {
	v := url.Values{"_txlock": {"immediate"}, "_pragma": pragmas}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
}

// openWriter opens the connection that writes. synchronous=FULL: a commit has reached the disk
// before anyone is told of it. A log that a large transaction has made longer than 32 MiB is cut to that.
func (l *Ledger) openWriter(path string) (err error) {
	l.w, err = sql.Open("sqlite", dsn(path, "busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)",
		"cache_size(-4000)", "journal_size_limit(33554432)"))
	if err != nil {
		return err
	}
	l.w.SetMaxOpenConns(1)
	return nil
}

// create makes a new database beside its final place and moves it there whole, so that a
// process killed meanwhile leaves no half-made file behind.
func (l *Ledger) create(ctx context.Context) error {
	fresh := l.path + ".new"
	for _, leftover := range []string{fresh, fresh + "-wal", fresh + "-shm"} {
		if err := os.Remove(leftover); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := makePrivate(fresh); err != nil {
		return err
	}
	if err := l.openWriter(fresh); err != nil {
		return err
	}
	if err := errors.Join(l.migrate(ctx), l.w.Close()); err != nil {
		return err
	}
	return os.Rename(fresh, l.path)
}

// open takes the locks, waiting for another process as long as wait, and opens the database.
func (l *Ledger) open(ctx context.Context, wait time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := l.lock.takeFile(waiting); err != nil {
		return err
	}
	if _, err := os.Stat(l.path); errors.Is(err, fs.ErrNotExist) {
		if err := l.create(ctx); err != nil {
			return err
		}
	}
	if err := errors.Join(finishRestore(l.path), oneName(l.path)); err != nil {
		return err
	}
	if err := l.lock.takeInode(waiting); err != nil {
		return err
	}
	if err := l.lock.noInode; err != nil {
		l.log.Warn("the file system cannot lock the ledger itself; its lock file must not be removed", "err", err)
	}
	l.tighten()
	err := l.start(ctx)
	if isFull(err) {
		err = l.startOnFullDisk(ctx)
	}
	return err
}

// start opens the database, whose locks this process holds. One that is refused has nothing written to it, unless its
// schema was older.
func (l *Ledger) start(ctx context.Context) (err error) {
	looked, err := look(ctx, l.path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			l.closeDatabase() // the error that matters is the first one
		}
		looked.Close()
	}()
	if err := l.openWriter(l.path); err != nil {
		return err
	}
	if err := l.migrate(ctx); err != nil {
		return err
	}
	if err := l.prepareHot(ctx); err != nil {
		return err
	}
	if err := l.openReaders(ctx); err != nil {
		return err
	}
	return l.takeOver(ctx)
}

// private is the mode of all files of a ledger: it holds the events of all namespaces. SQLite gives the log
// the mode of the database.
const private fs.FileMode = 0o600

// makePrivate makes an empty file, which SQLite takes for a new database, with the mode private.
func makePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, private)
	if err != nil {
		return err
	}
	return f.Close()
}

// tighten takes the files of a ledger, which an older version made readable for everybody, away from all
// users but their owner. Files of another owner are left alone: Rollcall reaches them as one of the others, for
// example as a group that a pod's fsGroup has made.
func (l *Ledger) tighten() {
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(l.path + suffix)
		if err != nil || info.Mode().Perm()&^private == 0 || !ours(info) {
			continue
		}
		if err := os.Chmod(l.path+suffix, info.Mode().Perm()&private); err != nil {
			l.log.Warn("others may read a file of the ledger, and its mode cannot be changed", "err", err)
		}
	}
}

// readersEach is how many questions of people, and as many of Rollcall itself, are answered at a time.
const readersEach = 3

// openReaders opens the readers' side.
func (l *Ledger) openReaders(ctx context.Context) (err error) {
	for _, r := range []**reader{&l.machine, &l.people} {
		// A small cache: every write of another connection empties it, and that costs the more the
		// larger it is.
		db, err := sql.Open("sqlite", dsn(l.path, "busy_timeout(5000)", "query_only(ON)", "cache_size(-1000)",
			"temp_store(MEMORY)"))
		if err != nil {
			return err
		}
		db.SetMaxOpenConns(readersEach)
		db.SetMaxIdleConns(readersEach)
		*r = &reader{DB: db, stmts: map[string]*sql.Stmt{}}
	}
	l.r = l.machine
	l.instance, _, err = one(ctx, l.r, value[string], `SELECT value FROM meta WHERE name = 'instance'`)
	return err
}

// ForPeople is the same ledger for the questions of people: they wait for each other only, so that however
// many there are, and however long each takes, none holds up a watch, a message or a probe. To close one is
// to close both.
func (l *Ledger) ForPeople() *Ledger { return &Ledger{base: l.base, r: l.people} }

// Close closes the database. What was committed is on disk.
func (l *Ledger) Close() (err error) {
	defer doing(&err, "closing ledger %s", l.path)
	return l.close()
}

func (l *Ledger) close() error {
	err := l.closeDatabase()
	if l.lock != nil {
		err = errors.Join(err, l.lock.release())
	}
	return err
}

// closeDatabase closes all connections.
func (l *Ledger) closeDatabase() error {
	var errs []error
	for _, r := range []*reader{l.machine, l.people} {
		if r != nil {
			errs = append(errs, r.Close())
		}
	}
	if l.w != nil {
		errs = append(errs, l.w.Close())
	}
	return errors.Join(errs...)
}

// Instance identifies this ledger: it begins every message key, so that people can tell whose a message
// is. A copy of the file has the same; what makes keys unique is newKey's.
func (l *Ledger) Instance() string { return l.instance }

// Ping reports whether the ledger answers: it returns an error if it does not.
func (l *Ledger) Ping(ctx context.Context) (err error) {
	defer doing(&err, "asking the ledger for a sign of life")
	_, _, err = one(ctx, l.r, value[int], `SELECT 1`)
	return err
}

// Size is how large the ledger's files are, in bytes.
func (l *Ledger) Size() (bytes int64) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(l.path + suffix); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// Updates returns a channel that receives after something was recorded that may be told: several
// times in a row may be one receipt. Call stop to end it; the channel is not closed.
func (l *Ledger) Updates() (updates <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subs[ch] = struct{}{}
	return ch, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.subs, ch)
	}
}

func (l *Ledger) notify() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ch := range l.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
