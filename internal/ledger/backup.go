package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Backup copies the ledger in the file at path into a new file, also while a process has it open:
// the copy is what was recorded at one moment. It refuses to overwrite a file, and one that it
// leaves behind is whole.
func Backup(ctx context.Context, path, to string) (err error) {
	defer doing(&err, "backing up ledger %s", path)
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already; name another file, or remove it", to)
	}
	if path, err = existing(path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(path, "busy_timeout(5000)"))
	if err != nil {
		return err
	}
	defer db.Close()
	part := to + ".part"
	defer os.Remove(part)
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := makePrivate(part); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, part); err != nil {
		return err
	}
	if err := sound(ctx, part); err != nil {
		return err
	}
	return install(part, to)
}

// Restore puts a backup in the place of the ledger at path, which no process may have open. What
// was there is kept beside it, under the name that is returned, "" if nothing was. The restored
// ledger is a new instance: messages that were posted since the backup are not taken for its own.
func Restore(ctx context.Context, from, path string, now time.Time) (kept string, err error) {
	defer doing(&err, "restoring ledger %s from %s", path, from)
	if err := inspect(from); err != nil {
		return "", err
	}
	if _, err := os.Stat(from); err != nil {
		return "", err
	}
	if log, err := os.Stat(from + "-wal"); err == nil && log.Size() > 0 {
		return "", fmt.Errorf("%s is a ledger in use, or one that was cut off, and no backup; make one with bot backup",
			from)
	}
	if dir, err := os.Stat(filepath.Dir(path)); err != nil || !dir.IsDir() {
		return "", fmt.Errorf("the folder %s does not exist", filepath.Dir(path))
	}
	if path, err = realPath(path); err != nil {
		return "", err
	}
	waiting, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	k := newLock(path)
	defer k.release()
	if err := k.takeFile(waiting); err != nil {
		return "", err
	}
	if err := finishRestore(path); err != nil {
		return "", err
	}
	// What is there may be no ledger, or one that is damaged, but nobody may have it open.
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
		if err := k.takeInode(waiting); err != nil {
			return "", err
		}
	}
	part := path + ".part"
	defer os.Remove(part)
	if err := copyFile(from, part); err != nil {
		return "", err
	}
	if err := sound(ctx, part); err != nil {
		return "", err
	}
	if err := renew(ctx, part); err != nil {
		return "", err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", install(part, path)
	}
	kept = path + keptInfix + now.UTC().Format("20060102T150405Z")
	// Killed anywhere here, one of the two ledgers is in the place, whole: see finishRestore. The old one's log goes
	// into its file first, because it would be taken for the new one's; what is so damaged that it
	// cannot is kept as it is.
	checkpoint(ctx, path)
	if err := os.Link(path, kept); err != nil {
		return "", err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, kept+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return kept, install(part, path)
}

// keptInfix is between a ledger's name and the moment at which Restore replaced it.
const keptInfix = ".replaced-"

// checkpoint brings what is in a ledger's log into its file, if it can.
func checkpoint(ctx context.Context, path string) {
	if db, err := sql.Open("sqlite", dsn(path, "busy_timeout(5000)", "journal_mode(WAL)")); err == nil {
		db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
		db.Close()
	}
}

// sound checks a copy from beginning to end, and that this program can read it.
func sound(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", dsn(path, "query_only(ON)"))
	if err != nil {
		return err
	}
	defer db.Close()
	r := once{&reader{DB: db}}
	found, _, err := one(ctx, r, value[string], `PRAGMA integrity_check(1)`)
	if err != nil {
		return err
	}
	if found != "ok" {
		return fmt.Errorf("the copy is damaged (%s), and so probably is what it was made from", found)
	}
	version, _, err := one(ctx, r, value[int], `PRAGMA user_version`)
	if err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("it was written by a newer Rollcall (schema %d, this one knows %d): use that one", version,
			len(migrations))
	}
	return nil
}

// renew makes a ledger another instance.
func renew(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", dsn(path, "journal_mode(DELETE)", "synchronous(FULL)"))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, `UPDATE meta SET value = ? WHERE name = 'instance'`, newInstance())
	return err
}

// newInstance is an identifier that no other ledger has.
func newInstance() string {
	id := make([]byte, 4)
	rand.Read(id)
	return hex.EncodeToString(id)
}

// install gives a finished file its name, so that it is there whole or not at all, and stays.
func install(part, to string) error {
	f, err := os.OpenFile(part, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, private)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
