package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	etcd                  = "etcd"
	kubeAPIServer         = "kube-apiserver"
	kubeControllerManager = "kube-controller-manager"
	kubeScheduler         = "kube-scheduler"
	kwok                  = "kwok"
)

// programs remembers where the programs are, so that the build command runs at most once for each.
var programs struct {
	sync.Mutex
	path map[string]string
	err  error // the first failure to build: one build's output is enough
}

// buildHint is what a person does about missing programs.
const buildHint = "build the control plane once with `make controlplane` (or `go run -C test/controlplane .`), " +
	"point KUBEBUILDER_ASSETS at prebuilt programs, or leave these tests out with -short"

// locate returns the path of each named program, building what is missing.
func locate(tb testing.TB, names ...string) (map[string]string, error) {
	programs.Lock()
	defer programs.Unlock()
	if programs.path == nil {
		programs.path = map[string]string{}
	}
	var todo []string
	for _, name := range names {
		if programs.path[name] != "" {
			continue
		}
		if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
			if path, err := filepath.Abs(filepath.Join(assets, name)); err == nil && isFile(path) {
				programs.path[name] = path
				continue
			}
		}
		todo = append(todo, name)
	}
	if len(todo) > 0 {
		if programs.err != nil {
			return nil, programs.err
		}
		dir, err := buildPrograms(tb, todo)
		if err != nil {
			programs.err = fmt.Errorf("%w\n%s", err, buildHint)
			return nil, programs.err
		}
		for _, name := range todo {
			programs.path[name] = filepath.Join(dir, name)
		}
	}
	found := make(map[string]string, len(names))
	for _, name := range names {
		found[name] = programs.path[name]
	}
	return found, nil
}

// buildPrograms runs the build command and returns the folder it prints.
func buildPrograms(tb testing.TB, names []string) (string, error) {
	module, err := controlPlaneModule()
	if err != nil {
		return "", err
	}
	ctx := context.Background()
	if t, ok := tb.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, ok := t.Deadline(); ok {
			// Fail with words before go test kills the process without them.
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadlineCause(ctx, deadline.Add(-10*time.Second),
				errors.New("the test's own time limit comes before the build's end"))
			defer cancel()
		}
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "-C", module, "."}, names...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	// Flags for this module, such as -modfile, would mislead the go command in the other one.
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	cmd.SysProcAttr = childAttributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 5 * time.Second
	out, err := runOwned(cmd)
	if err != nil {
		return "", fmt.Errorf("building the control plane: %w\n%s", errors.Join(context.Cause(ctx), err),
			strings.TrimSpace(said.String()))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1], nil
}

// controlPlaneModule finds test/controlplane from the folder that go test runs in: some package of this module.
func controlPlaneModule() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding test/controlplane: %w", err)
	}
	for {
		module := filepath.Join(dir, "test", "controlplane")
		if isFile(filepath.Join(module, "go.mod")) {
			return module, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("finding test/controlplane: not in any folder above the working folder")
		}
		dir = parent
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
