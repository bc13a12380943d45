package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/semver"
)

// checkVersion refuses what neither Go, nor Helm, nor a registry would take for the version of this program.
func checkVersion(version string) error {
	switch canonical := semver.Canonical(version); {
	case canonical == "" && semver.IsValid("v"+version):
		return fmt.Errorf("VERSION=%s: write VERSION=%s", version, semver.Canonical("v"+version))
	case canonical == "":
		return fmt.Errorf("VERSION=%s is no version: write one such as VERSION=v1.2.3 or VERSION=v1.3.0-rc.1", version)
	case canonical != version:
		return fmt.Errorf("VERSION=%s: write VERSION=%s, in full and with nothing after a plus sign", version, canonical)
	case semver.Major(version) != "v0" && semver.Major(version) != "v1":
		return fmt.Errorf("VERSION=%s: Go gives the module rollcall only versions of v0 and v1; from v2 on its path in "+
			"go.mod ends in /%s", version, semver.Major(version))
	}
	return nil
}

// commit is what a release is made from.
type commit struct {
	revision string
	time     time.Time
	notes    string
}

// look finds the commit, and says at once everything that is in the way of releasing it.
func look(ctx context.Context, c config) (commit, error) {
	var mistakes []error
	if _, err := findBuilder(c.builder); err != nil {
		mistakes = append(mistakes, err)
	}
	changed, err := git(ctx, c.source, "status", "--porcelain")
	if err != nil {
		return commit{}, err
	}
	if lines := strings.Split(changed, "\n"); changed != "" {
		mistakes = append(mistakes, fmt.Errorf("the tree has changes that are not committed: commit them, or put them away "+
			"with git stash -u\n\t%s", strings.Join(lines[:min(10, len(lines))], "\n\t")))
	}
	facts, err := git(ctx, c.source, "log", "-1", "--format=%H %ct")
	if err != nil {
		return commit{}, err
	}
	var found commit
	var seconds string
	found.revision, seconds, _ = strings.Cut(facts, " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return commit{}, fmt.Errorf("reading the commit's time: %w", err)
	}
	found.time = time.Unix(unix, 0).UTC()
	tagged, err := git(ctx, c.source, "rev-parse", "--quiet", "--verify", "refs/tags/"+c.version+"^{commit}")
	switch {
	case err != nil:
		mistakes = append(mistakes, fmt.Errorf("there is no tag %s: make it with git tag -a %s -m %s", c.version, c.version,
			c.version))
	case tagged != found.revision:
		mistakes = append(mistakes, fmt.Errorf("the tag %s is at %.12s, and HEAD is %.12s: check it out with git checkout %s",
			c.version, tagged, found.revision, c.version))
	}
	changelog, err := git(ctx, c.source, "show", "HEAD:CHANGELOG.md")
	if err == nil {
		found.notes, err = notes(changelog, c.version)
	}
	if err != nil {
		mistakes = append(mistakes, err)
	}
	return found, errors.Join(mistakes...)
}

// notes cuts a version's section out of a changelog: from below its heading, which is "## v1.2.3" or
// "## [1.2.3] - 2026-12-01", to the next heading of its kind.
func notes(changelog, version string) (string, error) {
	var section strings.Builder
	found := false
	for line := range strings.Lines(changelog) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			if found {
				break
			}
			name, _, _ := strings.Cut(strings.TrimSpace(title), " ")
			name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
			found = "v"+strings.TrimPrefix(name, "v") == version
			continue
		}
		if found {
			section.WriteString(line)
		}
	}
	text := strings.TrimSpace(section.String())
	switch {
	case !found:
		return "", fmt.Errorf("CHANGELOG.md has no section %q: rename \"## Unreleased\" to it, with the date after it, and "+
			"begin a new \"## Unreleased\" above it", "## "+version)
	case text == "":
		return "", fmt.Errorf("CHANGELOG.md says nothing in its section %q", "## "+version)
	}
	return text + "\n", nil
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := command(ctx, dir, nil, "git", args...)
	return strings.TrimRight(string(out), "\n"), err
}

// command runs a program and returns what it printed. What it says besides goes to our standard error at once.
func command(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // builders have things to clean up
	cmd.WaitDelay = 10 * time.Second
	// The variables of the make that started us are for it alone.
	cmd.Env = slices.DeleteFunc(append(os.Environ(), env...), func(kv string) bool {
		key, _, _ := strings.Cut(kv, "=")
		return key == "MAKEFLAGS" || key == "MFLAGS" || key == "MAKEOVERRIDES" || key == "MAKELEVEL"
	})
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return out.Bytes(), nil
}
