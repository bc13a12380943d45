//go:build unix

package ledger

import (
	"os/exec"
	"syscall"
)

// asNobody runs a command as an ordinary user.
func asNobody(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}
