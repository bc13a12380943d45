package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3":         "",
		"v0.1.0":         "",
		"v1.3.0-rc.1":    "",
		"1.2.3":          "write VERSION=v1.2.3",
		"1.2":            "write VERSION=v1.2.0",
		"v1.2":           "write VERSION=v1.2.0",
		"v1.2.3+build.5": "write VERSION=v1.2.3, in full and with nothing after a plus sign",
		"v2.0.0":         "ends in /v2",
		"":               "is no version",
		"8a6f5b1-dirty":  "is no version",
		"v01.2.3":        "is no version",
		"v1.2.3/../..":   "is no version",
	} {
		err := checkVersion(version)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", version, err, want)
		}
	}
}

func TestNotes(t *testing.T) {
	changelog := "# Changelog\n\nWhat people need to know.\n\n## Unreleased\n\n- To come.\n\n" +
		"## v1.10.0 (2026-12-01)\n\n- New: `## not a heading`.\n\n### Fixed\n\n- A fault.\n\n" +
		"## [1.1.0] - 2026-11-01\n- Old.\n\n## v1.0.0\n\n## v1.0.0-rc.1\n\n- First.\n"
	for version, want := range map[string]string{
		"v1.10.0":     "- New: `## not a heading`.\n\n### Fixed\n\n- A fault.\n",
		"v1.1.0":      "- Old.\n",
		"v1.0.0-rc.1": "- First.\n",
	} {
		if got, err := notes(changelog, version); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", version, got, err, want)
		}
	}
	for version, want := range map[string]string{
		"v1.1.1": `no section "## v1.1.1": rename "## Unreleased"`,
		"v1.0.0": `says nothing in its section "## v1.0.0"`,
	} {
		if _, err := notes(changelog, version); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", version, err, want)
		}
	}
	// What is written today can be released under a version's name.
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := notes(strings.Replace(string(text), "## Unreleased", "## v0.1.0 - 2026-12-01", 1), "v0.1.0"); err != nil ||
		len(got) < 100 {
		t.Errorf("the notes of what is unreleased: %q, %v", got, err)
	}
}

// repository is a repository with one commit, and the files that are given.
func repository(t *testing.T, files map[string]string) (dir string, run func(args ...string)) {
	t.Helper()
	dir = t.TempDir()
	run = func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=A", "-c", "user.email=a@example.com"}, args...)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run("init", "-q")
	run("add", ".")
	run("commit", "-q", "-m", "one")
	return dir, run
}

// A release is refused for all reasons at once, and says what to do about each.
func TestLook(t *testing.T) {
	dir, git := repository(t, map[string]string{"CHANGELOG.md": "# Changelog\n\n## v1.0.0\n\n- First.\n"})
	builder := filepath.Join(t.TempDir(), "buildah")
	if err := os.WriteFile(builder, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := config{source: dir, version: "v1.0.0", builder: builder}
	refused := func(c config, want ...string) {
		t.Helper()
		_, err := look(t.Context(), c)
		if err == nil {
			t.Fatalf("not refused, want %q", want)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%v\ndoes not say %q", err, w)
			}
		}
	}
	refused(c, "there is no tag v1.0.0: make it with git tag -a v1.0.0")
	git("tag", "v1.0.0")
	if found, err := look(t.Context(), c); err != nil || len(found.revision) != 40 || found.time.IsZero() ||
		found.notes != "- First.\n" {
		t.Fatalf("%+v, %v", found, err)
	}
	other := c
	other.builder = ""
	refused(other, "install docker, podman or buildah")
	other.builder = filepath.Join(dir, "podman")
	refused(other, "podman: ", "name another")
	other.builder = "kaniko"
	refused(other, "BUILDER=kaniko: write docker, podman or buildah")
	other = c
	other.version = "v1.0.1"
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	refused(other, "not committed", "?? new", "there is no tag v1.0.1", `no section "## v1.0.1"`)
	git("add", ".")
	git("commit", "-q", "-m", "two")
	refused(c, "the tag v1.0.0 is at ", "git checkout v1.0.0")
	git("tag", "-f", "-a", "v1.0.0", "-m", "annotated")
	if _, err := look(t.Context(), c); err != nil {
		t.Error(err)
	}
}
