package ledger

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"rollcall/internal/fleet"
)

// A writer killed with -9 in the middle of its transactions leaves whole ones behind: every
// node that is there has its to-do, every one reported as recorded is there, and the database
// opens without complaint.
func TestKilledWriter(t *testing.T) {
	if path := os.Getenv("ROLLCALL_TEST_WRITER"); path != "" {
		l, err := Open(context.Background(), path, Options{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		start := len(must[map[string]fleet.Known](t)(l.KnownNodes(t.Context(), "prod")))
		for i := start; ; i += 20 {
			var os []fleet.Observation
			for n := range 20 {
				os = append(os, first(i+n))
			}
			record(t, l, fmt.Sprint(i), os...)
			fmt.Println("recorded", i+20)
		}
	}
	path := filepath.Join(t.TempDir(), "rollcall.db")
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
		cmd.Env = append(os.Environ(), "ROLLCALL_TEST_WRITER="+path)
		out := must2(cmd.StdoutPipe())
		check(t, cmd.Start())
		recorded, lines := 0, 0
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			if _, err := fmt.Sscanf(scanner.Text(), "recorded %d", &recorded); err == nil {
				lines++
			}
			if lines == 5+round*7 {
				check(t, cmd.Process.Kill())
			}
		}
		cmd.Wait() // it was killed
		l := open(t, path)
		known := must[map[string]fleet.Known](t)(l.KnownNodes(t.Context(), "prod"))
		todo, _, err := l.Todo(t.Context(), "prod", 100_000)
		check(t, err)
		if len(known) < recorded || len(known)%20 != 0 || len(todo) != len(known) {
			t.Fatalf("round %d: %d nodes and %d to-dos after %d were reported", round, len(known), len(todo), recorded)
		}
		cp := must[fleet.Checkpoint](t)(l.Checkpoint(t.Context(), "prod"))
		if cp.NodesVersion != fmt.Sprint(len(known)-20) {
			t.Fatalf("round %d: resource version %s does not fit %d nodes", round, cp.NodesVersion, len(known))
		}
		check(t, l.Close())
	}
}
