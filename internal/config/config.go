// Package config turns the environment into a validated Config. It is the only package that
// reads the environment, and it reports every mistake at once, each with its variable and what
// would be right.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/labels"

	"rollcall/internal/ledger"
)

// Secret is a token. It prints as [redacted] wherever it is printed; Reveal returns it.
type Secret string

const redacted = "[redacted]"

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Reveal returns the secret itself, for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }

// Config is what the environment says. The field comments are the reference; a test holds the
// table in the README against them. Fields after the blank line are derived by Load.
type Config struct {
	SlackBotToken        Secret        `env:"SLACK_BOT_TOKEN" doc:"bot token (xoxb-…)"`
	SlackAppToken        Secret        `env:"SLACK_APP_TOKEN" doc:"app-level token (xapp-…) with the scope connections:write"`
	SlackChannel         string        `env:"SLACK_CHANNEL" doc:"ID of the channel for alerts"`
	SlackAPIURL          string        `env:"SLACK_API_URL" envDefault:"https://slack.com/api/" doc:"for an emulator or a proxy"`
	SlackAllowedUsers    []string      `env:"SLACK_ALLOWED_USERS" doc:"user IDs that may use commands; empty: everyone of the bot's own workspace"`
	SlackAllowedChannels []string      `env:"SLACK_ALLOWED_CHANNELS" doc:"channel IDs where commands may be used; empty: everywhere"`
	Kubeconfig           string        `env:"KUBECONFIG" doc:"kubeconfig file; empty: in-cluster, else ~/.kube/config"`
	KubeContext          string        `env:"KUBE_CONTEXT" doc:"context in the kubeconfig; empty: its current one"`
	ClusterName          string        `env:"CLUSTER_NAME" doc:"the cluster's name in messages; empty: the context's name, else kubernetes"`
	DatabaseURL          string        `env:"DATABASE_URL" envDefault:"sqlite:rollcall.db" doc:"the ledger"`
	AlertWaveGap         time.Duration `env:"ALERT_WAVE_GAP" envDefault:"30s" doc:"a wave ends when no like change came for this long"`
	AlertWaveMax         time.Duration `env:"ALERT_WAVE_MAX" envDefault:"10m" doc:"and at the latest this long after it began"`
	AlertLabels          []string      `env:"ALERT_LABELS" doc:"label keys shown on nodes, besides zone, pool, capacity type and arch"`
	AlertNodeSelector    string        `env:"ALERT_NODE_SELECTOR" doc:"label selector of the nodes that alert; empty: all"`
	DigestSchedule       string        `env:"DIGEST_SCHEDULE" envDefault:"0 9 * * *" doc:"when the digest is posted: five cron fields or @daily and the like"`
	DigestTimezone       string        `env:"DIGEST_TIMEZONE" envDefault:"UTC" doc:"IANA time zone of the digest"`
	DigestChannel        string        `env:"DIGEST_CHANNEL" doc:"channel ID of the digest; empty: SLACK_CHANNEL"`
	PricesFile           string        `env:"PRICES_FILE" doc:"price overrides (CSV); empty: the built-in table"`
	PriceDiscount        float64       `env:"PRICE_DISCOUNT" envDefault:"0" doc:"discount on list prices, in percent"`
	ScalingRetention     time.Duration `env:"SCALING_RETENTION" envDefault:"2160h" doc:"how long changes and scaling events are kept"`
	EventRetention       time.Duration `env:"EVENT_RETENTION" envDefault:"24h" doc:"how long other events are kept"`
	HTTPAddr             string        `env:"HTTP_ADDR" envDefault:":8080" doc:"address of /healthz and /readyz"`
	LogLevel             string        `env:"LOG_LEVEL" envDefault:"info" doc:"debug, info, warn or error"`
	LogFormat            string        `env:"LOG_FORMAT" doc:"text or json; empty: text on a terminal, else json"`

	LedgerPath string          // the file DatabaseURL names
	Selector   labels.Selector // of AlertNodeSelector
	Digest     cron.Schedule   // of DigestSchedule in DigestTimezone
	Level      slog.Level
}

// Mistake is one thing wrong with the environment.
type Mistake struct {
	Variable string
	Problem  string // what is wrong and what would be right; never holds a secret
}

func (m Mistake) Error() string { return m.Variable + ": " + m.Problem }

// Mistakes is everything wrong with the environment.
type Mistakes []Mistake

func (ms Mistakes) Error() string {
	lines := []string{"the configuration is wrong:"}
	for _, m := range ms {
		lines = append(lines, "  "+m.Error())
	}
	return strings.Join(lines, "\n")
}

// Load reads the configuration from environment variables. Its error is Mistakes. The Config is
// as complete as it can be even then, so that a check can go on with what is right.
func Load(environ map[string]string) (Config, error) {
	var c Config
	var ms Mistakes
	wrong := func(variable, format string, args ...any) {
		ms = append(ms, Mistake{variable, fmt.Sprintf(format, args...)})
	}
	// Blanks around a value come from YAML and from copying; they are never meant.
	trimmed := map[string]string{}
	for k, v := range environ {
		trimmed[k] = strings.TrimSpace(v)
	}
	if err := env.ParseWithOptions(&c, env.Options{Environment: trimmed}); err != nil {
		for _, err := range aggregated(err) {
			if pe, ok := errors.AsType[env.ParseError](err); ok {
				name := variable(pe.Name)
				wrong(name, "%q is not a %s; write for example %s", trimmed[name], what(pe.Type.String()), example(pe.Type.String()))
			} else {
				wrong("environment", "%v", err)
			}
		}
	}
	c.checkSlack(wrong)
	var err error
	if c.LedgerPath, err = ledger.Path(c.DatabaseURL); err != nil {
		wrong("DATABASE_URL", "%v", err)
	}
	positive(wrong, "ALERT_WAVE_GAP", c.AlertWaveGap, time.Second)
	positive(wrong, "ALERT_WAVE_MAX", c.AlertWaveMax, c.AlertWaveGap)
	positive(wrong, "SCALING_RETENTION", c.ScalingRetention, time.Hour)
	positive(wrong, "EVENT_RETENTION", c.EventRetention, time.Minute)
	if c.Selector, err = labels.Parse(c.AlertNodeSelector); err != nil {
		wrong("ALERT_NODE_SELECTOR", "%v; write it as for kubectl get nodes -l, for example karpenter.sh/nodepool=general", err)
		c.Selector = labels.Everything()
	}
	c.checkDigest(wrong)
	if c.PriceDiscount < 0 || c.PriceDiscount > 100 {
		wrong("PRICE_DISCOUNT", "%v is not a percentage; write a number from 0 to 100", c.PriceDiscount)
	}
	if _, _, err := net.SplitHostPort(c.HTTPAddr); err != nil {
		wrong("HTTP_ADDR", "%q is not an address; write :8080 or 127.0.0.1:8080", c.HTTPAddr)
	}
	if err := c.Level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		wrong("LOG_LEVEL", "%q is not a level; write debug, info, warn or error", c.LogLevel)
	}
	if !slices.Contains([]string{"", "text", "json"}, c.LogFormat) {
		wrong("LOG_FORMAT", "%q is not a format; write text or json, or leave it empty", c.LogFormat)
	}
	if len(ms) > 0 {
		return c, ms
	}
	return c, nil
}

var (
	channelID = regexp.MustCompile(`^[CG][A-Z0-9]{6,}$`)
	userID    = regexp.MustCompile(`^[UW][A-Z0-9]{6,}$`)
)

func (c *Config) checkSlack(wrong func(variable, format string, args ...any)) {
	bot, app := c.SlackBotToken.Reveal(), c.SlackAppToken.Reveal()
	switch {
	case strings.HasPrefix(bot, "xapp-") && strings.HasPrefix(app, "xoxb-"):
		wrong("SLACK_BOT_TOKEN", "it and SLACK_APP_TOKEN are swapped: the bot token begins with xoxb-, the app-level token with xapp-")
	default:
		token(wrong, "SLACK_BOT_TOKEN", bot, "xoxb-", "OAuth & Permissions")
		token(wrong, "SLACK_APP_TOKEN", app, "xapp-", "Basic Information > App-Level Tokens")
	}
	channel(wrong, "SLACK_CHANNEL", c.SlackChannel)
	if c.SlackChannel == "" {
		wrong("SLACK_CHANNEL", "it is missing; set it to the ID of the channel for alerts (C…, shown at the end of the channel's details)")
	}
	if c.DigestChannel == "" {
		c.DigestChannel = c.SlackChannel
	} else {
		channel(wrong, "DIGEST_CHANNEL", c.DigestChannel)
	}
	for _, id := range c.SlackAllowedChannels {
		channel(wrong, "SLACK_ALLOWED_CHANNELS", strings.TrimSpace(id))
	}
	for i, id := range c.SlackAllowedUsers {
		c.SlackAllowedUsers[i] = strings.TrimSpace(id)
		if !userID.MatchString(strings.TrimSpace(id)) {
			wrong("SLACK_ALLOWED_USERS", "%q is not a user ID; write IDs (U…, in a person's profile under ⋮ > Copy member ID), separated by commas", id)
		}
	}
	for i := range c.SlackAllowedChannels {
		c.SlackAllowedChannels[i] = strings.TrimSpace(c.SlackAllowedChannels[i])
	}
	u, err := url.Parse(c.SlackAPIURL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		wrong("SLACK_API_URL", "%q is not a URL; write for example https://slack.com/api/", c.SlackAPIURL)
	} else if !strings.HasSuffix(c.SlackAPIURL, "/") {
		c.SlackAPIURL += "/"
	}
}

func token(wrong func(variable, format string, args ...any), name, value, prefix, where string) {
	switch {
	case value == "":
		wrong(name, "it is missing; copy the token that begins with %s from the app's settings under %s", prefix, where)
	case !strings.HasPrefix(value, prefix):
		wrong(name, "it does not begin with %s; copy the token from the app's settings under %s", prefix, where)
	case strings.ContainsAny(value, " \t\r\n\"'"):
		wrong(name, "it holds blanks or quotes; copy the token alone")
	}
}

func channel(wrong func(variable, format string, args ...any), name, value string) {
	if value != "" && !channelID.MatchString(value) {
		wrong(name, "%q is not a channel ID; names do not work: write the ID (C…, shown at the end of the channel's details)", value)
	}
}

func positive(wrong func(variable, format string, args ...any), name string, d, least time.Duration) {
	if d != 0 && d < least || d == 0 {
		wrong(name, "%v is too short; it must be at least %v", d, least)
	}
}

// cronFields are what people know from crontab: five fields, or @daily and the like.
const cronFields = cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor

func (c *Config) checkDigest(wrong func(variable, format string, args ...any)) {
	zone, err := time.LoadLocation(c.DigestTimezone)
	if err != nil || c.DigestTimezone == "Local" {
		wrong("DIGEST_TIMEZONE", "%q is not a time zone; write an IANA name, for example Europe/Berlin", c.DigestTimezone)
		zone = time.UTC
	}
	spec := c.DigestSchedule
	if !strings.HasPrefix(spec, "CRON_TZ=") && !strings.HasPrefix(spec, "TZ=") {
		spec = "CRON_TZ=" + zone.String() + " " + spec
	}
	if c.Digest, err = cron.NewParser(cronFields).Parse(spec); err != nil {
		wrong("DIGEST_SCHEDULE", "%q: %v; write five fields (minute hour day month weekday), for example 0 9 * * 1-5, or @daily", c.DigestSchedule, err)
	}
}

// aggregated returns the single errors of env's error.
func aggregated(err error) []error {
	if agg, ok := errors.AsType[env.AggregateError](err); ok {
		return agg.Errors
	}
	return []error{err}
}

func what(typ string) string {
	return cmp.Or(map[string]string{"time.Duration": "duration", "float64": "number"}[typ], typ)
}

func example(typ string) string {
	return cmp.Or(map[string]string{"time.Duration": "30s, 10m or 24h", "float64": "15"}[typ], "another value")
}
