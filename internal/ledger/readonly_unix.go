//go:build unix

package ledger

import "syscall"

// errReadOnlyFS is what a read-only file system answers.
var errReadOnlyFS error = syscall.EROFS
