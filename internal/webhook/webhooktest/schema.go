// Package webhooktest holds events to their documented schema. It is for tests.
package webhooktest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Root is the repository's folder, seen from a test's.
func Root() (string, error) {
	for dir := "."; ; dir = filepath.Join("..", dir) {
		if _, err := os.Stat(filepath.Join(dir, "docs", "webhook.schema.json")); err == nil {
			return dir, nil
		}
		if full, err := filepath.Abs(dir); err != nil || full == filepath.Dir(full) {
			return "", fmt.Errorf("docs/webhook.schema.json is in no folder above")
		}
	}
}

// Schema returns what says how an event breaks docs/webhook.schema.json.
func Schema() (validate func(body []byte) error, err error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile(filepath.Join(root, "docs", "webhook.schema.json"))
	if err != nil {
		return nil, err
	}
	return func(body []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		if err != nil {
			return err
		}
		return schema.Validate(v)
	}, nil
}
