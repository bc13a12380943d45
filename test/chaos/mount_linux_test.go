package chaos

import (
	"fmt"
	"syscall"
)

// mount mounts a small file system in memory.
func mount(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+diskSize); err != nil {
		return fmt.Errorf("mounting a small file system needs root: %w", err)
	}
	return nil
}

func unmount(dir string) { syscall.Unmount(dir, syscall.MNT_DETACH) }
