package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// at is the time of the commit that tests release.
var at = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

// built is an image as a builder makes it: each of layers is one, all at a time and by a builder of its own.
func built(t *testing.T, arch, by string, at time.Time, layers ...[]tar.Header) v1.Image {
	t.Helper()
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Architecture: arch, OS: "linux", Created: v1.Time{Time: at},
		DockerVersion: by, Config: v1.Config{User: "65532:65532", Hostname: by, Entrypoint: []string{"/rollcall"},
			Env:    []string{"PATH=/bin:/" + by, "TMPDIR=/tmp"},
			Labels: map[string]string{"org.opencontainers.image.version": "v1.0.0", "io.buildah.version": by}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, headers := range layers {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range headers {
			h.ModTime, h.Uname = at, by
			h.Size = int64(len(h.Linkname))
			text := h.Linkname // stands for what is in a file
			h.Linkname = ""
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			io.WriteString(w, text)
		}
		w.Close()
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(b.Bytes())), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: by}}); err != nil {
			t.Fatal(err)
		}
	}
	return image
}

// Two builders, at two times, with other layers in another order: the same image, which is what the Dockerfile says.
func TestSameContentSameImage(t *testing.T) {
	dir := tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}
	hosts := tar.Header{Name: "etc/certs", Typeflag: tar.TypeReg, Mode: 0o644, Linkname: "certificates"}
	program := tar.Header{Name: "rollcall", Typeflag: tar.TypeReg, Mode: 0o755, Linkname: "program"}
	old := program
	old.Linkname = "another program"
	tmp := tar.Header{Name: "tmp", Typeflag: tar.TypeDir, Mode: 0o755, Uid: 65532, Gid: 65532}
	images := []v1.Image{
		built(t, "arm64", "one", at.Add(time.Hour), []tar.Header{dir, hosts}, []tar.Header{tmp}, []tar.Header{program}),
		built(t, "arm64", "two", at.Add(2*time.Hour), []tar.Header{old, tmp}, []tar.Header{program, dir, hosts}),
	}
	var sums []string
	var first v1.Image
	for _, image := range images {
		c, err := read(image)
		if err != nil {
			t.Fatal(err)
		}
		again, err := c.image(at)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "image.tar")
		if _, err := writeIndex(path, []v1.Image{again}, "v1.0.0", at); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		sums = append(sums, string(sum[:]))
		first = again
	}
	if sums[0] != sums[1] {
		t.Error("two builds of the same content differ")
	}
	c, err := read(first)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range c.files {
		names = append(names, f.Name)
		if f.Name == "rollcall" && (string(f.data) != "program" || f.Mode != 0o755) {
			t.Errorf("the program is %q, mode %o", f.data, f.Mode)
		}
		if f.Name == "tmp/" && f.Uid != 65532 {
			t.Errorf("/tmp belongs to %d", f.Uid)
		}
	}
	if want := []string{"etc/", "etc/certs", "rollcall", "tmp/"}; !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
	if c.arch != "arm64" || c.config.User != "65532:65532" || !slices.Equal(c.config.Entrypoint, []string{"/rollcall"}) ||
		!slices.Equal(c.config.Env, []string{"TMPDIR=/tmp"}) || len(c.config.Labels) != 1 || c.config.Hostname != "" {
		t.Errorf("configuration %s %+v", c.arch, c.config)
	}
}

// A program that is not the one of this version is not released: here, the test itself.
func TestCheckProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	c := content{arch: "amd64", files: []file{{tar.Header{Name: "rollcall"}, data}, {tar.Header{Name: "text"}, []byte("text")}}}
	for program, want := range map[string]string{"rollcall": `has the version `, "demo": "has no /demo",
		"text": "/text: "} {
		if err := c.check(program, "amd64", "v1.0.0", "abc"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("/%s: %v, want %q", program, err, want)
		}
	}
}
