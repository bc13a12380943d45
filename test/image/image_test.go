package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"debug/gosym"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
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

// what describes an image of the release.
type what struct {
	name, title string
	program     string // the only file that can be run
	folder      string // the only one that can be written
	vendored    []string
	limit       int64 // how large it may be, in bytes
}

var (
	ofProgram = what{name: "rollcall", title: "Rollcall", program: "rollcall", folder: "var/lib/rollcall",
		limit: 60_000_000}
	ofDemo = what{name: "rollcall-demo", title: "Rollcall's demo", program: "demo", folder: "tmp",
		vendored: []string{"lit-html"}, limit: 80_000_000}
)

// An image holds its program and what that needs, and nothing else: no shell, nothing else that can
// be run, nothing that its user can change but one folder.
func TestContents(t *testing.T) {
	for _, w := range []what{ofProgram, ofDemo} {
		for _, arch := range architectures {
			t.Run(w.name+"/"+arch, func(t *testing.T) { contents(t, pull(t, w.name, arch), w, arch) })
		}
	}
}

func contents(t *testing.T, i *image, w what, arch string) {
	t.Helper()
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
		if own := name == w.folder; own != (owner.Uid == 65532) || info.Mode().Perm()&0o022 != 0 ||
			info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSymlink) != 0 {
			t.Errorf("%s: %v, of user %d", name, info.Mode(), owner.Uid)
		}
		if !d.IsDir() {
			if info.Mode()&0o111 != 0 && name != w.program {
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
	files := []string{"etc", "licences", w.program, "sbom.cdx.json"}
	slices.Sort(files)
	if diff := cmp.Diff(files, slices.Sorted(maps.Keys(sizes))); diff != "" {
		t.Errorf("what is in the image, -want +got:\n%s", diff)
	}
	t.Logf("%.1f MB: %v bytes", float64(total)/1e6, sizes)
	if total > w.limit {
		t.Errorf("%d bytes, more than %d", total, w.limit)
	}
	program := filepath.Join(i.root, w.program)
	f, err := elf.Open(program)
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
	if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/" + w.program}) ||
		c.WorkingDir != "/"+w.folder || !slices.Contains(c.Env, "TMPDIR=/"+w.folder) {
		t.Errorf("configuration: %+v", c)
	}
	if got := i.description.OCIv1.Architecture; got != arch {
		t.Errorf("the image is for %s", got)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]string{"title": w.title, "licenses": "Apache-2.0", "version": version,
		"revision": setting(info, "vcs.revision")} {
		if got := c.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s: %q, want %q", label, got, want)
		}
	}
	if info.Main.Version != version || setting(info, "vcs.modified") != "false" {
		t.Errorf("the program is %s, changed: %s", info.Main.Version, setting(info, "vcs.modified"))
	}
	billed(t, i, info, w.vendored)
	foreign := slices.ContainsFunc(functions(t, f), func(name string) bool {
		return slices.ContainsFunc([]string{"slackemu", "clustersim", "demo", "channel", "webhook/receiver"},
			func(pkg string) bool { return strings.HasPrefix(name, "rollcall/internal/"+pkg) })
	})
	if foreign != (w.name == ofDemo.name) {
		t.Errorf("the emulated Slack, the simulated cluster or another part of the demo is linked: %t", foreign)
	}
	if w.name == ofProgram.name {
		same(t, i, arch)
	}
}

func setting(info *buildinfo.BuildInfo, key string) string {
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// functions are the names of all functions in a program: they are in its table for stack traces, also where it has no
// other symbols.
func functions(t *testing.T, f *elf.File) []string {
	t.Helper()
	table, text := f.Section(".gopclntab"), f.Section(".text")
	if table == nil || text == nil {
		t.Fatal("the program has no table of its functions")
	}
	data, err := table.Data()
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, fn := range symbols.Funcs {
		names = append(names, fn.Name)
	}
	if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, "rollcall/internal/ledger.") }) {
		t.Fatalf("of the program's %d functions none is the ledger's", len(names))
	}
	return names
}

// billed expects the licences and the bill of materials to name exactly what is linked.
func billed(t *testing.T, i *image, info *buildinfo.BuildInfo, vendored []string) {
	t.Helper()
	want := append([]string{"std"}, vendored...)
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
	if bom.Metadata.Component.Name != "rollcall" || bom.Metadata.Component.Version != info.Main.Version {
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
	if _, err := run(t.Context(), "", nil, "git", "clone", "-q", filepath.Join(work, "source"), clone); err != nil {
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
// only one folder can be written.
func (i *image) start(t *testing.T, volume string, env []string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	script := `set -e; mkdir -p "$1/proc"; mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"
		mount --bind /proc "$1/proc"; mount --bind "$2" "$1$3"; root=$1; shift 3; exec chroot --userspec=65532:65532 --groups= "$root" "$@"`
	c := i.description.OCIv1.Config
	cmd := exec.Command("unshare", slices.Concat([]string{"--mount", "sh", "-c", script, "sh", i.root, volume, c.WorkingDir},
		c.Entrypoint, args)...)
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
	i := pull(t, ofProgram.name, runtime.GOARCH)
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
	addr := "127.0.0.1:" + freePort(t)
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
	confined(t, cmd)
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

	stops(t, cmd, exited)
	if t.Failed() {
		t.Logf("its log:\n%s", log)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// confined expects a process to be that of an image's user, without rights, on a root that it cannot write to.
func confined(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
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
}

// stops expects a process to end in good order when it is told to.
func stops(t *testing.T, cmd *exec.Cmd, exited <-chan error) {
	t.Helper()
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
}

// The demo's page can be reached from outside its container, and nothing else of it: not the emulated Slack, not the
// simulated cluster, not the page under another site's name. Messages come, and nothing is left when it ends.
func TestDemoRuns(t *testing.T) {
	i := pull(t, ofDemo.name, runtime.GOARCH)
	env := i.description.OCIv1.Config.Env
	if !slices.Contains(env, "DEMO_ADDR=0.0.0.0:8080") {
		t.Errorf("it does not listen at all addresses by itself: %q", env)
	}
	volume, port := t.TempDir(), freePort(t)
	if err := os.Chown(volume, 65532, 65532); err != nil {
		t.Fatal(err)
	}
	cmd, log := i.start(t, volume, append(slices.Clone(env), "DEMO_ADDR=0.0.0.0:"+port))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("its log:\n%s", log)
		}
	})
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	// Whoever listens at 127.0.0.1 alone is not reached at another address of the machine.
	get := func(host, path string) (int, string, error) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.2:"+port+path, nil)
		if err != nil {
			return 0, "", err
		}
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return res.StatusCode, string(text), err
	}
	cluster.Eventually(t, time.Minute, func(context.Context) error {
		status, text, err := get("localhost:9000", "/page/state?user="+slackemu.UserAda)
		if err == nil && (status != http.StatusOK || !strings.Contains(text, "Rollcall is watching demo")) {
			err = fmt.Errorf("%d, %d bytes, without the first message", status, len(text))
		}
		return err
	})
	for _, c := range []struct {
		host, path string
		status     int
		text       string
	}{
		{"localhost:9000", "/", 200, "<title>"},
		{"evil.example", "/", 421, ""},
		{"0.0.0.0:" + port, "/", 421, ""},
		{"localhost", "/api/auth.test", 404, ""},
		{"localhost", "/cluster/api/v1/nodes", 404, ""},
		{"localhost", "/webhook", 404, ""},
	} {
		if status, text, err := get(c.host, c.path); err != nil || status != c.status || !strings.Contains(text, c.text) {
			t.Errorf("%s of %s: %d, %v, want %d with %q", c.path, c.host, status, err, c.status, c.text)
		}
	}
	confined(t, cmd)
	stops(t, cmd, exited)
	if want := "Rollcall's demo is at http://127.0.0.1:" + port + ", or at the port"; !strings.HasPrefix(log.String(), want) {
		t.Errorf("it says %q, want %q", log, want)
	}
	if left, err := os.ReadDir(volume); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// What a release consists of, that it is the same for the same commit, and that it is made once.
func TestRelease(t *testing.T) {
	needs(t)
	r, err := released()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(r.folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	stem, chart := "rollcall-"+version, strings.TrimPrefix(version, "v")
	want := []string{"NOTES.md", "SHA256SUMS", "release.json", "rollcall-" + chart + ".tgz",
		"rollcall-chart-" + chart + ".oci.tar", "rollcall-demo-" + version + ".oci.tar", stem + ".oci.tar"}
	for _, arch := range architectures {
		want = append(want, stem+"-linux-"+arch+".tar.gz", stem+"-linux-"+arch+".cdx.json")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files, -want +got:\n%s", diff)
	}
	if _, err := run(t.Context(), r.folder, nil, "sha256sum", "--check", "--strict", "SHA256SUMS"); err != nil {
		t.Error(err)
	}

	var published struct {
		Artefacts []struct{ Name, Repository, Tag, Digest string }
	}
	text, err := os.ReadFile(filepath.Join(r.folder, "release.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &published); err != nil {
		t.Fatal(err)
	}
	for _, a := range published.Artefacts {
		path := strings.TrimPrefix(a.Repository, strings.TrimSuffix(r.registry, "/team"))
		res, err := http.Get("http://" + strings.TrimSuffix(r.registry, "/team") + "/v2" + path + "/manifests/" + a.Tag)
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || fmt.Sprintf("sha256:%x", sha256.Sum256(manifest)) != a.Digest {
			t.Errorf("%s:%s is another than release.json says: %v\n%s", a.Repository, a.Tag, err, manifest)
		}
		var index struct {
			Manifests []struct {
				Platform struct{ OS, Architecture string }
			}
			Config struct{ MediaType string }
		}
		if err := json.Unmarshal(manifest, &index); err != nil {
			t.Fatal(err)
		}
		var platforms []string
		for _, m := range index.Manifests {
			platforms = append(platforms, m.Platform.OS+"/"+m.Platform.Architecture)
		}
		if a.Name == "rollcall-chart" {
			if got := index.Config.MediaType; got != "application/vnd.cncf.helm.config.v1+json" {
				t.Errorf("the chart is %s", got)
			}
		} else if !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) {
			t.Errorf("%s is for %q", a.Repository, platforms)
		}
	}

	unpacked := t.TempDir()
	archive := stem + "-linux-" + runtime.GOARCH
	if _, err := run(t.Context(), unpacked, nil, "tar", "-xzf", filepath.Join(r.folder, archive+".tar.gz")); err != nil {
		t.Fatal(err)
	}
	said, err := run(t.Context(), "", nil, filepath.Join(unpacked, archive, "rollcall"), "version")
	if err != nil || !strings.Contains(said, version) {
		t.Errorf("the program says %q, %v", said, err)
	}
	for _, file := range []string{"licences/rollcall/LICENSE", "licences/LIST", "sbom.cdx.json"} {
		if _, err := os.Stat(filepath.Join(unpacked, archive, file)); err != nil {
			t.Error(err)
		}
	}

	if _, err := r.make(t.Context(), "REGISTRY="+r.registry); err == nil ||
		!strings.Contains(err.Error(), version+" is published already") {
		t.Errorf("the second run: %v", err)
	}
	if _, err := r.make(t.Context(), "REGISTRY="+r.registry, "DRY_RUN=1"); err == nil ||
		!strings.Contains(err.Error(), "is there already: remove it") {
		t.Errorf("the second run, without publishing: %v", err)
	}
}
