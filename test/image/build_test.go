// Package image makes a release of the last commit with buildah, publishes it in a registry of its own, looks at what
// is in the images, and runs their programs as a cluster would: as the image's user, on a read-only root.
//
// No other registry is asked. The base image is made of what this machine has: its Go, git and CA
// certificates, and busybox as the shell. Needs root, buildah and busybox's static program (see
// tools/buildah.sh); where one is missing the tests are skipped, unless CI is set.
package image

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// base is the name of the base image. It claims to be for every architecture: Debian's buildah looks for one of the
// target's, also where the Dockerfile asks for the machine's own.
const base = "localhost/rollcall-build"

// version is the version that is released.
const version = "v0.0.1-test"

// work holds clones, buildah's storage and its answers; it goes away with the process.
var work string

func TestMain(m *testing.M) {
	var err error
	if work, err = os.MkdirTemp("", "rollcall-image-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := configure(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := cluster.Main(m)
	if _, err := exec.LookPath("buildah"); err == nil {
		exec.Command("buildah", "umount", "--all").Run() // what is not mounted is nothing to fear
	}
	if registry != nil {
		registry.Process.Kill()
		registry.Wait()
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
	for _, program := range []string{"buildah", "busybox", "git", "make", "unshare"} {
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

// configure has buildah, whoever calls it, keep its storage in work and ask no registry but ours.
func configure() error {
	storage, registries := filepath.Join(work, "storage.conf"), filepath.Join(work, "registries.conf")
	if err := errors.Join(os.WriteFile(registries, []byte("unqualified-search-registries = []\n"), 0o644),
		os.Setenv("CONTAINERS_REGISTRIES_CONF", registries), os.Setenv("CONTAINERS_STORAGE_CONF", storage),
		os.Setenv("BUILDAH_ISOLATION", "chroot")); err != nil {
		return err
	}
	// Where overlays can be mounted, that takes half the time; copies work everywhere.
	for _, driver := range []string{"overlay", "vfs"} {
		text := fmt.Sprintf("[storage]\ndriver = %q\ngraphroot = %q\nrunroot = %q\n", driver,
			filepath.Join(work, driver), filepath.Join(work, "run-"+driver))
		if err := os.WriteFile(storage, []byte(text), 0o644); err != nil {
			return err
		}
		if exec.Command("buildah", "info").Run() == nil {
			break
		}
	}
	return nil
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
	if _, err := run(ctx, "", nil, "buildah", "build", "-f", file, "-t", base+"-any", root); err != nil {
		return err
	}
	for _, arch := range architectures {
		container, err := run(ctx, "", nil, "buildah", "from", "--pull-never", base+"-any")
		if err != nil {
			return err
		}
		if _, err := run(ctx, "", nil, "buildah", "config", "--arch", arch, container); err != nil {
			return err
		}
		if _, err := run(ctx, "", nil, "buildah", "commit", "--rm", "--manifest", base, container, base+"-"+arch); err != nil {
			return err
		}
	}
	return nil
}

// release is what was released: its files, and where it was published.
type release struct {
	source, folder, registry string
}

// registry is the one that the release is published in.
var registry *exec.Cmd

// serve starts a registry, and returns its address.
func serve(ctx context.Context) (string, error) {
	program := filepath.Join(work, "registry")
	if _, err := run(ctx, filepath.Join(source, "tools"), nil, "go", "build", "-o", program,
		"github.com/google/go-containerregistry/cmd/registry"); err != nil {
		return "", err
	}
	registry = exec.Command(program, "-port", "0")
	log, err := registry.StderrPipe()
	if err != nil {
		return "", err
	}
	if err := registry.Start(); err != nil {
		return "", err
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if _, port, ok := strings.Cut(lines.Text(), "serving on port "); ok {
			go io.Copy(io.Discard, log)
			return "127.0.0.1:" + port, nil
		}
	}
	return "", fmt.Errorf("the registry does not start: %w", lines.Err())
}

// released makes and publishes the release, once for all tests.
var released = sync.OnceValues(func() (r release, err error) {
	ctx := context.Background()
	r.source = filepath.Join(work, "source")
	// A clone is what a build server has: the commit, and nothing that is not in it.
	if _, err := run(ctx, source, nil, "git", "clone", "-q", "--no-hardlinks", "--no-tags", ".", r.source); err != nil {
		return r, err
	}
	changelog := filepath.Join(r.source, "CHANGELOG.md")
	text, err := os.ReadFile(changelog)
	if err != nil {
		return r, err
	}
	if err := os.WriteFile(changelog, bytes.Replace(text, []byte("## Unreleased\n"),
		[]byte("## Unreleased\n\n## "+version+" - 2026-12-01\n"), 1), 0o644); err != nil {
		return r, err
	}
	for _, args := range [][]string{{"-c", "user.name=Test", "-c", "user.email=test@example.com", "commit", "-qam", "release"},
		{"tag", version}} {
		if _, err := run(ctx, r.source, nil, "git", args...); err != nil {
			return r, err
		}
	}
	if err := makeBase(ctx); err != nil {
		return r, err
	}
	host, err := serve(ctx)
	if err != nil {
		return r, err
	}
	r.registry, r.folder = host+"/team", filepath.Join(r.source, "bin", "release", version)
	_, err = r.make(ctx, "REGISTRY="+r.registry)
	return r, err
})

// make runs make release.
func (r release) make(ctx context.Context, args ...string) (string, error) {
	modules, err := run(ctx, "", nil, "go", "env", "GOMODCACHE")
	if err != nil {
		return "", err
	}
	caches, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	// A build cache of its own: what is compiled here was not compiled by the go command outside.
	cache := filepath.Join(caches, "rollcall", "image", runtime.Version())
	for _, dir := range []string{cache, modules} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	return run(ctx, r.source, nil, "make", append([]string{"release", "VERSION=" + version, "BUILDER=buildah",
		"BUILD=--network host --pull-never --volume " + modules + ":/go/pkg/mod --volume " + cache + ":/cache " +
			"--build-arg BUILD_IMAGE=" + base}, args...)...)
}

// image is an image that was published, mounted.
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

// pull gets an image of the release for an architecture.
func pull(t *testing.T, name, arch string) *image {
	t.Helper()
	needs(t)
	r, err := released()
	if err != nil {
		t.Fatal(err)
	}
	container, err := run(t.Context(), "", nil, "buildah", "from", "--pull-always", "--tls-verify=false", "--arch", arch,
		r.registry+"/"+name+":"+version)
	if err != nil {
		t.Fatal(err)
	}
	i := &image{}
	if i.root, err = run(t.Context(), "", nil, "buildah", "mount", container); err != nil {
		t.Fatal(err)
	}
	text, err := run(t.Context(), "", nil, "buildah", "inspect", container)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &i.description); err != nil {
		t.Fatalf("reading the image's description: %v\n%s", err, text)
	}
	return i
}
