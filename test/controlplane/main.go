// The controlplane command builds the Kubernetes control plane that the end-to-end tests run against, from Go modules,
// because not every machine can download a prebuilt one. It keeps the programs in a cache folder outside the source
// tree, builds only what is missing there, and prints that folder as the last line of its standard output.
//
// It uses nothing but the standard library and the go command. It never touches the module files beside it: those
// decide the versions, and changing them makes a new cache folder.
//
// Usage, in this folder:
//
//	go run . [etcd] [kube-apiserver] [kube-controller-manager] [kube-scheduler] [kwok]
//
// Without names it builds all five. ROLLCALL_CACHE moves the cache. Programs found in KUBEBUILDER_ASSETS are linked
// into the folder instead of being built.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// packages maps each program to the package that it is built from; the keys are also the file names in the cache.
var packages = map[string]string{
	"etcd":                    "go.etcd.io/etcd/server/v3",
	"kube-apiserver":          "k8s.io/kubernetes/cmd/kube-apiserver",
	"kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
	"kube-scheduler":          "k8s.io/kubernetes/cmd/kube-scheduler",
	"kwok":                    "sigs.k8s.io/kwok/cmd/kwok",
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := build(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
	fmt.Println(dir)
}

// build makes sure that the named programs (none: all) are in the cache, and returns their folder.
func build(ctx context.Context, names []string) (string, error) {
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(packages))
	}
	for _, name := range names {
		if packages[name] == "" {
			return "", fmt.Errorf("unknown program %q: choose from %s", name,
				strings.Join(slices.Sorted(maps.Keys(packages)), ", "))
		}
	}
	version, err := kubernetesVersion(ctx)
	if err != nil {
		return "", err
	}
	flags := buildFlags(version)
	dir, err := cacheFolder(flags)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	if len(missing(dir, names)) == 0 {
		return dir, nil
	}

	// Two test processes may find the cache empty at once: the second waits and then finds the work done.
	unlock, err := lock(ctx, filepath.Join(dir, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	todo := missing(dir, names)
	if todo, err = link(dir, todo); err != nil {
		return "", err
	}
	if len(todo) == 0 {
		return dir, nil
	}
	titles := make([]string, len(todo))
	for i, name := range todo {
		if titles[i] = name; strings.HasPrefix(name, "kube-") {
			titles[i] += " " + strings.TrimPrefix(version, "v")
		}
	}
	fmt.Fprintf(os.Stderr, "building %s from source: about ten minutes the first time on two cores, seconds afterwards\n",
		strings.Join(titles, ", "))
	start := time.Now()
	if err := compile(ctx, dir, flags, todo); err != nil {
		return "", err
	}
	fmt.Fprintf(os.Stderr, "built in %s\n", time.Since(start).Round(time.Second))
	return dir, nil
}

// kubernetesVersion reads the version out of the module file, so that there is one place to change it.
func kubernetesVersion(ctx context.Context) (string, error) {
	out, err := goCommand(ctx, "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes").Output()
	if err != nil {
		return "", fmt.Errorf("asking the go command for the version of k8s.io/kubernetes: %w", withStderr(err))
	}
	return strings.TrimSpace(string(out)), nil
}

// buildFlags returns what go build gets. The programs report their version through variables that the linker sets;
// without them an API server says v0.0.0 and clients that look at its version are misled.
func buildFlags(version string) []string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	const at = "-X k8s.io/component-base/version."
	return []string{"-ldflags", fmt.Sprintf("-s -w %sgitVersion=%s %sgitMajor=%s %sgitMinor=%s", at, version, at, major,
		at, minor)}
}

// cacheFolder names the folder after everything that decides what the programs are, so that a change of any of it
// builds anew and going back finds the old ones.
func cacheFolder(flags []string) (string, error) {
	root := os.Getenv("ROLLCALL_CACHE")
	if root == "" {
		// Not os.UserCacheDir: the folder is named in the documentation and shall be the same everywhere.
		base := os.Getenv("XDG_CACHE_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", fmt.Errorf("finding a cache folder: %w (set ROLLCALL_CACHE)", err)
			}
			base = filepath.Join(home, ".cache")
		}
		root = filepath.Join(base, "rollcall")
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return "", fmt.Errorf("finding a cache folder: %w", err)
	}
	sum := sha256.New()
	for _, file := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("reading the module files: %w (run this in test/controlplane)", err)
		}
		fmt.Fprintf(sum, "%s %d\n%s", file, len(data), data)
	}
	fmt.Fprintln(sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, flags, packages, os.Getenv("KUBEBUILDER_ASSETS"))
	return filepath.Join(root, "controlplane", hex.EncodeToString(sum.Sum(nil))[:16]), nil
}

func missing(dir string, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	})
}

// link puts the programs that KUBEBUILDER_ASSETS holds into dir and returns the names of the others.
func link(dir string, names []string) ([]string, error) {
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		return names, nil
	}
	assets, err := filepath.Abs(assets)
	if err != nil {
		return nil, fmt.Errorf("resolving KUBEBUILDER_ASSETS: %w", err)
	}
	var todo []string
	for _, name := range names {
		from, to := filepath.Join(assets, name), filepath.Join(dir, name)
		if _, err := os.Stat(from); err != nil {
			todo = append(todo, name)
			continue
		}
		os.Remove(to) // a link whose target is gone
		if err := os.Symlink(from, to); err != nil {
			return nil, fmt.Errorf("linking %s from KUBEBUILDER_ASSETS: %w", name, err)
		}
	}
	return todo, nil
}

// compile builds into a temporary folder and renames each program into dir: whoever finds a program there finds a
// whole one, also when a build was interrupted.
func compile(ctx context.Context, dir string, flags, names []string) error {
	// The lock is ours, so what an interrupted build left belongs to nobody.
	if left, err := filepath.Glob(filepath.Join(dir, ".build-*")); err == nil {
		for _, path := range left {
			os.RemoveAll(path)
		}
	}
	tmp, err := os.MkdirTemp(dir, ".build-")
	if err != nil {
		return fmt.Errorf("making a build folder: %w", err)
	}
	defer os.RemoveAll(tmp)
	args := append([]string{"build", "-o", tmp + string(filepath.Separator)}, flags...)
	for _, name := range names {
		args = append(args, packages[name])
	}
	cmd := goCommand(ctx, args...)
	// Standard output carries the answer; the compiler's words go where people look.
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building %s: %w", strings.Join(names, ", "), errors.Join(context.Cause(ctx), err))
	}
	for _, name := range names {
		from := filepath.Join(tmp, name)
		if name == "etcd" {
			from = filepath.Join(tmp, "server") // the go command names a program after its package's folder
		}
		if err := os.Rename(from, filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("moving %s into the cache: %w", name, err)
		}
	}
	return nil
}

// lock takes an advisory lock that the system releases even if this process is killed.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the cache's lock: %w", err)
	}
	told := false
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			file.Close()
			return nil, fmt.Errorf("locking the cache: %w", err)
		}
		if !told {
			fmt.Fprintln(os.Stderr, "waiting for another build of the control plane")
			told = true
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("waiting for another build of the control plane: %w", context.Cause(ctx))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func goCommand(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	// Whatever flags somebody has set for other modules, the programs are to be the same.
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	// The go command stops its compilers on an interrupt; killing it would leave them behind.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func withStderr(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}
