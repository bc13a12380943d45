// Package image builds the Dockerfile of the last commit with buildah, looks at what is in the
// image, and runs the program in it as a cluster would: as the image's user, on a read-only root.
//
// No registry is asked. The base image is made of what this machine has: its Go, git and CA
// certificates, and busybox as the shell. Needs root, buildah and busybox's static program (see
// tools/buildah.sh); where one is missing the tests are skipped, unless CI is set.
package image

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"rollcall/test/cluster"
)

// source is the repository, seen from this package.
const source = "../.."

// architectures are those that images are made for.
var architectures = []string{"amd64", "arm64"}

// base is the name of the base image, before the architecture that it claims to be for: Debian's
// buildah looks for one of the target's, also where the Dockerfile asks for the machine's own.
const base = "localhost/rollcall-build-"

// work holds clones, buildah's storage and its answers; it goes away with the process.
var work string

func TestMain(m *testing.M) {
	var err error
	if work, err = os.MkdirTemp("", "rollcall-image-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := cluster.Main(m)
	if _, err := exec.LookPath("buildah"); err == nil {
		exec.Command("buildah", buildah("umount", "--all")...).Run() // what is not mounted is nothing to fear
	}
	os.RemoveAll(work)
	os.Exit(code)
}

// needs skips a test where the image cannot be built, and fails it in CI.
func needs(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds an image, which -short leaves out")
	}
	var missing []string
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		missing = append(missing, "root on Linux")
	}
	for _, program := range []string{"buildah", "busybox", "git", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) == 0 {
		return
	}
	hint := "building an image needs " + strings.Join(missing, ", ") + ": run tools/buildah.sh"
	if os.Getenv("CI") != "" {
		t.Fatal(hint)
	}
	t.Skip(hint)
}

// run runs a command and returns what it printed.
func run(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		text := stderr.String() + stdout.String()
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, text[max(0, len(text)-4000):])
	}
	return strings.TrimSpace(stdout.String()), nil
}

// buildah returns the arguments of a buildah command on the storage in work.
func buildah(args ...string) []string {
	return append([]string{"--root", filepath.Join(work, "storage"), "--runroot", filepath.Join(work, "run"),
		"--storage-driver", "vfs",
		"--registries-conf", filepath.Join(work, "registries.conf")}, args...)
}

// makeBase makes the base image: the build stage's, without a registry.
func makeBase(ctx context.Context) error {
	root := filepath.Join(work, "base")
	git, err := exec.LookPath("git")
	if err != nil {
		return err
	}
	libraries, err := run(ctx, "", nil, "ldd", git)
	if err != nil {
		return err
	}
	var script strings.Builder
	script.WriteString("set -e; umask 022; mkdir -p bin tmp etc/ssl/certs usr/local; chmod 1777 tmp\n" +
		"cp -L \"$(command -v busybox)\" bin/busybox; for name in $(bin/busybox --list); do [ \"$name\" = busybox ] || ln " +
		"-s busybox bin/\"$name\"; done\n" +
		"cp -L \"$(command -v git)\" bin/git; cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/; cp -a \"$(go env " +
		"GOROOT)\" usr/local/go\n")
	for _, path := range regexp.MustCompile(`/\S+\.so\S*`).FindAllString(libraries, -1) {
		fmt.Fprintf(&script, "mkdir -p .%s; cp -L %s .%s\n", filepath.Dir(path), path, path)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if _, err := run(ctx, root, []string{"GOTOOLCHAIN=local"}, "sh", "-c", script.String()); err != nil {
		return err
	}
	file := filepath.Join(work, "base.Dockerfile")
	if err := os.WriteFile(file,
		[]byte("FROM scratch\nCOPY . /\nENV PATH=/usr/local/go/bin:/bin HOME=/tmp GOPATH=/go GOCACHE=/cache\n"),
		0o644); err != nil {
		return err
	}
	for _, arch := range architectures {
		if _, err = run(ctx, "", nil, "buildah",
			buildah("build", "--isolation", "chroot", "--platform", "linux/"+arch, "-f", file, "-t", base+arch, root)...); err != nil {
			return err
		}
	}
	return nil
}

var prepare = sync.OnceValue(func() error {
	ctx := context.Background()
	// Nothing may be looked for elsewhere.
	if err := os.WriteFile(filepath.Join(work, "registries.conf"), []byte("unqualified-search-registries = []\n"),
		0o644); err != nil {
		return err
	}
	// A clone is what a build server has: the commit, and nothing that is not in it.
	if _, err := run(ctx, source, nil, "git", "clone", "-q", "--no-hardlinks", ".",
		filepath.Join(work, "context")); err != nil {
		return err
	}
	return makeBase(ctx)
})

// image is an image that was built, mounted.
type image struct {
	root        string // its root file system
	description struct {
		OCIv1 struct {
			Architecture string
			Config       struct {
				User, WorkingDir string
				Entrypoint, Env  []string
				Labels           map[string]string
			}
		}
	}
}

// build builds the image for an architecture, from the commit.
func build(t *testing.T, arch string) *image {
	t.Helper()
	needs(t)
	if err := prepare(); err != nil {
		t.Fatal(err)
	}
	modules, err := run(t.Context(), "", nil, "go", "env", "GOMODCACHE")
	if err != nil {
		t.Fatal(err)
	}
	caches, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	// A build cache of its own: what is compiled here was not compiled by the go command outside.
	cache := filepath.Join(caches, "rollcall", "image", runtime.Version())
	for _, dir := range []string{cache, modules} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	name := "localhost/rollcall-" + arch
	if _, err := run(t.Context(), "", nil, "buildah",
		buildah("build", "--isolation", "chroot", "--network", "host", "--pull-never", "--platform", "linux/"+arch,
			"--volume", modules+":/go/pkg/mod", "--volume", cache+":/cache", "--build-arg", "BUILD_IMAGE="+base+arch,
			"--build-arg", "VERSION=v0.0.0-test", "--build-arg", "REVISION=abc", "-t", name, filepath.Join(work, "context"))...); err != nil {
		t.Fatal(err)
	}
	container, err := run(t.Context(), "", nil, "buildah", buildah("from", "--pull-never", name)...)
	if err != nil {
		t.Fatal(err)
	}
	i := &image{}
	if i.root, err = run(t.Context(), "", nil, "buildah", buildah("mount", container)...); err != nil {
		t.Fatal(err)
	}
	text, err := run(t.Context(), "", nil, "buildah", buildah("inspect", "--type", "image", name)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &i.description); err != nil {
		t.Fatalf("reading the image's description: %v\n%s", err, text)
	}
	return i
}
