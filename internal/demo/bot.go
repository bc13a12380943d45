package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// bot keeps the bot's process running, as a Deployment would.
type bot struct {
	executable string
	args       []string
	environ    []string
	log        io.Writer // everything that the bot writes
	restart    time.Duration
	changed    func()

	mu       sync.Mutex
	cmd      *exec.Cmd // nil while none runs
	started  time.Time
	starts   int
	kills    int
	killed   bool      // the one that runs, or ran last, was killed by us
	nextAt   time.Time // when the next one is started, while none runs
	trouble  string    // why the last one ended by itself, "" if it was killed
	lastSaid tail
}

// botState is what the panel shows of the process.
type botState struct {
	PID     int // 0 while none runs
	Started time.Time
	Starts  int
	Kills   int
	NextAt  time.Time
	Trouble string
}

// stopWithin is how long the bot may take to stop in good order; it promises ten seconds.
const stopWithin = 12 * time.Second

// run keeps the bot running until ctx ends, and then lets it stop in good order. It returns an
// error when the bot cannot be started at all, or refuses its configuration.
func (b *bot) run(ctx context.Context) error {
	for ctx.Err() == nil {
		began := time.Now()
		err := b.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		b.mu.Lock()
		pause := b.restart
		if !b.killed {
			b.trouble = strings.TrimSpace(b.lastSaid.String())
			if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() == 2 || b.starts == 1 &&
				time.Since(began) < 2*time.Second {
				b.mu.Unlock()
				return fmt.Errorf("the bot does not start: %w\n%s", err, b.lastSaid.String())
			}
			pause = max(pause, 5*time.Second)
		}
		b.nextAt = time.Now().Add(pause)
		b.mu.Unlock()
		b.changed()
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// once runs one process to its end.
func (b *bot) once(ctx context.Context) error {
	cmd := exec.Command(b.executable, b.args...)
	cmd.Env = b.environ
	b.lastSaid.reset()
	cmd.Stderr = io.MultiWriter(b.log, &b.lastSaid)
	cmd.Stdout = cmd.Stderr
	// The bot stops when this pipe closes: by us, or because we were killed ourselves.
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.mu.Lock()
	b.cmd, b.started, b.nextAt, b.trouble, b.killed = cmd, time.Now(), time.Time{}, "", false
	b.starts++
	b.mu.Unlock()
	b.changed()
	stop := context.AfterFunc(ctx, func() {
		alive.Close()
		time.AfterFunc(stopWithin, func() { cmd.Process.Kill() })
	})
	defer stop()
	err = cmd.Wait()
	b.mu.Lock()
	b.cmd = nil
	b.mu.Unlock()
	return err
}

// kill ends the process as kill -9 does; run starts the next one. It reports whether one ran.
func (b *bot) kill() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return false
	}
	if err := b.cmd.Process.Kill(); err != nil {
		return false // it has just ended by itself
	}
	b.kills++
	b.killed = true
	return true
}

func (b *bot) state() botState {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := botState{Started: b.started, Starts: b.starts, Kills: b.kills, NextAt: b.nextAt, Trouble: b.trouble}
	if b.cmd != nil {
		s.PID = b.cmd.Process.Pid
	}
	return s
}

// tail keeps the last lines that were written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 2000 // bytes

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = t.buf[over:]
		if i := bytes.IndexByte(t.buf, '\n'); i >= 0 {
			t.buf = t.buf[i+1:]
		}
	}
	return len(p), nil
}

func (t *tail) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
