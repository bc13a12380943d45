package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files of a release's folder, beside the programs and the artefacts.
const (
	notesFile   = "NOTES.md"
	releaseFile = "release.json"
	sumsFile    = "SHA256SUMS"
)

// release says what is in a release's folder, and where it belongs.
type release struct {
	Version   string     `json:"version"`
	Revision  string     `json:"revision"`
	Artefacts []artefact `json:"artefacts"` // in the order in which they are tagged
}

// artefact is what is published under a tag.
type artefact struct {
	Name       string `json:"name"`
	Repository string `json:"repository"`
	Tag        string `json:"tag"`
	Digest     string `json:"digest"`
	File       string `json:"file"` // an OCI image layout in a tar
}

// readRelease reads a release's folder, and refuses one that is damaged or that belongs to another commit or registry.
func readRelease(c config, commit commit) (release, error) {
	var r release
	again := fmt.Sprintf("remove %s, and it is made again", c.folder())
	if err := checkSums(c.folder()); err != nil {
		return r, fmt.Errorf("%w: %s", err, again)
	}
	text, err := os.ReadFile(filepath.Join(c.folder(), releaseFile))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s: %w: %s", releaseFile, err, again)
	}
	if r.Version != c.version || r.Revision != commit.revision {
		return r, fmt.Errorf("%s was made of %s at %.12s, not of %s at %.12s: %s", c.folder(), r.Version, r.Revision,
			c.version, commit.revision, again)
	}
	for _, a := range r.Artefacts {
		if want := c.repository(a.Name); a.Repository != want {
			return r, fmt.Errorf("%s was made for %s, not for %s: %s", c.folder(), a.Repository, want, again)
		}
	}
	return r, nil
}

// sums are the checksums of a folder's files, as sha256sum -c reads them.
func sums(folder string) ([]byte, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, e := range entries { // sorted by name
		if e.Name() == sumsFile {
			continue
		}
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return b.Bytes(), nil
}

func writeSums(folder string) error {
	text, err := sums(folder)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, sumsFile), text, 0o644)
}

// checkSums refuses a folder in which a file is missing, changed, or too many.
func checkSums(folder string) error {
	want, err := os.ReadFile(filepath.Join(folder, sumsFile))
	if err != nil {
		return err
	}
	got, err := sums(folder)
	if err != nil {
		return err
	}
	wanted := strings.Split(string(want), "\n")
	for line := range strings.Lines(string(got)) {
		i := slices.Index(wanted, strings.TrimSuffix(line, "\n"))
		if i < 0 {
			_, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			return fmt.Errorf("%s is not as %s says", filepath.Join(folder, name), sumsFile)
		}
		wanted = slices.Delete(wanted, i, i+1)
	}
	if rest := strings.TrimSpace(strings.Join(wanted, "\n")); rest != "" {
		_, name, _ := strings.Cut(rest, "  ")
		return fmt.Errorf("%s is missing", filepath.Join(folder, name))
	}
	return nil
}
