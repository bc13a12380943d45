//go:build unix && !linux

package cluster

import "syscall"

// childAttributes puts a child into a process group of its own. Outside Linux nothing ends it when the test process is
// killed; the test's own end does.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
