package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// architectures are those that images and programs are made for.
var architectures = []string{"amd64", "arm64"}

// builder is a program that builds a Dockerfile.
type builder struct {
	path string
	kind string // docker, podman or buildah
}

func findBuilder(name string) (builder, error) {
	if name == "" {
		return builder{}, errors.New("there is nothing to build images with: install docker, podman or buildah")
	}
	b := builder{path: name, kind: filepath.Base(name)}
	if b.kind != "docker" && b.kind != "podman" && b.kind != "buildah" {
		return b, fmt.Errorf("BUILDER=%s: write docker, podman or buildah, or the path of one", name)
	}
	if _, err := exec.LookPath(name); err != nil {
		return b, fmt.Errorf("BUILDER=%s: %w; install it, or name another with BUILDER=docker, podman or buildah", name, err)
	}
	return b, nil
}

// build builds a target of the Dockerfile, and returns the image as the builder saved it in file.
func (b builder) build(ctx context.Context, c config, commit commit, source, target, arch, file string) (v1.Image,
	error) {
	name := "localhost/rollcall-release:" + target + "-" + arch
	args := []string{"build", "--platform", "linux/" + arch, "--target", target, "--build-arg", "VERSION=" + c.version,
		"--build-arg", "REVISION=" + commit.revision, "-t", name}
	var save []string
	switch b.kind {
	case "docker":
		args = append(args, "--load") // a builder in a container would keep it
		save = []string{"save", "-o", file, name}
	case "podman":
		save = []string{"save", "--quiet", "--format", "docker-archive", "-o", file, name}
	case "buildah":
		save = []string{"push", "--quiet", name, "docker-archive:" + file}
	}
	args = append(append(args, c.options...), source)
	// What docker would attach to an image says when and where it was built.
	out, err := command(ctx, "", []string{"BUILDX_NO_DEFAULT_ATTESTATIONS=1"}, b.path, args...)
	if err != nil {
		os.Stderr.Write(out) // buildah prints there what failed
		return nil, err
	}
	if _, err := command(ctx, "", nil, b.path, save...); err != nil {
		return nil, err
	}
	if _, err := command(ctx, "", nil, b.path, "rmi", name); err != nil {
		return nil, err
	}
	return tarball.ImageFromPath(file, nil)
}

// makeAll makes the release's folder. It gets its name at the end, so that it is complete or not there.
func makeAll(ctx context.Context, c config, commit commit) error {
	b, err := findBuilder(c.builder)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(c.out, "."+c.version+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if work, err = filepath.Abs(work); err != nil {
		return err
	}
	source, files := filepath.Join(work, "source"), filepath.Join(work, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return err
	}
	// A clone has what is committed, and nothing else.
	if _, err := git(ctx, c.source, "-c", "advice.detachedHead=false", "clone", "--quiet", "--branch", c.version, ".",
		source); err != nil {
		return err
	}
	r := release{Version: c.version, Revision: commit.revision}
	for _, i := range []struct{ name, target, program string }{
		{programName, "rollcall", "rollcall"}, {demoName, "demo", "demo"},
	} {
		var images []v1.Image
		for _, arch := range architectures {
			built, err := b.build(ctx, c, commit, source, i.target, arch, filepath.Join(work, i.target+"-"+arch+".tar"))
			if err != nil {
				return fmt.Errorf("building the image %s for %s: %w", i.name, arch, err)
			}
			content, err := read(built)
			if err != nil {
				return fmt.Errorf("reading the image %s for %s: %w", i.name, arch, err)
			}
			if err := content.check(i.program, arch, c.version, commit.revision); err != nil {
				return fmt.Errorf("the image %s for %s: %w", i.name, arch, err)
			}
			image, err := content.image(commit.time)
			if err != nil {
				return err
			}
			images = append(images, image)
			if i.name == programName {
				stem := fmt.Sprintf("%s-%s-linux-%s", programName, c.version, arch)
				if err := content.writeProgram(files, stem, commit.time); err != nil {
					return err
				}
			}
		}
		a := artefact{Name: i.name, Repository: c.repository(i.name), Tag: c.version,
			File: i.name + "-" + c.version + ".oci.tar"}
		if a.Digest, err = writeIndex(filepath.Join(files, a.File), images, c.version, commit.time); err != nil {
			return err
		}
		r.Artefacts = append(r.Artefacts, a)
	}
	chart, err := makeChart(ctx, c, source, files)
	if err != nil {
		return fmt.Errorf("making the chart: %w", err)
	}
	r.Artefacts = append(r.Artefacts, chart)
	if err := os.WriteFile(filepath.Join(files, notesFile), []byte(commit.notes), 0o644); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(files, releaseFile), append(text, '\n'), 0o644); err != nil {
		return err
	}
	if err := writeSums(files); err != nil {
		return err
	}
	return os.Rename(files, c.folder())
}

// makeChart has the chart made by `make chart`, which prints the files that it wrote: the package, and the same as an
// OCI image layout. The image that it installs is the one of this release.
func makeChart(ctx context.Context, c config, source, files string) (artefact, error) {
	// Whatever the environment says: here it is only made.
	args := []string{"--no-print-directory", "-C", source, "chart", "VERSION=" + c.version, "CHART_REGISTRY=",
		"CHART_IMAGE="}
	if c.registry != "" {
		args[len(args)-1] += c.repository(programName)
	}
	printed, err := command(ctx, "", nil, "make", args...)
	if err != nil {
		return artefact{}, err
	}
	a := artefact{Name: chartName, Repository: c.repository(chartName), Tag: strings.TrimPrefix(c.version, "v")}
	packaged := false
	for line := range strings.Lines(string(printed)) {
		file := strings.TrimSpace(line)
		layout := strings.HasSuffix(file, ".oci.tar")
		if !layout && !strings.HasSuffix(file, ".tgz") {
			continue
		}
		if !filepath.IsAbs(file) {
			file = filepath.Join(source, file)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return artefact{}, err
		}
		if err := os.WriteFile(filepath.Join(files, filepath.Base(file)), content, 0o644); err != nil {
			return artefact{}, err
		}
		if layout {
			a.File = filepath.Base(file)
		} else {
			packaged = true
		}
	}
	if a.File == "" || !packaged {
		return artefact{}, fmt.Errorf("make chart names no .tgz, or no .oci.tar, among the files that it wrote:\n%s", printed)
	}
	l, err := openLayout(filepath.Join(files, a.File))
	if err != nil {
		return artefact{}, err
	}
	defer l.close()
	a.Digest = l.digest.String()
	return a, nil
}
