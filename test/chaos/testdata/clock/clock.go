// This file is laid over cmd/bot by the chaos test, with the assembly beside it, and is no part of
// the program. It lets the test set the clock that the program reads, and ends the program when
// the test that started it is gone.
package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// vdsoClockgettimeSym is where the Go runtime has the kernel's clock_gettime, through which it
// reads both of its clocks. (gVisor replaces it too, so it is open to linkname.)
//
//go:linkname vdsoClockgettimeSym runtime.vdsoClockgettimeSym
var vdsoClockgettimeSym uintptr

// What the assembly reads: the kernel's function, and where the offset in seconds is.
var (
	kernel uintptr
	offset *int64
)

// clockAddress returns where the function is that takes the kernel's place.
func clockAddress() uintptr

func init() {
	parent := os.Getppid()
	go func() {
		for os.Getppid() == parent {
			time.Sleep(time.Second)
		}
		os.Exit(3)
	}()
	path := os.Getenv("CHAOS_CLOCK")
	if path == "" {
		return
	}
	// The file is shared memory: what the test writes there holds at once, from the first line on.
	file, err := os.Open(path)
	if err == nil {
		var page []byte
		if page, err = syscall.Mmap(int(file.Fd()), 0, 8, syscall.PROT_READ, syscall.MAP_SHARED); err == nil {
			offset = (*int64)(unsafe.Pointer(&page[0]))
		}
		file.Close()
	}
	if err == nil && vdsoClockgettimeSym == 0 {
		err = fmt.Errorf("the kernel has no clock_gettime to replace")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "CHAOS_CLOCK:", err)
		os.Exit(4)
	}
	kernel = vdsoClockgettimeSym
	atomic.StoreUintptr(&vdsoClockgettimeSym, clockAddress())
}
