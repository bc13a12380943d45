// Command pack makes of manifests/chart what is released: a package of Helm, the same as an OCI image layout, and its
// copy in a registry, where one is named. The same commit and version make the same bytes.
//
//	go -C test/helm run ./pack -version v1.2.3 -out ../../bin [-registry registry.example.com/team]
//
// It prints the path of each file that it wrote, and what it pushed, one a line.
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/registry"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
)

func main() {
	var o options
	flag.StringVar(&o.chart, "chart", "../../manifests/chart", "the chart's folder")
	flag.StringVar(&o.version, "version", "", "the version of the image, which becomes the chart's")
	flag.StringVar(&o.image, "image", "", "where the image is, which becomes the default of image.repository")
	flag.StringVar(&o.out, "out", "", "the folder that the files go to")
	flag.StringVar(&o.registry, "registry", "", "push the chart into this registry and folder")
	flag.BoolVar(&o.plainHTTP, "plain-http", false, "speak HTTP with the registry")
	flag.Parse()
	slog.SetLogLoggerLevel(slog.LevelWarn) // Helm says of every link in the chart that it follows it
	if o.version == "" || o.out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	made, err := pack(context.Background(), o)
	for _, m := range made {
		fmt.Println(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

type options struct {
	chart, version, image, out, registry string
	plainHTTP                            bool
	// credentials is the file with the registry's, as helm registry login writes it; empty: Helm's own.
	credentials string
}

// pack returns what it made, also when it fails half-way.
func pack(ctx context.Context, o options) (made []string, err error) {
	when, err := committed(o.chart)
	if err != nil {
		return nil, err
	}
	c, err := load(o, when)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return nil, err
	}
	archive, err := util.Save(c, o.out)
	if err != nil {
		return nil, fmt.Errorf("packaging the chart: %w", err)
	}
	made = append(made, archive)
	data, err := os.ReadFile(archive)
	if err != nil {
		return made, err
	}
	layout := filepath.Join(o.out, fmt.Sprintf("rollcall-chart-%s.oci.tar", c.Metadata.Version))
	digest, err := writeLayout(ctx, layout, c.Metadata, data, when)
	if err != nil {
		return made, fmt.Errorf("writing %s: %w", layout, err)
	}
	made = append(made, layout)
	if o.registry == "" {
		return made, nil
	}
	ref, err := push(o, c.Metadata, data, when, digest)
	if err != nil {
		return made, fmt.Errorf("pushing the chart to %s: %w", o.registry, err)
	}
	return append(made, ref), nil
}

// committed is when the commit that is packaged was made, or SOURCE_DATE_EPOCH.
func committed(dir string) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		cmd := exec.Command("git", "-c", "safe.directory=*", "log", "-1", "--format=%ct")
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("asking git for the commit's time: %w; without git set SOURCE_DATE_EPOCH", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the commit's time: %w; SOURCE_DATE_EPOCH is in seconds since 1970", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// emptyRepository is the line of values.yaml that -image fills.
const emptyRepository = "\n  repository: \"\"\n"

// load reads the chart and gives it its versions.
func load(o options, when time.Time) (*chart.Chart, error) {
	c, err := loader.LoadDir(o.chart)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", o.chart, err)
	}
	if c.Metadata.Version, err = chartVersion(o.version); err != nil {
		return nil, err
	}
	c.Metadata.AppVersion = o.version
	// Git keeps no times of files.
	c.ModTime, c.SchemaModTime = when, when
	for _, f := range c.Templates {
		f.ModTime = when
	}
	for _, f := range c.Files {
		f.ModTime = when
	}
	for _, f := range c.Raw {
		f.ModTime = when
		if f.Name != util.ValuesfileName || o.image == "" {
			continue
		}
		if bytes.Count(f.Data, []byte(emptyRepository)) != 1 {
			return nil, errors.New("values.yaml has not one empty image.repository to fill")
		}
		f.Data = bytes.Replace(f.Data, []byte(emptyRepository),
			fmt.Appendf(nil, "\n  repository: %s\n", strconv.Quote(o.image)), 1)
		if c.Values, err = loader.LoadValues(bytes.NewReader(f.Data)); err != nil {
			return nil, err
		}
		if err := commonutil.ValidateAgainstSchema(c, c.Values); err != nil {
			return nil, fmt.Errorf("the image %q: %w", o.image, err)
		}
	}
	return c, nil
}

var untagged = regexp.MustCompile(`^[0-9a-f]{7,40}(-dirty)?$`)

// chartVersion is the version as Helm writes it: semantic, without a v. A commit without any tag has a version before
// all others.
func chartVersion(version string) (string, error) {
	if untagged.MatchString(version) {
		return "0.0.0-g" + version, nil // a g, because a number may not begin with 0
	}
	v, err := semver.StrictNewVersion(strings.TrimPrefix(version, "v"))
	if err != nil {
		return "", fmt.Errorf("%q is not a version: %w; write one such as v1.2.3", version, err)
	}
	if v.Metadata() != "" {
		return "", fmt.Errorf("%q holds a +, which no tag of an image may; write it without", version)
	}
	return v.String(), nil
}

// writeLayout writes the chart as an image layout of one manifest, as a tar file, and returns the manifest's digest.
func writeLayout(ctx context.Context, path string, meta *chart.Metadata, data []byte, when time.Time) (string, error) {
	dir, err := os.MkdirTemp("", "rollcall-chart-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	store, err := oci.NewWithContext(ctx, dir)
	if err != nil {
		return "", err
	}
	layer, err := oras.PushBytes(ctx, store, registry.ChartLayerMediaType, data)
	if err != nil {
		return "", err
	}
	config, err := json.Marshal(meta)
	if err != nil {
		return "", err
	}
	about, err := oras.PushBytes(ctx, store, registry.ConfigMediaType, config)
	if err != nil {
		return "", err
	}
	// The manifest is that of helm push, to the byte: whoever copies the layout has what push makes.
	text, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		Config:    about, Layers: []ocispec.Descriptor{layer},
		Annotations: map[string]string{
			ocispec.AnnotationTitle: meta.Name, ocispec.AnnotationVersion: meta.Version,
			ocispec.AnnotationDescription: meta.Description, ocispec.AnnotationCreated: when.Format(time.RFC3339),
		},
	})
	if err != nil {
		return "", err
	}
	manifest, err := oras.TagBytes(ctx, store, ocispec.MediaTypeImageManifest, text, meta.Version)
	if err != nil {
		return "", err
	}
	return manifest.Digest.String(), writeTar(path, os.DirFS(dir), when)
}

// writeTar writes a folder's files in the order of their names.
func writeTar(path string, files fs.FS, when time.Time) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	err = fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: when, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	return errors.Join(err, w.Close())
}

// push has Helm push the chart, and returns its address with its digest.
func push(o options, meta *chart.Metadata, data []byte, when time.Time, digest string) (string, error) {
	credentials := o.credentials
	if credentials == "" {
		credentials = cli.New().RegistryConfig
	}
	var said bytes.Buffer
	settings := []registry.ClientOption{registry.ClientOptCredentialsFile(credentials), registry.ClientOptWriter(&said)}
	if o.plainHTTP {
		settings = append(settings, registry.ClientOptPlainHTTP())
	}
	client, err := registry.NewClient(settings...)
	if err != nil {
		return "", err
	}
	to := strings.TrimSuffix(strings.TrimPrefix(o.registry, registry.OCIScheme+"://"), "/") + "/" + meta.Name
	result, err := client.Push(data, to+":"+meta.Version, registry.PushOptCreationTime(when.Format(time.RFC3339)))
	if err != nil {
		return "", err
	}
	if result.Manifest.Digest != digest {
		return "", fmt.Errorf("Helm pushed %s, and the layout holds %s: they were to be the same", result.Manifest.Digest,
			digest)
	}
	return fmt.Sprintf("%s://%s:%s@%s", registry.OCIScheme, to, meta.Version, digest), nil
}
