//go:build !linux

package ledger

import (
	"errors"
	"io/fs"
	"os"
)

// lockInode is what it is on Linux, where Rollcall is run. Elsewhere the lock file and the writer's token
// are the protection.
func lockInode(*os.File) (held bool, err error) { return false, errors.ErrUnsupported }

// links is how many names a file has, as far as it is known.
func links(fs.FileInfo) uint64 { return 1 }

// ours is what it is on Linux. Elsewhere a file that cannot be changed is told of in the log.
func ours(fs.FileInfo) bool { return true }

// freeBytes is what it is on Linux. Elsewhere it is not known.
func freeBytes(string) (n int64, ok bool) { return 0, false }
