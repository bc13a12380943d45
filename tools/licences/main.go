// Command licences writes what an image must carry beside the program: the licences of all that is
// linked into it, and its bill of materials as CycloneDX. Both are read off the program itself, so
// they cannot differ from it, and the same program gives the same files.
//
//	go -C tools run ./licences -binary ../bin/rollcall -out ../bin
//
// It refuses a program with a module whose licence is missing, unknown, or not permissive.
package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licensecheck"
)

func main() {
	binary := flag.String("binary", "", "the program, built from the source")
	source := flag.String("source", "..", "the folder of the program's module")
	out := flag.String("out", "", "where licences/ and sbom.cdx.json go")
	flag.Parse()
	if *binary == "" || *out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*binary, *source, *out); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(binary, source, out string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	all, err := licences(info, source)
	if err != nil {
		return err
	}
	if err := writeLicences(all, filepath.Join(out, "licences")); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(out, "sbom.cdx.json"))
	if err != nil {
		return err
	}
	return errors.Join(cyclonedx.NewBOMEncoder(f, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bill(info, all)),
		f.Close())
}

// licence is what a module may be used under.
type licence struct {
	module, version string
	registry        string   // where it is published, as package URLs name it: golang or npm
	ids             []string // SPDX identifiers, sorted
	files           []file
}

type file struct {
	name string // relative to the module's folder, with slashes
	text []byte
}

// stdlib stands for Go's standard library and runtime.
const stdlib = "std"

// permissive are the licences that Rollcall may be passed on under. Another one is for a person to
// decide about.
var permissive = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "CC0-1.0", "FTL",
	"ISC", "MIT", "MIT-0", "Unlicense", "blessing"}

// chosen names the file of the licence that is taken where a module offers several.
var chosen = map[string]string{"github.com/golang/freetype": "licenses/ftl.txt"}

// vendored are works of others that a package of ours carries in its folder.
var vendored = []struct{ pkg, folder, name, version, registry string }{
	{"internal/slackemu/page", "assets/lit-html", "lit-html", "3.3.3", "npm"},
}

// licences finds the licences of every module that info says is linked: its files in the folders of
// the linked packages and in those above, since a part may have terms of its own.
func licences(info *debug.BuildInfo, source string) ([]licence, error) {
	folders, err := linked(info, source)
	if err != nil {
		return nil, err
	}
	goroot, err := goTool(source, nil, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	folders[stdlib] = []string{strings.TrimSpace(goroot)}
	modules := []*debug.Module{&info.Main, {Path: stdlib, Version: strings.TrimPrefix(info.GoVersion, "go")}}
	modules = append(modules, info.Deps...)
	var all []licence
	var mistakes []error
	for _, m := range modules {
		l := licence{module: m.Path, version: m.Version, registry: "golang"}
		if m.Replace != nil {
			l.version = m.Replace.Version
		}
		if len(folders[m.Path]) == 0 {
			return nil, fmt.Errorf(
				"%s: linked into the program, but no package of it is found in the source: they do not belong together", m.Path)
		}
		root := folders[m.Path][0]
		if l.files, err = licenceFiles(root, folders[m.Path]); err != nil {
			return nil, err
		}
		if name := chosen[m.Path]; name != "" {
			text, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				return nil, err
			}
			l.files = append(l.files, file{name, text})
		}
		if l.ids, err = identify(l); err != nil {
			mistakes = append(mistakes, err)
		}
		all = append(all, l)
	}
	own := folders[info.Main.Path]
	for _, v := range vendored {
		if pkg := filepath.Join(own[0], v.pkg); slices.Contains(own[1:], pkg) {
			l := licence{module: v.name, version: v.version, registry: v.registry}
			folder := filepath.Join(pkg, v.folder)
			if l.files, err = licenceFiles(folder, []string{folder}); err != nil {
				return nil, err
			}
			if l.ids, err = identify(l); err != nil {
				mistakes = append(mistakes, err)
			}
			all = append(all, l)
		}
	}
	return all, errors.Join(mistakes...)
}

// linked returns, for each module, its folder and those of its packages that are part of the program.
func linked(info *debug.BuildInfo, source string) (map[string][]string, error) {
	var env []string
	for _, s := range info.Settings {
		if s.Key == "GOOS" || s.Key == "GOARCH" || s.Key == "CGO_ENABLED" {
			env = append(env, s.Key+"="+s.Value)
		}
	}
	packages, err := goTool(source, env, "list", "-deps", "-f", "{{with .Module}}{{.Path}}\t{{.Dir}}{{end}}\t{{.Dir}}",
		info.Path)
	if err != nil {
		return nil, err
	}
	folders := map[string][]string{}
	for line := range strings.Lines(packages) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 {
			continue // of the standard library
		}
		if folders[f[0]] == nil {
			folders[f[0]] = []string{f[1]}
		}
		folders[f[0]] = append(folders[f[0]], f[2])
	}
	return folders, nil
}

func goTool(dir string, env []string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out), nil
}

// isLicence says whether a file's name is one that licences and notices have.
func isLicence(name string) bool {
	stem, _, _ := strings.Cut(strings.ToUpper(name), ".")
	stem, _, _ = strings.Cut(stem, "-")
	return slices.Contains([]string{"LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "PATENTS", "UNLICENSE"},
		stem) && filepath.Ext(name) != ".go"
}

// licenceFiles reads the licences and notices in folders and in those above them, up to root.
func licenceFiles(root string, folders []string) (files []file, err error) {
	seen := map[string]bool{}
	for _, folder := range folders {
		for ; !seen[folder]; folder = filepath.Dir(folder) {
			seen[folder] = true
			entries, err := os.ReadDir(folder)
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				if e.IsDir() || !isLicence(e.Name()) {
					continue
				}
				text, err := os.ReadFile(filepath.Join(folder, e.Name()))
				if err != nil {
					return nil, err
				}
				name, err := filepath.Rel(root, filepath.Join(folder, e.Name()))
				if err != nil {
					return nil, err
				}
				files = append(files, file{filepath.ToSlash(name), text})
			}
			if folder == root {
				break
			}
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return files, nil
}

// reviewed are files that a person has read because the words are not those of known licences alone:
// what they amount to, by the SHA-256 of their text, so that a changed text is read again.
var reviewed = map[string][]string{
	// modernc.org/libc: the licences of musl's and others' code, one after the other.
	"f597097efe3d97021f89170746bd3a0fb9a8b6fb26b82043ed68a4e0283bee6c": {"BSD-2-Clause", "BSD-3-Clause", "MIT"},
	// modernc.org/memory: where its logo comes from, which is not linked.
	"5ae5bee3072a841376451b48d8cfcec7188e10543926d5870828d36c8a750dc5": nil,
	// modernc.org/sqlite: tables of what is linked (section 1), tested with and near it, and their texts.
	"b4366b9c27a9364633e015011a231913ed19bf1228f335bf617e50a6f7b168a6": {"BSD-3-Clause", "MIT", "blessing"},
	// modernc.org/sqlite: SQLite itself is in the public domain.
	"8438c9c89b849131ead81d5435cb97fcf052df5b0b286dda8a2d4c29e6cb3fd0": {"blessing"},
}

// enough is the part of a licence's file, in percent, that has to be the words of known licences.
const enough = 75

// identify returns the SPDX identifiers of a module's licences. Notices and patent grants are
// passed on, but need not be known.
func identify(l licence) (ids []string, err error) {
	for _, f := range l.files {
		base := strings.ToUpper(filepath.Base(f.name))
		if strings.HasPrefix(base, "NOTICE") || strings.HasPrefix(base, "PATENTS") {
			continue
		}
		if name := chosen[l.module]; name != "" && f.name != name {
			continue
		}
		hash := fmt.Sprintf("%x", sha256.Sum256(f.text))
		if known, ok := reviewed[hash]; ok {
			ids = append(ids, known...)
			continue
		}
		found := licensecheck.Scan(f.text)
		if found.Percent < enough {
			return nil, fmt.Errorf(
				"%s: only %.0f %% of %s are the words of a known licence: read it, and add it to those reviewed (%s)", l.module,
				found.Percent, f.name, hash)
		}
		for _, m := range found.Match {
			if !slices.Contains(permissive, m.ID) {
				return nil, fmt.Errorf("%s: %s is %s, which is not among the permissive licences", l.module, f.name, m.ID)
			}
			ids = append(ids, m.ID)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s: no licence found", l.module)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// writeLicences puts each module's files into a folder of its name, and a list of all beside them.
func writeLicences(all []licence, folder string) error {
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	var list strings.Builder
	for _, l := range all {
		fmt.Fprintf(&list, "%s %s: %s\n", l.module, l.version, strings.Join(l.ids, " AND "))
		for _, f := range l.files {
			path := filepath.Join(folder, filepath.FromSlash(l.module), filepath.FromSlash(f.name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, f.text, 0o644); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(filepath.Join(folder, "LIST"), []byte(list.String()), 0o644)
}

// bill is the program's bill of materials. It has neither a serial number nor a time, so that it is
// the same for the same program.
func bill(info *debug.BuildInfo, all []licence) *cyclonedx.BOM {
	component := func(l licence, kind cyclonedx.ComponentType) cyclonedx.Component {
		purl := "pkg:" + l.registry + "/" + l.module
		if l.version != "" && l.version != "(devel)" {
			purl += "@" + strings.ReplaceAll(l.version, "+", "%2B")
		}
		choices := cyclonedx.Licenses{}
		for _, id := range l.ids {
			choices = append(choices, cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: id}})
		}
		return cyclonedx.Component{BOMRef: purl, Type: kind, Name: l.module, Version: l.version, PackageURL: purl,
			Licenses: &choices}
	}
	program := component(all[0], cyclonedx.ComponentTypeApplication)
	properties := []cyclonedx.Property{{Name: "go", Value: info.GoVersion}}
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "GO") || strings.HasPrefix(s.Key, "vcs.") {
			properties = append(properties, cyclonedx.Property{Name: s.Key, Value: s.Value})
		}
	}
	program.Properties = &properties
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Component: &program}
	components := []cyclonedx.Component{}
	for _, l := range all[1:] {
		components = append(components, component(l, cyclonedx.ComponentTypeLibrary))
	}
	bom.Components = &components
	return bom
}
