package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	containers "github.com/google/go-containerregistry/pkg/registry"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/registry"
	"oras.land/oras-go/v2/content/oci"
)

const folder = "../../../manifests/chart"

func packed(t *testing.T, o options) (archive, layout string, rest []string) {
	t.Helper()
	if o.chart == "" {
		o.chart = folder
	}
	o.out = t.TempDir()
	made, err := pack(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(made) < 2 {
		t.Fatalf("it made %q", made)
	}
	return made[0], made[1], made[2:]
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The package is a chart of the version asked for, with all that the folder has.
func TestPackage(t *testing.T) {
	archive, layout, rest := packed(t, options{version: "v1.2.3", image: "registry.example.com/rollcall"})
	if filepath.Base(archive) != "rollcall-1.2.3.tgz" || filepath.Base(layout) != "rollcall-chart-1.2.3.oci.tar" ||
		len(rest) > 0 {
		t.Errorf("it made %s, %s, %q", archive, layout, rest)
	}
	c, err := loader.LoadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	if c.Metadata.Version != "1.2.3" || c.Metadata.AppVersion != "v1.2.3" || c.Metadata.Name != "rollcall" {
		t.Errorf("it is %+v", c.Metadata)
	}
	if image := c.Values["image"].(map[string]any); image["repository"] != "registry.example.com/rollcall" {
		t.Errorf("the image is %v", image)
	}
	source, err := loader.LoadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Raw) != len(source.Raw) || len(c.Raw) < 15 || len(c.Schema) == 0 {
		t.Errorf("it has %d files, the folder %d", len(c.Raw), len(source.Raw))
	}
	for i, f := range c.Templates {
		if !bytes.Equal(f.Data, source.Templates[i].Data) {
			t.Errorf("%s differs from the folder's", f.Name)
		}
	}
}

// The same commit and version make the same bytes, wherever and whenever the clone was made.
func TestSameBytes(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	clone := filepath.Join(t.TempDir(), "chart")
	if err := copyChart(clone); err != nil {
		t.Fatal(err)
	}
	a, b, _ := packed(t, options{version: "v1.2.3"})
	c, d, _ := packed(t, options{version: "v1.2.3", chart: clone})
	if !bytes.Equal(read(t, a), read(t, c)) {
		t.Error("the package differs")
	}
	if !bytes.Equal(read(t, b), read(t, d)) {
		t.Error("the layout differs")
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1700000001")
	e, _, _ := packed(t, options{version: "v1.2.3"})
	if bytes.Equal(read(t, a), read(t, e)) {
		t.Error("the time of the commit makes no difference: nothing was compared")
	}
}

// copyChart copies the chart, and what its links lead to.
func copyChart(to string) error {
	return filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		path = filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, data, 0o600)
	})
}

// hub is a registry in memory.
func hub(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(containers.New(containers.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// What was pushed is pulled by Helm's own client, and is the package.
func TestPush(t *testing.T) {
	host := hub(t)
	archive, layout, rest := packed(t, options{version: "v1.2.3-rc.1", registry: "oci://" + host + "/team/",
		plainHTTP: true, credentials: filepath.Join(t.TempDir(), "none.json")})
	manifest := indexed(t, layout)
	want := "oci://" + host + "/team/rollcall:1.2.3-rc.1@" + manifest.Digest.String()
	if len(rest) != 1 || rest[0] != want {
		t.Errorf("it pushed %q, want %s", rest, want)
	}
	client, err := registry.NewClient(registry.ClientOptPlainHTTP(),
		registry.ClientOptCredentialsFile(filepath.Join(t.TempDir(), "none.json")))
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := client.Pull(host + "/team/rollcall:1.2.3-rc.1")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pulled.Chart.Data, read(t, archive)) || pulled.Chart.Meta.AppVersion != "v1.2.3-rc.1" ||
		pulled.Manifest.Digest != manifest.Digest.String() {
		t.Errorf("what is pulled is %s of %+v", pulled.Manifest.Digest, pulled.Chart.Meta)
	}
}

// indexed reads the layout as any client of OCI does, and returns the descriptor of its only manifest.
func indexed(t *testing.T, layout string) ocispec.Descriptor {
	t.Helper()
	store, err := oci.NewFromTar(t.Context(), layout)
	if err != nil {
		t.Fatal(err)
	}
	var tags []string
	err = store.Tags(t.Context(), "", func(all []string) error { tags = append(tags, all...); return nil })
	if err != nil || len(tags) != 1 {
		t.Fatalf("the layout has the tags %q, %v", tags, err)
	}
	found, err := store.Resolve(t.Context(), tags[0])
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLayout(t *testing.T) {
	archive, layout, _ := packed(t, options{version: "v1.2.3"})
	found := indexed(t, layout)
	store, err := oci.NewFromTar(t.Context(), layout)
	if err != nil {
		t.Fatal(err)
	}
	text := fetch(t, store, found)
	var manifest ocispec.Manifest
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Config.MediaType != registry.ConfigMediaType || len(manifest.Layers) != 1 ||
		manifest.Layers[0].MediaType != registry.ChartLayerMediaType ||
		manifest.Annotations[ocispec.AnnotationVersion] != "1.2.3" {
		t.Errorf("the manifest is %s", text)
	}
	if !bytes.Equal(fetch(t, store, manifest.Layers[0]), read(t, archive)) {
		t.Error("the layer is not the package")
	}
	// Nothing else is in it, and each blob is what its name says.
	for r := tar.NewReader(bytes.NewReader(read(t, layout))); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, r); err != nil {
			t.Fatal(err)
		}
		name, blob := strings.CutPrefix(h.Name, "blobs/sha256/")
		if blob && name != fmt.Sprintf("%x", sum.Sum(nil)) || !blob && name != "index.json" && name != "oci-layout" {
			t.Errorf("there is a file %s", h.Name)
		}
	}
}

func fetch(t *testing.T, store *oci.ReadOnlyStore, d ocispec.Descriptor) []byte {
	t.Helper()
	blob, err := store.Fetch(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	data, err := io.ReadAll(blob)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A registry that refuses is an error that names it, and what was made is there all the same.
func TestPushRefused(t *testing.T) {
	server := httptest.NewServer(nil)
	host := strings.TrimPrefix(server.URL, "http://")
	server.Close()
	made, err := pack(context.Background(), options{chart: folder, version: "v1.2.3", out: t.TempDir(), registry: host,
		plainHTTP: true, credentials: filepath.Join(t.TempDir(), "none.json")})
	if err == nil || !strings.Contains(err.Error(), host) || len(made) != 2 {
		t.Errorf("it made %q: %v", made, err)
	}
}

func TestVersions(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2.3": "1.2.3", "v1.2.3-rc.1": "1.2.3-rc.1", "v1.2.3-4-g8a6f5b1": "1.2.3-4-g8a6f5b1",
		"v1.2.3-4-g8a6f5b1-dirty": "1.2.3-4-g8a6f5b1-dirty", "8a6f5b1": "0.0.0-g8a6f5b1", "0123456": "0.0.0-g0123456",
		"8a6f5b1-dirty": "0.0.0-g8a6f5b1-dirty", "v1.2": "", "v1.2.3+build.7": "", "latest": "", "v1.2.3/4": "",
	} {
		if got, err := chartVersion(version); got != want || (err == nil) != (want != "") ||
			err != nil && !strings.Contains(err.Error(), version) {
			t.Errorf("%s: %q, %v; want %q", version, got, err, want)
		}
	}
}

func TestWrongImage(t *testing.T) {
	_, err := pack(t.Context(), options{chart: folder, version: "v1.2.3", out: t.TempDir(), image: "registry.example.com/a:v1"})
	if err == nil || !strings.Contains(err.Error(), "registry.example.com/a:v1") {
		t.Errorf("an image with a tag: %v", err)
	}
}
