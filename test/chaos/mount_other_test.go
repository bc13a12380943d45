//go:build unix && !linux

package chaos

import "errors"

func mount(string) error { return errors.New("small file systems are mounted on Linux only") }

func unmount(string) {}
