// Package manifests holds what is installed: the Kubernetes objects, which kubectl reads from here, and Slack's app
// manifest, which the program prints.
package manifests

import _ "embed"

// SlackApp is the app manifest for Slack, in YAML with its comments. Source of the format: docs.slack.dev,
// App manifest reference.
//
//go:embed slack-app.yaml
var SlackApp string
