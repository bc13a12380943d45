//go:build unix

package app

import (
	"os/exec"
	"syscall"
)

// asNobody makes a command run as an ordinary user.
func asNobody(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}
