package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one running component. Its output goes to a file, to which a restarted component appends.
type process struct {
	name    string
	logPath string
	cmd     *exec.Cmd
	done    chan struct{} // closed when the process has ended
	err     error         // how it ended; read after done
}

// startProcess starts a component. The caller stops it.
func startProcess(name, program, logPath string, args []string) (*process, error) {
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	defer logFile.Close() // the child has its own descriptor
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = childAttributes()
	// Nothing of the machine's settings (proxies, kubeconfig, feature gates) shall reach a component.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "TMPDIR=" + os.TempDir()}
	if err := startOwned(cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &process{name: name, logPath: logPath, cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// ended reports whether the process has ended, however it did.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// kill ends the process at once, with its children, and waits until it is gone.
func (p *process) kill() {
	if p == nil || p.ended() {
		return
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// terminate asks the process to end and kills it when it takes longer than patience.
func (p *process) terminate(patience time.Duration) {
	if p == nil || p.ended() {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.kill()
	}
}

// tail returns the last lines of the component's log.
func (p *process) tail(lines int) string {
	file, err := os.Open(p.logPath)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	const most = 64 << 10
	if info, err := file.Stat(); err == nil && info.Size() > most {
		file.Seek(-most, io.SeekEnd)
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(string(bytes.TrimSpace(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// report describes the component for a failed test.
func (p *process) report(lines int) string {
	state := "running"
	if p.ended() {
		state = fmt.Sprintf("ended: %v", p.err)
	}
	return fmt.Sprintf("--- %s (%s), end of its log:\n%s", p.name, state, p.tail(lines))
}

// waitUntil polls a condition until it holds, the component dies, or the time is up. The condition's last error is
// part of the failure.
func (p *process) waitUntil(ctx context.Context, timeout time.Duration, condition func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended while starting: %w\n%s", p.name, errors.Join(p.err, err), p.report(30))
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s for %s: %w\n%s", p.name, timeout, err, p.report(30))
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// starter runs functions on one operating system thread that lives as long as the process. A child's parent-death
// signal is bound to the thread that started it, and Go ends threads as it likes.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread() // never unlocked: the thread stays
		for f := range work {
			f()
		}
	}()
	return work
})

// startOwned starts a child that dies with this process.
func startOwned(cmd *exec.Cmd) error {
	result := make(chan error)
	starter() <- func() { result <- cmd.Start() }
	return <-result
}

// runOwned runs a child that dies with this process and returns its standard output.
func runOwned(cmd *exec.Cmd) ([]byte, error) {
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := startOwned(cmd); err != nil {
		return nil, err
	}
	err := cmd.Wait()
	return out.Bytes(), err
}

// freePort returns a port on 127.0.0.1 that nobody listens on. It stays below the range from which systems take the
// ports of outgoing connections, so that a component which stops and starts again finds its port still free.
func freePort() (int, error) {
	for range 200 {
		port := 15000 + rand.IntN(32000-15000)
		if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			listener.Close()
			return port, nil
		}
	}
	return 0, errors.New("finding a free port: none of 200 tried")
}

// Eventually polls a condition until it holds, and fails the test with the condition's last error when it does not
// within the timeout.
func Eventually(tb testing.TB, timeout time.Duration, condition func(context.Context) error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), timeout)
	defer cancel()
	for {
		err := condition(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("not within %s: %v", timeout, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
