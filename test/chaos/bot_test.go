package chaos

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// clocked says whether the program's clock can be set: there is assembly for this machine.
var clocked = runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64")

// build builds the program with testdata/clock laid over it, and returns its path.
func build(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	replace := map[string]string{}
	if clocked {
		here, err := filepath.Abs("testdata/clock")
		if err != nil {
			tb.Fatal(err)
		}
		main, err := filepath.Abs("../../cmd/bot")
		if err != nil {
			tb.Fatal(err)
		}
		for from, to := range map[string]string{"clock.go": "chaos_clock.go",
			"clock_" + runtime.GOARCH + ".s": "chaos_clock_" + runtime.GOARCH + ".s"} {
			replace[filepath.Join(main, to)] = filepath.Join(here, from)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		tb.Fatal(err)
	}
	file, bot := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "bot")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), "go", "build", "-overlay", file, "-o", bot, "rollcall/cmd/bot")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // static, as in the image
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("building cmd/bot with a clock that can be set: %v\n%s", err, out)
	}
	return bot
}

// clock is the program's wall clock, as far as it differs from the machine's.
type clock struct {
	path   string
	offset time.Duration
}

// maxOffset is how far the clock is set at most: not so far that what the ledger keeps expires.
const maxOffset = 25 * 24 * time.Hour

// set sets the offset in whole seconds. A program that runs has it at once.
func (c *clock) set(offset time.Duration) error {
	c.offset = max(-maxOffset, min(maxOffset, offset))
	file, err := os.OpenFile(c.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("setting the clock: %w", err)
	}
	defer file.Close()
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], uint64(int64(c.offset/time.Second)))
	if _, err := file.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("setting the clock: %w", err)
	}
	return nil
}

// ending is how a process of the program ended.
type ending struct {
	began, at time.Time
	why       string // "kill", "term", "second" if a second process ended by itself, or "" if the program did
	state     string
	code      int
	signal    syscall.Signal // that ended it, if one did
	said      string         // the end of its log, if it ended by itself
}

// keeper runs the program and starts it again whenever it has ended, as Kubernetes does.
type keeper struct {
	path string
	env  []string

	mu      sync.Mutex
	changed sync.Cond
	process *os.Process   // nil while none runs
	done    chan struct{} // closed when it has ended
	began   time.Time
	why     string        // why it is being ended
	pause   time.Duration // until the next start
	holds   int           // while not 0, none is started
	final   bool          // the process that runs is the last one
	closed  bool
	endings []ending
	log     tail
}

func newKeeper(path string, env []string) *keeper {
	k := &keeper{path: path, env: env}
	k.changed.L = &k.mu
	return k
}

// run starts the program again and again until close.
func (k *keeper) run() error {
	for {
		k.mu.Lock()
		for (k.holds > 0 || k.final) && !k.closed {
			k.changed.Wait()
		}
		if k.closed {
			k.mu.Unlock()
			return nil
		}
		cmd := exec.Command(k.path)
		cmd.Env, cmd.Stdout, cmd.Stderr = k.env, &k.log, &k.log
		if err := cmd.Start(); err != nil {
			k.mu.Unlock()
			return fmt.Errorf("starting the program: %w", err)
		}
		done := make(chan struct{})
		k.process, k.done, k.began, k.why, k.pause = cmd.Process, done, time.Now(), "", 0
		k.changed.Broadcast()
		k.mu.Unlock()

		cmd.Wait()

		k.mu.Lock()
		e := ending{began: k.began, at: time.Now(), why: k.why, state: cmd.ProcessState.String(),
			code: cmd.ProcessState.ExitCode()}
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			e.signal = status.Signal()
		}
		pause := k.pause
		if e.why == "" {
			e.said = k.log.end(2000)
			pause = 200 * time.Millisecond
		}
		k.endings = append(k.endings, e)
		k.process = nil
		k.changed.Broadcast()
		k.mu.Unlock()
		close(done)
		time.Sleep(pause)
	}
}

// running waits until a process runs and returns it, its beginning and its end.
func (k *keeper) running() (*os.Process, time.Time, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.process == nil && !k.closed && !k.final {
		k.changed.Wait()
	}
	return k.process, k.began, k.done
}

// up returns when the process began that runs now, and whether one does.
func (k *keeper) up() (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.began, k.process != nil
}

// peak is how much memory the process that runs has taken at most, in MiB; 0 if none runs, or the system does not tell.
func (k *keeper) peak() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.process == nil {
		return 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", k.process.Pid))
	if err != nil {
		return 0
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	kib := 0
	fmt.Sscan(line, &kib)
	return kib >> 10
}

// end ends the process that runs, by a signal, and waits until it is gone. The next one is
// started after a pause.
func (k *keeper) end(signal syscall.Signal, pause time.Duration) {
	p, _, done := k.running()
	if p == nil {
		return
	}
	k.mu.Lock()
	if k.process == p {
		k.why, k.pause = map[syscall.Signal]string{syscall.SIGKILL: "kill", syscall.SIGTERM: "term"}[signal], pause
		p.Signal(signal)
	}
	k.mu.Unlock()
	if signal == syscall.SIGTERM {
		select {
		case <-done:
			return
		case <-time.After(15 * time.Second):
			k.mu.Lock()
			k.why = "" // it counts as having ended by itself, with a wrong code
			k.mu.Unlock()
			p.Kill()
		}
	}
	<-done
}

// hold kills the program and keeps it dead until release.
func (k *keeper) hold() {
	k.mu.Lock()
	k.holds++
	alive := k.process != nil
	k.mu.Unlock()
	if alive {
		k.end(syscall.SIGKILL, 0)
	}
}

func (k *keeper) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.holds--
	k.changed.Broadcast()
}

// last keeps the next process from being started.
func (k *keeper) last() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.final = true
	k.changed.Broadcast()
}

// close kills the program for good.
func (k *keeper) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	if k.process != nil {
		k.why = "kill"
		k.process.Kill()
	}
	k.changed.Broadcast()
}

// setenv changes a variable for the processes that are started from now on.
func (k *keeper) setenv(name, value string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.env = withEnv(k.env, name, value)
}

func withEnv(env []string, name, value string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, name+"=") })
	return append(env, name+"="+value)
}

// second runs one more process with another ledger's address, kills it after a while, and says whether it ended by
// itself before that.
func (k *keeper) second(address string, d time.Duration) (refused bool, err error) {
	k.mu.Lock()
	cmd := exec.Command(k.path)
	cmd.Env, cmd.Stdout, cmd.Stderr = withEnv(k.env, "DATABASE_URL", address), &k.log, &k.log
	k.mu.Unlock()
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("starting a second process: %w", err)
	}
	kill := time.AfterFunc(d, func() { cmd.Process.Kill() })
	cmd.Wait()
	e := ending{began: began, at: time.Now(), why: "kill", state: cmd.ProcessState.String(),
		code: cmd.ProcessState.ExitCode()}
	if refused = kill.Stop(); refused {
		e.why, e.said = "second", k.log.end(2000)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.endings = append(k.endings, e)
	return refused, nil
}

func (k *keeper) ended() []ending {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]ending(nil), k.endings...)
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b = append(t.b, p...); len(t.b) > 256<<10 {
		t.b = bytes.Clone(t.b[len(t.b)-128<<10:])
	}
	return len(p), nil
}

// end returns the last n bytes, from a line's beginning.
func (t *tail) end(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.b[max(0, len(t.b)-n):]
	if len(b) == n {
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	return string(b)
}

// The program under test is the program: the clock laid over it moves only the wall clock.
func TestClockCanBeSet(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program, which -short leaves out")
	}
	if !clocked {
		t.Skip("there is no assembly for this machine")
	}
	c := clock{path: filepath.Join(t.TempDir(), "clock")}
	bot := build(t)
	for _, offset := range []time.Duration{0, 36 * time.Hour, -90 * time.Minute} {
		if err := c.set(offset); err != nil {
			t.Fatal(err)
		}
		// A log line with the time is the quickest way to see its clock.
		cmd := exec.CommandContext(t.Context(), bot)
		cmd.Env = []string{"CHAOS_CLOCK=" + c.path, "SLACK_BOT_TOKEN=xoxb-a", "SLACK_APP_TOKEN=xapp-a",
			"SLACK_CHANNEL=C0AAAAAAA", "KUBECONFIG=testdata/kubeconfig", "LOG_FORMAT=json",
			"DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "missing", "rollcall.db"), "HTTP_ADDR=127.0.0.1:0"}
		out, _ := cmd.CombinedOutput()
		var line struct{ Time time.Time }
		if err := json.NewDecoder(bytes.NewReader(out)).Decode(&line); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if off := time.Until(line.Time) - offset; off.Abs() > 10*time.Second {
			t.Errorf("an offset of %v gives a clock that is off by %v: %s", offset, time.Until(line.Time), out)
		}
	}
}
