package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
)

// apache is a licence whose words are known: this repository's.
func apache(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestIdentify(t *testing.T) {
	gpl := []byte("SPDX-License-Identifier: GPL-2.0-only\n\nThis program is free software; you can redistribute it " +
		"and/or modify it under the terms of the GNU General Public License as published by the Free Software Foundation; " +
		"version 2.\n")
	for name, c := range map[string]struct {
		files []file
		ids   []string
		fault string // what the error says; empty if there is none
	}{
		"known":            {[]file{{"LICENSE", apache(t)}}, []string{"Apache-2.0"}, ""},
		"twice":            {[]file{{"LICENSE", apache(t)}, {"sub/LICENSE", apache(t)}}, []string{"Apache-2.0"}, ""},
		"notices are none": {[]file{{"LICENSE", apache(t)}, {"NOTICE", []byte("written by us")}}, []string{"Apache-2.0"}, ""},
		"missing":          {nil, nil, "no licence found"},
		"a notice alone":   {[]file{{"NOTICE", []byte("written by us")}}, nil, "no licence found"},
		"unknown":          {[]file{{"LICENSE", []byte("Do as I say.")}}, nil, "only 0 % of LICENSE"},
		"not permissive":   {[]file{{"COPYING", gpl}}, nil, "not among the permissive"},
		"a part has terms": {[]file{{"LICENSE", apache(t)}, {"sub/LICENSE", gpl}}, nil, "sub/LICENSE"},
	} {
		ids, err := identify(licence{module: "example.com/m", files: c.files})
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.fault)
		}
		if err == nil && !slices.Equal(ids, c.ids) {
			t.Errorf("%s: %v, want %v", name, ids, c.ids)
		}
	}
}

func TestFiles(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"LICENSE", "license.md", "README.md", "licence_test.go", "COPYING.go", "a/b/NOTICE.txt",
		"a/LICENSE-MIT", "other/LICENSE", "a/b/c/PATENTS"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := licenceFiles(root, []string{root, filepath.Join(root, "a/b")})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.name)
	}
	if want := []string{"LICENSE", "a/LICENSE-MIT", "a/b/NOTICE.txt", "license.md"}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
}

// The bill can be read by others, names each module once, and is the same for the same program.
func TestBill(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.0",
		Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "-trimpath", Value: "true"}}}
	all := []licence{{module: "rollcall", version: "v1.0.0+dirty", registry: "golang", ids: []string{"Apache-2.0"}},
		{module: stdlib, version: "1.26.0", registry: "golang", ids: []string{"BSD-3-Clause"}},
		{module: "example.com/m", version: "v0.1.0", registry: "golang", ids: []string{"ISC", "MIT"}}}
	text := func() string {
		var b bytes.Buffer
		if err := cyclonedx.NewBOMEncoder(&b, cyclonedx.BOMFileFormatJSON).Encode(bill(info, all)); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	first := text()
	if text() != first {
		t.Error("two bills of one program differ")
	}
	var bom cyclonedx.BOM
	if err := json.Unmarshal([]byte(text()), &bom); err != nil {
		t.Fatal(err)
	}
	if got := bom.Metadata.Component.PackageURL; got != "pkg:golang/rollcall@v1.0.0%2Bdirty" {
		t.Errorf("the program is %s", got)
	}
	if n := len(*bom.Components); n != 2 {
		t.Errorf("%d components, want 2", n)
	}
	if m := (*bom.Components)[1]; m.PackageURL != "pkg:golang/example.com/m@v0.1.0" || len(*m.Licenses) != 2 {
		t.Errorf("a module is %+v", m)
	}
}

// What is vendored is there, under a licence that is known, in the version that its README names.
func TestVendored(t *testing.T) {
	for _, v := range vendored {
		folder := filepath.Join("../..", v.pkg, v.folder)
		files, err := licenceFiles(folder, []string{folder})
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := identify(licence{module: v.name, files: files}); err != nil || len(ids) == 0 {
			t.Errorf("%s: licences %v, %v", v.name, ids, err)
		}
		readme, err := os.ReadFile(filepath.Join(folder, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		if want := "# " + v.name + " " + v.version + "\n"; !strings.HasPrefix(string(readme), want) {
			t.Errorf("its README does not begin with %q", want)
		}
	}
}
