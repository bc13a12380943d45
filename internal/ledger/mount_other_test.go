//go:build !linux

package ledger

import "testing"

func linuxOnly(t *testing.T) { t.Skip("only Linux locks and counts the names of a file here") }

func bindMount(t *testing.T, _, _ string) { t.Skip("mounting is Linux's") }

func smallDisk(t *testing.T, _, _ string) { t.Skip("mounting is Linux's") }
