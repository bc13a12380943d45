//go:build !unix

package ledger

import "errors"

var errReadOnlyFS = errors.New("read-only file system")
