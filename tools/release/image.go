package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// content is what an image is, without what its builder put there of itself: times, history, the cut into layers.
type content struct {
	arch   string
	config v1.Config
	files  []file // sorted by name
}

type file struct {
	tar.Header
	data []byte
}

// read reads an image.
func read(img v1.Image) (content, error) {
	description, err := img.ConfigFile()
	if err != nil {
		return content{}, err
	}
	built := description.Config
	c := content{arch: description.Architecture, config: v1.Config{User: built.User, ExposedPorts: built.ExposedPorts,
		Env: built.Env, Entrypoint: built.Entrypoint, Cmd: built.Cmd, Volumes: built.Volumes, WorkingDir: built.WorkingDir,
		Labels: maps.Clone(built.Labels)}}
	// Nothing in these images is looked up in a PATH; some builders set one all the same.
	c.config.Env = slices.DeleteFunc(slices.Clone(built.Env),
		func(kv string) bool { return strings.HasPrefix(kv, "PATH=") })
	delete(c.config.Labels, "io.buildah.version")
	flat := mutate.Extract(img)
	defer flat.Close()
	for r := tar.NewReader(flat); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return content{}, err
		}
		if h.Name == "." {
			continue
		}
		f := file{Header: tar.Header{Name: h.Name, Typeflag: h.Typeflag, Linkname: h.Linkname, Mode: h.Mode & 0o7777,
			Uid: h.Uid, Gid: h.Gid, Size: h.Size}}
		if h.Typeflag == tar.TypeDir {
			f.Name += "/"
		}
		if f.data, err = io.ReadAll(r); err != nil {
			return content{}, err
		}
		c.files = append(c.files, f)
	}
	slices.SortFunc(c.files, func(a, b file) int { return cmp.Compare(a.Name, b.Name) })
	return c, nil
}

// check refuses an image whose program is not the one of this version and commit.
func (c content) check(program, arch, version, revision string) error {
	i := slices.IndexFunc(c.files, func(f file) bool { return f.Name == program })
	if i < 0 {
		return fmt.Errorf("it has no /%s", program)
	}
	info, err := buildinfo.Read(bytes.NewReader(c.files[i].data))
	if err != nil {
		return fmt.Errorf("/%s: %w", program, err)
	}
	is := map[string]string{"version": info.Main.Version, "image": c.arch}
	for _, s := range info.Settings {
		is[s.Key] = s.Value
	}
	for _, want := range [][2]string{{"version", version}, {"vcs.revision", revision}, {"vcs.modified", "false"},
		{"GOOS", "linux"}, {"GOARCH", arch}, {"image", arch}} {
		if got := is[want[0]]; got != want[1] {
			return fmt.Errorf("its program has the %s %q, not %q", want[0], got, want[1])
		}
	}
	return nil
}

// image makes the image anew, in one layer with all times those of the commit: the same content gives the same bytes.
func (c content) image(at time.Time) (v1.Image, error) {
	var b bytes.Buffer
	if err := writeTar(&b, c.files, at); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	layer, err := tarball.LayerFromOpener(open,
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.DefaultCompression),
		tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: at}
	described, err := mutate.ConfigFile(base, &v1.ConfigFile{Architecture: c.arch, OS: "linux", Created: created,
		Config: c.config, RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		return nil, err
	}
	return mutate.Append(described, mutate.Addendum{Layer: layer,
		History: v1.History{Created: created, CreatedBy: "make release"}})
}

// writeProgram writes the program for people without containers: in an archive with its licences and its bill of
// materials, and the bill beside it.
func (c content) writeProgram(folder, stem string, at time.Time) error {
	var packed []file
	for _, f := range c.files {
		if f.Name == programName || f.Name == billName || strings.HasPrefix(f.Name, "licences/") {
			if f.Name == billName {
				if err := os.WriteFile(filepath.Join(folder, stem+".cdx.json"), f.data, 0o644); err != nil {
					return err
				}
			}
			f.Name = stem + "/" + f.Name
			packed = append(packed, f)
		}
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := errors.Join(writeTar(z, packed, at), z.Close()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, stem+".tar.gz"), b.Bytes(), 0o644)
}

// billName is the bill of materials in an image.
const billName = "sbom.cdx.json"

func writeTar(w io.Writer, files []file, at time.Time) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		h := f.Header
		h.ModTime = at
		if err := t.WriteHeader(&h); err != nil {
			return err
		}
		if _, err := t.Write(f.data); err != nil {
			return err
		}
	}
	return t.Close()
}

// writeIndex writes the images of all architectures as one, as an OCI image layout in a tar.
func writeIndex(path string, images []v1.Image, tag string, at time.Time) (digest string, err error) {
	var index v1.ImageIndex = empty.Index
	for _, image := range images {
		description, err := image.ConfigFile()
		if err != nil {
			return "", err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: description.OS, Architecture: description.Architecture}}})
	}
	dir, err := os.MkdirTemp("", "rollcall-release-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return "", err
	}
	if err := l.AppendIndex(index, layout.WithAnnotations(map[string]string{refName: tag})); err != nil {
		return "", err
	}
	var files []file
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files = append(files, file{tar.Header{Name: filepath.ToSlash(name), Typeflag: tar.TypeReg, Mode: 0o644,
			Size: int64(len(data))}, data})
		return nil
	})
	if err != nil {
		return "", err
	}
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	if err := errors.Join(writeTar(f, files, at), f.Close()); err != nil {
		return "", err
	}
	hash, err := index.Digest()
	return hash.String(), err
}

// refName is the annotation of a layout that holds the tag.
const refName = "org.opencontainers.image.ref.name"

// opened is an OCI image layout that holds one thing.
type opened struct {
	dir    string
	digest v1.Hash
	thing  interface { // an index of images, or a single one
		RawManifest() ([]byte, error)
		MediaType() (types.MediaType, error)
	}
}

func (o opened) close() { os.RemoveAll(o.dir) }

// openLayout opens an OCI image layout in a tar.
func openLayout(path string) (o opened, err error) {
	if o.dir, err = os.MkdirTemp("", "rollcall-release-"); err != nil {
		return o, err
	}
	defer func() {
		if err != nil {
			o.close()
			err = fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}()
	f, err := os.Open(path)
	if err != nil {
		return o, err
	}
	defer f.Close()
	root, err := os.OpenRoot(o.dir)
	if err != nil {
		return o, err
	}
	defer root.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return o, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return o, err
		}
		name := filepath.FromSlash(h.Name)
		if err := errors.Join(root.MkdirAll(filepath.Dir(name), 0o755), root.WriteFile(name, data, 0o644)); err != nil {
			return o, err
		}
	}
	index, err := layout.ImageIndexFromPath(o.dir)
	if err != nil {
		return o, err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return o, err
	}
	if n := len(manifest.Manifests); n != 1 {
		return o, fmt.Errorf("it holds %d images, not one", n)
	}
	d := manifest.Manifests[0]
	o.digest = d.Digest
	if d.MediaType.IsIndex() {
		o.thing, err = index.ImageIndex(d.Digest)
	} else {
		o.thing, err = index.Image(d.Digest)
	}
	return o, err
}
