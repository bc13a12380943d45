package cluster

import "syscall"

// childAttributes puts a child into a process group of its own, so that an interrupt from the terminal reaches only
// the test process, and has the kernel kill it when the test process dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
