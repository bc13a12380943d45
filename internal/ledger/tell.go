package ledger

import (
	"os"
)

// Size is how large the ledger's files are, in bytes.
func (l *Ledger) Size() (bytes int64) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(l.path + suffix); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}
