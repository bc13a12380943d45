//go:build !linux

package ledger_test

import "time"

// threadCPU is not known here.
func threadCPU() time.Duration { return 0 }
