package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rollcall/internal/channel"
	"rollcall/internal/slackemu"
	"rollcall/test/cluster"
)

// limit is how large the image may be, in bytes.
const limit = 60_000_000

// The image holds the program and what it needs, and nothing else: no shell, nothing else that can
// be run, nothing that its user can change but the ledger's folder.
func TestContents(t *testing.T) {
	for _, arch := range architectures {
		t.Run(arch, func(t *testing.T) {
			i := build(t, arch)
			sizes := map[string]int64{}
			var total int64
			err := filepath.WalkDir(i.root, func(path string, d fs.DirEntry, err error) error {
				if err != nil || path == i.root {
					return err
				}
				info, err := d.Info()
				if err != nil {
					return err
				}
				name, _ := filepath.Rel(i.root, path)
				owner := info.Sys().(*syscall.Stat_t)
				if own := name == "var/lib/rollcall"; own != (owner.Uid == 65532) || info.Mode().Perm()&0o022 != 0 ||
					info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSymlink) != 0 {
					t.Errorf("%s: %v, of user %d", name, info.Mode(), owner.Uid)
				}
				if !d.IsDir() {
					if info.Mode()&0o111 != 0 && name != "rollcall" {
						t.Errorf("%s can be run", name)
					}
					top, _, _ := strings.Cut(name, "/")
					sizes[top] += info.Size()
					total += info.Size()
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"etc", "licences", "rollcall", "sbom.cdx.json"},
				slices.Sorted(maps.Keys(sizes))); diff != "" {
				t.Errorf("what is in the image, -want +got:\n%s", diff)
			}
			t.Logf("%.1f MB: %v bytes", float64(total)/1e6, sizes)
			if total > limit {
				t.Errorf("%d bytes, more than %d", total, limit)
			}
			f, err := elf.Open(filepath.Join(i.root, "rollcall"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]; f.Machine != want ||
				f.Section(".interp") != nil {
				t.Errorf("the program is for %v, dynamic: %v", f.Machine, f.Section(".interp") != nil)
			}
			certificates, err := os.ReadFile(filepath.Join(i.root, "etc/ssl/certs/ca-certificates.crt"))
			if err != nil {
				t.Fatal(err)
			}
			if block, _ := pem.Decode(certificates); block == nil ||
				bytes.Count(certificates, []byte("BEGIN CERTIFICATE")) < 50 {
				t.Error("too few CA certificates")
			}
			c := i.description.OCIv1.Config
			if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/rollcall"}) ||
				c.WorkingDir != "/var/lib/rollcall" || !slices.Contains(c.Env, "TMPDIR=/var/lib/rollcall") {
				t.Errorf("configuration: %+v", c)
			}
			if got := i.description.OCIv1.Architecture; got != arch {
				t.Errorf("the image is for %s", got)
			}
			for label, want := range map[string]string{"title": "Rollcall", "licenses": "Apache-2.0", "version": "v0.0.0-test",
				"revision": "abc"} {
				if got := c.Labels["org.opencontainers.image."+label]; got != want {
					t.Errorf("label %s: %q, want %q", label, got, want)
				}
			}
			billed(t, i)
			same(t, i, arch)
		})
	}
}

// billed expects the licences and the bill of materials to name exactly what is linked.
func billed(t *testing.T, i *image) {
	t.Helper()
	info, err := buildinfo.ReadFile(filepath.Join(i.root, "rollcall"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"std"}
	for _, m := range info.Deps {
		want = append(want, m.Path)
	}
	slices.Sort(want)
	text, err := os.ReadFile(filepath.Join(i.root, "sbom.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		SpecVersion string `json:"specVersion"`
		Metadata    struct {
			Component struct{ Name, Version string }
		}
		Components []struct {
			Name     string
			Licenses []struct{ License struct{ ID string } }
		}
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range bom.Components {
		got = append(got, c.Name)
		if len(c.Licenses) == 0 || c.Licenses[0].License.ID == "" {
			t.Errorf("%s has no licence", c.Name)
		}
		files, err := filepath.Glob(filepath.Join(i.root, "licences", c.Name, "*"))
		if err != nil || len(files) == 0 {
			t.Errorf("the licence of %s is not in the image: %v", c.Name, err)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("linked and billed, -want +got:\n%s", diff)
	}
	if bom.Metadata.Component.Name != "rollcall" || bom.Metadata.Component.Version != info.Main.Version ||
		info.Main.Version == "(devel)" {
		t.Errorf("the bill is of %s %s, the program is %s", bom.Metadata.Component.Name, bom.Metadata.Component.Version,
			info.Main.Version)
	}
}

// same builds the program again, elsewhere and with another build cache, and expects the same bytes.
func same(t *testing.T, i *image, arch string) {
	t.Helper()
	dockerfile, err := os.ReadFile(filepath.Join(source, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)go build .* -o /out/rollcall ./cmd/bot$`).Find(dockerfile)
	if line == nil {
		t.Fatal("the Dockerfile builds the program in another way than this test knows")
	}
	clone, binary := filepath.Join(t.TempDir(), "elsewhere"), filepath.Join(t.TempDir(), "rollcall")
	if _, err := run(t.Context(), "", nil, "git", "clone", "-q", filepath.Join(work, "context"), clone); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), clone,
		[]string{"CGO_ENABLED=0", "GOFLAGS=", "GOTOOLCHAIN=local", "GOOS=linux", "GOARCH=" + arch}, "sh", "-c",
		strings.Replace(string(line), "/out/rollcall", binary, 1)); err != nil {
		t.Fatal(err)
	}
	hash := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", sha256.Sum256(b))
	}
	if a, b := hash(filepath.Join(i.root, "rollcall")), hash(binary); a != b {
		t.Errorf("two builds of one commit differ: %s and %s", a, b)
	}
}

// start runs the image's program as a cluster would: as its user, on its root file system, of which
// only the ledger's folder can be written.
func (i *image) start(t *testing.T, volume string, env []string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	script := `set -e; mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; mount --bind "$2" "$1/var/lib/rollcall"
		root=$1; shift 2; exec chroot --userspec=65532:65532 --groups= "$root" /rollcall "$@"`
	cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-c", script, "sh", i.root, volume}, args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return cmd, &log
}

func TestRuns(t *testing.T) {
	i := build(t, "amd64")
	c := cluster.Shared(t)
	user := c.NewUser(t)
	c.Grant(t, user, cluster.ReadNodesAndEvents()...)
	slack := slackemu.Start(t, slackemu.Config{})
	kubeconfig, err := os.ReadFile(c.Kubeconfig(t, user))
	if err != nil {
		t.Fatal(err)
	}
	volume := t.TempDir()
	if err := os.WriteFile(filepath.Join(volume, "kubeconfig"), kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{volume, filepath.Join(volume, "kubeconfig")} {
		if err := os.Chown(path, 65532, 65532); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	env := append(slices.Clone(i.description.OCIv1.Config.Env), "SLACK_BOT_TOKEN="+slackemu.DefaultBotToken,
		"SLACK_APP_TOKEN="+slackemu.DefaultAppToken, "SLACK_CHANNEL="+slackemu.ChannelOps, "SLACK_API_URL="+slack.APIURL(),
		"KUBECONFIG=/var/lib/rollcall/kubeconfig", "CLUSTER_NAME=prod", "DATABASE_URL=sqlite:/var/lib/rollcall/rollcall.db",
		"DIGEST_TIMEZONE=Europe/Berlin", "HTTP_ADDR="+addr)

	cmd, log := i.start(t, volume, env)
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	cluster.Eventually(t, 30*time.Second, func(ctx context.Context) error {
		res, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if waves := channel.Waves(slack, slackemu.ChannelOps); res.StatusCode != http.StatusOK || len(waves) != 1 {
			return fmt.Errorf("/readyz: %s, %d messages", res.Status, len(waves))
		}
		return nil
	})
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^Uid:\t65532\t65532\t65532\t65532$`).Match(status) ||
		!regexp.MustCompile(`(?m)^CapEff:\t0+$`).Match(status) {
		t.Errorf("it does not run as the user 65532 without capabilities:\n%s", status)
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(` / ro[, ]`).Match(mounts) {
		t.Errorf("its root can be written:\n%s", mounts)
	}
	if _, err := os.Stat(filepath.Join(volume, "rollcall.db")); err != nil {
		t.Error(err)
	}

	// The other commands run beside it, as kubectl exec would run them.
	check, out := i.start(t, volume, env, "check")
	if err := check.Wait(); err != nil {
		t.Errorf("check: %v\n%s", err, out)
	}
	backup, out := i.start(t, volume, env, "backup", "/var/lib/rollcall/backup.db")
	if err := backup.Wait(); err != nil {
		t.Errorf("backup: %v\n%s", err, out)
	}

	cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-exited:
		if err != nil {
			t.Errorf("after SIGTERM: %v", err)
		}
	case <-time.After(15 * time.Second):
		t.Error("still running 15 s after SIGTERM")
		cmd.Process.Kill()
		<-exited
	}
	if t.Failed() {
		t.Logf("its log:\n%s", log)
	}
}
