package ledger_test

import (
	"syscall"
	"time"
)

// threadCPU is how much processor time the calling thread has used: what a call costs, however
// busy the machine is.
func threadCPU() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
