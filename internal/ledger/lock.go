package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// lock keeps a second process from writing a ledger, by whichever name it finds it: through a symbolic
// link, a hard link or another mount, and also where somebody has removed the lock file.
type lock struct {
	path string       // of the database, without symbolic links
	file *flock.Flock // of the lock file beside it, which every version takes
	db   *os.File     // the database, its inode locked; nil until takeInode
	// noInode is why the inode is not locked: the system or the file system cannot. The lock file and
	// the writer's token (see fence) are left then.
	noInode error
}

// lockPause is how long to wait until a lock that another process holds is tried again.
const lockPause = 50 * time.Millisecond

// newLock returns a lock of the database at path, which is free of symbolic links.
func newLock(path string) *lock {
	return &lock{path: path, file: flock.New(path+".lock", flock.SetPermissions(private))}
}

// takeFile takes the lock file. It waits for another process until ctx ends.
func (k *lock) takeFile(ctx context.Context) error {
	_, err := k.file.TryLockContext(ctx, lockPause)
	return refused(err)
}

// takeInode locks the database file itself, which must be there. It waits as takeFile does.
//
// The file stays open as long as SQLite has it open: closing any descriptor of a file makes a process
// lose its POSIX locks on it, which are SQLite's.
func (k *lock) takeInode(ctx context.Context) error {
	for {
		f, err := os.OpenFile(k.path, os.O_RDWR, 0)
		if err != nil {
			return refused(err)
		}
		held, err := lockInode(f)
		if errors.Is(err, errors.ErrUnsupported) {
			k.noInode, held, err = err, false, nil
		}
		if err == nil && !held && k.names(f) { // else it was replaced while it was waited for
			k.db = f
			return nil
		}
		f.Close() // the error that matters is the first one
		if err != nil {
			return refused(err)
		}
		select {
		case <-ctx.Done():
			return refused(ctx.Err())
		case <-time.After(lockPause):
		}
	}
}

// names reports whether the ledger's path still names a file that is open. What cannot be found out
// counts as yes.
func (k *lock) names(f *os.File) bool {
	there, err := os.Stat(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	open, err2 := f.Stat()
	return err != nil || err2 != nil || os.SameFile(there, open)
}

// release gives up both locks. SQLite must have closed the database.
func (k *lock) release() error {
	var err error
	if k.db != nil {
		err = k.db.Close()
	}
	return errors.Join(err, k.file.Unlock())
}

// refused says what a person can do about a lock that was not got.
func refused(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w until now; only one Rollcall may write a ledger: stop the other one, or give this one "+
			"its own DATABASE_URL", ErrInUse)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("it cannot be written (%w); mount its folder read-write and owned by the user that Rollcall "+
			"runs as (fsGroup in a pod)", err)
	}
	return fmt.Errorf("locking: %w", err)
}

// realPath is the path of a ledger without symbolic links, so that its lock file and its write-ahead log
// are the same by whichever link it is named. The file need not be there.
func realPath(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	if to, err := os.Readlink(path); err == nil {
		return "", fmt.Errorf("it is a symbolic link to %s, which is not there; mount the volume that has it, or to begin "+
			"anew name the new file itself", to)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return path, nil // inspect says what is wrong with it
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// oneName refuses a database with several hard links: SQLite looks for the write-ahead log beside the
// name that it is given, so each name would have a log of its own, and what one has written the other
// overwrites.
func oneName(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return nil // of a file that is not there others speak
	}
	if n := links(info); n > 1 {
		return fmt.Errorf("the file has %d names (hard links), and SQLite would keep a write-ahead log for each; remove the "+
			"others (find its file system -samefile %s shows them), or use a copy made with rollcall backup", n, path)
	}
	return nil
}

// finishRestore takes away the second name that a Restore leaves which was killed before the new ledger
// was in place. The lock file must be held.
func finishRestore(path string) error {
	now, err := os.Stat(path)
	if err != nil || links(now) < 2 {
		return nil
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, e := range entries {
		kept := filepath.Join(filepath.Dir(path), e.Name())
		if info, err := e.Info(); err != nil || !strings.HasPrefix(kept, path+keptInfix) || !os.SameFile(info, now) {
			continue
		}
		for _, suffix := range []string{"-wal", "-shm"} { // they may have been moved already
			if _, err := os.Stat(path + suffix); err == nil {
				continue
			}
			if err := os.Rename(kept+suffix, path+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		if err := os.Remove(kept); err != nil {
			return err
		}
	}
	return nil
}

// errLost ends a writer that is no longer the ledger's. It stops rather than tell what another tells.
var errLost = errors.New("only one Rollcall may write a ledger: stop the other one, or give this one its own " +
	"DATABASE_URL")

const (
	takeOverSQL = `INSERT INTO meta (name, value) VALUES ('writer', ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`
	writerSQL = `SELECT value FROM meta WHERE name = 'writer'`
)

// takeOver makes this process the ledger's writer: from here on a process that had it before, where no
// lock has stopped it, cannot write any more. It also proves that the file can be written, before it
// matters: of one that cannot, nothing is changed.
func (l *Ledger) takeOver(ctx context.Context) error {
	token := rand.Text()
	if err := l.tx(ctx, func(tx tx) error {
		if _, err := tx.exec(ctx, takeOverSQL, token); err != nil {
			return err
		}
		return l.renewKeys(ctx, tx)
	}); err != nil {
		return err
	}
	l.token = token
	return nil
}

// fence refuses to write where another process has taken over the ledger, or the file was replaced.
func (l *Ledger) fence(ctx context.Context, tx tx) error {
	if l.token == "" { // it is being opened
		return nil
	}
	if l.lock != nil && !l.lock.names(l.lock.db) {
		return fmt.Errorf("%s was removed, or another file is in its place, while it was open; %w", l.path, errLost)
	}
	now, _, err := one(ctx, tx, value[string], writerSQL)
	if err == nil && now != l.token {
		err = fmt.Errorf("another process has taken it over; %w", errLost)
	}
	return err
}
