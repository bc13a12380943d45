package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Open file description locks (fcntl(2)) belong to the open file, so neither SQLite's POSIX locks, which
// belong to the process, nor closing another descriptor takes them away. flock(2) would be as good on a
// local file system, but NFS and SMB turn it into a lock of all bytes, which would shut SQLite out.
const (
	setOpenFileLock = 0x25 // F_OFD_SETLK of asm-generic/fcntl.h; package syscall lacks it
	// lockedByte is far behind the bytes that SQLite locks, from 1 GiB on, and behind the end of the
	// largest database, 2^48 bytes (https://www.sqlite.org/limits.html).
	lockedByte = 1 << 60
)

// lockInode locks a database file, by whichever name it was opened; held is true if another process has
// locked it. The lock ends when the file is closed. It is errors.ErrUnsupported where the file system has
// no such locks.
func lockInode(f *os.File) (held bool, err error) {
	err = syscall.FcntlFlock(f.Fd(), setOpenFileLock, &syscall.Flock_t{Type: syscall.F_WRLCK, Start: lockedByte, Len: 1})
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EACCES):
		return true, nil
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOSYS),
		errors.Is(err, syscall.EOPNOTSUPP):
		return false, fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	return false, err
}

// links is how many names a file has.
func links(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink)
	}
	return 1
}

// ours reports whether a file belongs to the user that this process runs as.
func ours(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}

// freeBytes is how much room is left for us on the disk that has a file; ok is false where it is not known.
func freeBytes(path string) (n int64, ok bool) {
	var s syscall.Statfs_t
	if syscall.Statfs(path, &s) != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
