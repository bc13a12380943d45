// Command release makes a release of Rollcall and publishes it: images for both architectures, of the program and of
// the demo, the Helm chart, programs with their licences, bills of materials, checksums and notes.
//
//	make release VERSION=v1.2.3 REGISTRY=registry.example.com/team
//
// It works in two steps, each of which can be run again. First everything is made from a clone of the commit, in a
// folder that gets its name once it is complete. Then what is in that folder is published: first the contents, by
// digest, which nobody finds; at the end the tags. The builder builds the Dockerfile, and does nothing else: it never
// sees the registry.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	var c config
	var options string
	flag.StringVar(&c.source, "source", "..", "the repository")
	flag.StringVar(&c.out, "out", "../bin/release", "the folder of releases")
	flag.StringVar(&c.version, "version", "", "the version, which is a tag at HEAD: v1.2.3")
	flag.StringVar(&c.registry, "registry", "", "where to publish, such as registry.example.com/team; empty: nowhere")
	flag.StringVar(&c.charts, "charts", "", "where the chart is published; empty: in charts/ of the registry")
	flag.BoolVar(&c.dryRun, "dry-run", false, "make everything, publish nothing")
	flag.StringVar(&c.builder, "builder", "", "docker, podman or buildah")
	flag.StringVar(&options, "build", "", "further options of the builder's build")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	c.options = strings.Fields(options)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, c, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// config says what to release, and where.
type config struct {
	source, out      string
	version          string
	registry, charts string
	dryRun           bool
	builder          string
	options          []string
}

func (c config) publishes() bool { return c.registry != "" && !c.dryRun }

// folder is where the release's files are, once all of them are made.
func (c config) folder() string { return filepath.Join(c.out, c.version) }

// repository is where an artefact is published; without a registry, its name.
func (c config) repository(name string) string {
	if name == chartName {
		if c.charts != "" {
			return c.charts + "/" + programName
		}
		return path.Join(c.registry, "charts", programName)
	}
	return path.Join(c.registry, name)
}

// The artefacts of a release, by the names of their files.
const (
	programName = "rollcall"
	demoName    = "rollcall-demo"
	chartName   = "rollcall-chart"
)

func run(ctx context.Context, c config, out io.Writer) error {
	if err := checkVersion(c.version); err != nil {
		return err
	}
	commit, err := look(ctx, c)
	if err != nil {
		return err
	}
	if c.publishes() {
		if err := notPublished(ctx, c); err != nil {
			return err
		}
	}
	_, err = os.Stat(c.folder())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := makeAll(ctx, c, commit); err != nil {
			return err
		}
	case err != nil:
		return err
	case !c.publishes():
		return fmt.Errorf("%s is there already: remove it to make %s again, or name the REGISTRY to publish it", c.folder(),
			c.version)
	default:
		fmt.Fprintf(out, "%s was made before: it is published as it is\n", c.folder())
	}
	r, err := readRelease(c, commit)
	if err != nil {
		return err
	}
	if !c.publishes() {
		fmt.Fprintf(out, "%s is made, and not published: %s\n", c.version, c.folder())
		return nil
	}
	if err := publish(ctx, c, r, out); err != nil {
		return fmt.Errorf("%w\nrun it again: what is made is kept, and what is published is not done twice", err)
	}
	fmt.Fprintf(out, "%s is published; the files for its page: %s\n", c.version, c.folder())
	return nil
}
