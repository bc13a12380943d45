// Package config turns the environment into a validated Config. It is the only package that
// reads the environment, and it reports every mistake at once, each with its variable and what
// would be right.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // an image from scratch has no time zones; they cost 450 kB

	"github.com/caarlos0/env/v11"
	"k8s.io/apimachinery/pkg/labels"

	"rollcall/internal/alert"
	"rollcall/internal/command"
	"rollcall/internal/digest/schedule"
	"rollcall/internal/nearest"
	"rollcall/internal/pricing"
)

// Secret is a token. It prints as [redacted] with every verb of package fmt, in slog, as text
// and as JSON; Reveal returns it. Only reflection sees through it: never keep one in an
// unexported field of something that is printed, nor as the key of a map.
type Secret string

const redacted = "[redacted]"

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) Format(f fmt.State, _ rune)   { io.WriteString(f, redacted) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Reveal returns the secret itself, for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }

// Config is what the environment says; meanings says what each variable means, and a test holds the table in
// docs/configuration.md against both. Fields after the blank line are derived by Load.
type Config struct {
	SlackBotToken        Secret        `env:"SLACK_BOT_TOKEN"`
	SlackAppToken        Secret        `env:"SLACK_APP_TOKEN"`
	SlackChannel         string        `env:"SLACK_CHANNEL"`
	SlackAPIURL          string        `env:"SLACK_API_URL" envDefault:"https://slack.com/api/"`
	SlackAllowedUsers    []string      `env:"SLACK_ALLOWED_USERS"`
	SlackAllowedChannels []string      `env:"SLACK_ALLOWED_CHANNELS"`
	SlackCommands        string        `env:"SLACK_COMMANDS"`
	RouteLines           string        `env:"ROUTES"`
	RemindAfter          time.Duration `env:"REMIND_AFTER" envDefault:"0s"`
	Kubeconfig           string        `env:"KUBECONFIG"`
	KubeContext          string        `env:"KUBE_CONTEXT"`
	ClusterName          string        `env:"CLUSTER_NAME"`
	DatabaseURL          string        `env:"DATABASE_URL" envDefault:"sqlite:rollcall.db"`
	AlertWaveGap         time.Duration `env:"ALERT_WAVE_GAP" envDefault:"30s"`
	AlertWaveMax         time.Duration `env:"ALERT_WAVE_MAX" envDefault:"10m"`
	AlertLabels          []string      `env:"ALERT_LABELS"`
	BlindAfter           time.Duration `env:"BLIND_AFTER" envDefault:"3m"`
	PendingAfter         time.Duration `env:"PENDING_AFTER" envDefault:"10m"`
	AlertNodeSelector    string        `env:"ALERT_NODE_SELECTOR"`
	Kept                 string        `env:"KEPT_ALERT" envDefault:"5,20%,6h"`
	DigestSchedule       string        `env:"DIGEST_SCHEDULE" envDefault:"0 9 * * *"`
	DigestTimezone       string        `env:"DIGEST_TIMEZONE" envDefault:"UTC"`
	DigestChannels       []string      `env:"DIGEST_CHANNEL"`
	DigestWhenQuiet      string        `env:"DIGEST_WHEN_QUIET" envDefault:"post"`
	PricesFile           string        `env:"PRICES_FILE"`
	PriceDiscount        float64       `env:"PRICE_DISCOUNT" envDefault:"0"`
	BudgetList           string        `env:"BUDGETS"`
	RolloutList          string        `env:"ROLLOUTS"`
	WebhookURL           Secret        `env:"WEBHOOK_URL"`
	WebhookSecret        Secret        `env:"WEBHOOK_SECRET"`
	ScalingRetention     time.Duration `env:"SCALING_RETENTION" envDefault:"2160h"`
	EventRetention       time.Duration `env:"EVENT_RETENTION" envDefault:"24h"`
	HTTPAddr             string        `env:"HTTP_ADDR" envDefault:":8080"`
	LogLevel             string        `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat            string        `env:"LOG_FORMAT"`

	KeptAlert  KeptAlert       // of Kept
	LedgerPath string          // the file DatabaseURL names
	Commands   command.Names   // of SlackCommands
	Routes     alert.Routes    // of RouteLines and SlackChannel
	Selector   labels.Selector // of AlertNodeSelector
	Digest     schedule.Set    // of DigestSchedule in Zone
	DigestsTo  []DigestTo      // of DigestChannels
	Zone       *time.Location  // of the digest: DigestTimezone, or what CRON_TZ= in DigestSchedule says
	Level      slog.Level
	Prices     *pricing.Book // of PricesFile and PriceDiscount; never nil
	Budgets    []Budget      // of BudgetList
	Rollouts   []string      // of RolloutList
	Webhook    Webhook       // of WebhookURL and WebhookSecret
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
	// Blanks around a value come from YAML and from copying; they are never meant.
	trimmed := map[string]string{}
	for k, v := range environ {
		trimmed[k] = strings.TrimSpace(v)
	}
	l := &loader{environ: trimmed}
	if err := env.ParseWithOptions(&c, env.Options{Environment: trimmed}); err != nil {
		for _, err := range aggregated(err) {
			pe, ok := errors.AsType[env.ParseError](err)
			if !ok {
				l.wrong("environment", "%v", err)
				continue
			}
			name := variable(pe.Name)
			if pe.Type == reflect.TypeFor[time.Duration]() {
				l.wrong(name, "%q is not a duration; write %s", trimmed[name], nearestDuration(trimmed[name]))
			} else {
				l.wrong(name, "%q is not a number; write for example 15", trimmed[name])
			}
		}
	}
	for _, list := range []*[]string{&c.SlackAllowedUsers, &c.SlackAllowedChannels, &c.AlertLabels} {
		*list = words(*list)
	}
	l.checkSlack(&c)
	l.checkRoutes(&c)
	var err error
	if c.LedgerPath, err = ledgerPath(c.DatabaseURL); err != nil {
		l.wrong("DATABASE_URL", "%v", err)
	}
	l.atLeast("ALERT_WAVE_GAP", c.AlertWaveGap, time.Second, "")
	l.atLeast("ALERT_WAVE_MAX", c.AlertWaveMax, max(c.AlertWaveGap, time.Second), " (ALERT_WAVE_GAP)")
	if c.BlindAfter != 0 {
		l.atLeast("BLIND_AFTER", c.BlindAfter, 2*time.Minute,
			": a quiet API server says only once a minute that it is there; 0s turns it off")
	}
	if c.PendingAfter != 0 {
		l.atLeast("PENDING_AFTER", c.PendingAfter, time.Minute,
			": pods wait so long for a node that is on its way; 0s turns it off")
	}
	l.atLeast("SCALING_RETENTION", c.ScalingRetention, time.Hour, "")
	l.atLeast("EVENT_RETENTION", c.EventRetention, time.Minute, "")
	if c.Selector, err = labels.Parse(c.AlertNodeSelector); err != nil {
		l.wrong("ALERT_NODE_SELECTOR",
			"%q: %v; write it as for kubectl get nodes -l, for example karpenter.sh/nodepool=general", c.AlertNodeSelector, err)
		c.Selector = labels.Everything()
	}
	if c.KeptAlert, err = parseKept(c.Kept); err != nil {
		l.wrong("KEPT_ALERT", "%v", err)
	}
	l.checkDigest(&c)
	if c.DigestWhenQuiet != "post" && c.DigestWhenQuiet != "skip" {
		l.wrong("DIGEST_WHEN_QUIET", "%q is neither post nor skip; write %s", c.DigestWhenQuiet,
			cmp.Or(nearest.Word(c.DigestWhenQuiet, "post", "skip"), "post or skip"))
	}
	l.checkPrices(&c)
	l.checkBudgets(&c)
	l.checkRollouts(&c)
	l.checkWebhook(&c)
	l.checkAddr(c.HTTPAddr)
	if err := c.Level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		l.wrong("LOG_LEVEL", "%q is not a level; write %s", c.LogLevel,
			cmp.Or(nearest.Word(c.LogLevel, "debug", "info", "warn", "error"), "debug, info, warn or error"))
	}
	if !slices.Contains([]string{"", "text", "json"}, c.LogFormat) {
		l.wrong("LOG_FORMAT", "%q is not a format; write %s, or leave it empty", c.LogFormat,
			cmp.Or(nearest.Word(c.LogFormat, "text", "json"), "text or json"))
	}
	if len(l.mistakes) > 0 {
		return c, l.mistakes
	}
	return c, nil
}

// MistakesIn returns the mistakes that an error of Load is about: those of the variables named, or
// all of them if none is. A subcommand that needs few variables does not mind the others.
func MistakesIn(err error, variables ...string) Mistakes {
	all, _ := errors.AsType[Mistakes](err)
	if len(variables) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(m Mistake) bool { return !slices.Contains(variables, m.Variable) })
}

// loader collects the mistakes of one environment.
type loader struct {
	environ  map[string]string
	mistakes Mistakes
}

// tokenLike is a token of Slack wherever it stands: people paste them into the wrong variable.
var tokenLike = regexp.MustCompile(`xox[a-z][-.][A-Za-z0-9.%-]+|xapp-[A-Za-z0-9.%-]+`)

// wrong notes a mistake, without any token that its text would show.
func (l *loader) wrong(variable, format string, args ...any) {
	problem := fmt.Sprintf(format, args...)
	for _, name := range []string{"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "WEBHOOK_URL", "WEBHOOK_SECRET"} {
		if value := l.environ[name]; len(value) >= 12 {
			problem = strings.ReplaceAll(problem, value, redacted)
		}
	}
	l.mistakes = append(l.mistakes, Mistake{variable, tokenLike.ReplaceAllString(problem, redacted)})
}

// found reports whether a mistake of the variable was noted.
func (l *loader) found(variable string) bool {
	return slices.ContainsFunc(l.mistakes, func(m Mistake) bool { return m.Variable == variable })
}

var (
	channelID = regexp.MustCompile(`^[CG][A-Z0-9]{6,}$`)
	userID    = regexp.MustCompile(`^[UW][A-Z0-9]{6,}$`)
)

func (l *loader) checkSlack(c *Config) {
	bot, app := c.SlackBotToken.Reveal(), c.SlackAppToken.Reveal()
	if strings.HasPrefix(bot, "xapp-") && strings.HasPrefix(app, "xoxb-") {
		l.wrong("SLACK_BOT_TOKEN",
			"it and SLACK_APP_TOKEN are swapped: the bot token begins with xoxb-, the app-level token with xapp-")
	} else {
		l.token("SLACK_BOT_TOKEN", bot, "xoxb-", "OAuth & Permissions")
		l.token("SLACK_APP_TOKEN", app, "xapp-", "Basic Information > App-Level Tokens")
	}
	if c.SlackChannel == "" {
		l.wrong("SLACK_CHANNEL",
			"it is missing%s; set it to the ID of the channel for alerts (C…, shown at the end of the channel's details)",
			l.misspelt("SLACK_CHANNEL"))
	} else {
		l.id("SLACK_CHANNEL", "channel", c.SlackChannel)
	}
	if c.DigestChannels = words(c.DigestChannels); len(c.DigestChannels) == 0 && c.SlackChannel != "" {
		c.DigestChannels = []string{c.SlackChannel}
	} else {
		for _, id := range c.DigestChannels {
			l.id("DIGEST_CHANNEL", "channel", id)
		}
	}
	for _, id := range c.SlackAllowedChannels {
		l.id("SLACK_ALLOWED_CHANNELS", "channel", id)
	}
	for _, id := range c.SlackAllowedUsers {
		l.id("SLACK_ALLOWED_USERS", "user", id)
	}
	var err error
	if c.Commands, err = command.ParseNames(unquote(c.SlackCommands)); err != nil {
		l.wrong("SLACK_COMMANDS", "%v", err)
	}
	u, err := url.Parse(c.SlackAPIURL)
	switch {
	case err != nil:
		l.wrong("SLACK_API_URL", "it is not a URL; write for example https://slack.com/api/")
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		l.wrong("SLACK_API_URL", "%q is not a URL; write for example https://slack.com/api/", u.Redacted())
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		l.wrong("SLACK_API_URL",
			"it holds more than a host and a path; write for example https://slack.com/api/ (a proxy's password goes into "+
				"HTTPS_PROXY)")
	case !strings.HasSuffix(c.SlackAPIURL, "/"):
		c.SlackAPIURL += "/"
	}
}

func (l *loader) token(name, value, prefix, where string) {
	switch {
	case value == "":
		l.wrong(name, "it is missing%s; copy the token that begins with %s from the app's settings under %s",
			l.misspelt(name), prefix, where)
	case strings.ContainsAny(value, " \t\r\n\"'"):
		l.wrong(name, "it holds blanks or quotes; copy the token alone")
	case !strings.HasPrefix(value, prefix):
		l.wrong(name, "it does not begin with %s; copy the token from the app's settings under %s", prefix, where)
	}
}

// Misspelt finds variables that are set, are none of Rollcall's, and were probably meant to be one: "" is as not set. A
// setting that has no effect is worth a warning, though it may belong to another program.
func Misspelt(environ map[string]string) (all Mistakes) {
	var ours []string
	for _, v := range Variables() {
		ours = append(ours, v.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		// Short names are near to everything.
		if environ[name] == "" || len(name) < 8 || slices.Contains(ours, name) {
			continue
		}
		if meant := nearest.Word(name, ours...); meant != "" {
			all = append(all, Mistake{Variable: name, Problem: "Rollcall knows no such variable; is " + meant + " meant?"})
		}
	}
	return all
}

// misspelt names a variable that is set and was perhaps meant to be the missing one.
func (l *loader) misspelt(name string) string {
	var set []string
	for k, v := range l.environ {
		if v != "" && !slices.ContainsFunc(Variables(), func(v Variable) bool { return v.Name == k }) {
			set = append(set, k)
		}
	}
	slices.Sort(set)
	if like := nearest.Word(name, set...); like != "" {
		return fmt.Sprintf(" (is %s meant to be it?)", like)
	}
	return ""
}

// id checks an ID of Slack's. What people write instead is a name, a mention or a link, and the
// last two hold the ID.
func (l *loader) id(name, what, value string) {
	right, where := channelID, "names do not work: write the ID (C…, shown at the end of the channel's details)"
	if what == "user" {
		right, where = userID, "write the ID (U…, in a person's profile under ⋮ > Copy member ID)"
	}
	if right.MatchString(value) {
		return
	}
	l.wrong(name, "%q is not a %s ID; %s", value, what, nearestID(value, right, where))
}

// atLeast checks a duration, unless it could not be read at all. why says where the least comes
// from.
func (l *loader) atLeast(name string, d, least time.Duration, why string) {
	if d < least && !l.found(name) {
		l.wrong(name, "%v is too short; it must be at least %v%s", d, least, why)
	}
}

// maxPricesFile is how much of PRICES_FILE is read, in bytes: several times what its rows take.
const maxPricesFile = 16 << 20

// checkPrices makes the Book of what is right.
func (l *loader) checkPrices(c *Config) {
	discount := c.PriceDiscount
	if !(discount >= 0 && discount <= 100) { // NaN too
		l.wrong("PRICE_DISCOUNT", "%v is not a percentage; write a number from 0 to 100", discount)
		discount = 0
	}
	var overrides pricing.Overrides
	if c.PricesFile != "" {
		var err error
		overrides, err = readPrices(c.PricesFile)
		mistakes, ok := errors.AsType[pricing.Mistakes](err)
		for _, m := range mistakes {
			l.wrong("PRICES_FILE", "%s: %v", c.PricesFile, m)
		}
		if err != nil && !ok {
			l.wrong("PRICES_FILE", "%v; set it to a CSV file that can be read, or leave it empty", err)
		}
	}
	c.Prices = pricing.New(discount, overrides, time.Now())
}

// readPrices reads the user's own prices. Its error is pricing.Mistakes if the file can be read.
func readPrices(path string) (pricing.Overrides, error) {
	info, err := os.Stat(path) // before opening it: a pipe would wait for a writer
	if err != nil {
		return pricing.Overrides{}, err
	}
	if !info.Mode().IsRegular() {
		return pricing.Overrides{}, fmt.Errorf("%s is not a file", path)
	}
	if info.Size() > maxPricesFile {
		return pricing.Overrides{}, fmt.Errorf("%s is larger than %d MiB", path, maxPricesFile>>20)
	}
	f, err := os.Open(path)
	if err != nil {
		return pricing.Overrides{}, err
	}
	defer f.Close()
	return pricing.ReadOverrides(io.LimitReader(f, maxPricesFile))
}

func (l *loader) checkAddr(addr string) {
	_, port, err := net.SplitHostPort(addr)
	if n, perr := strconv.ParseUint(port, 10, 16); err == nil && perr == nil && port == strconv.FormatUint(n, 10) {
		return
	}
	right := ":8080 or 127.0.0.1:8080"
	if n, err := strconv.ParseUint(addr, 10, 16); err == nil {
		right = fmt.Sprintf(":%d", n)
	}
	l.wrong("HTTP_ADDR", "%q is not an address with a port number; write %s", addr, right)
}

func (l *loader) checkDigest(c *Config) {
	var err error
	if c.Zone, err = zone(c.DigestTimezone); err != nil {
		l.wrong("DIGEST_TIMEZONE", "%q is not a time zone; write an IANA name, for example Europe/Berlin", c.DigestTimezone)
		c.Zone = time.UTC
	}
	text := unquote(c.DigestSchedule)
	specs := schedule.Split(text)
	if len(specs) == 0 {
		specs = []string{""}
	}
	named := "" // the zone that the schedules name
	var all []*schedule.Schedule
	for i, spec := range specs {
		prefix, name, fields := ownZone(spec)
		if prefix != "" {
			z, err := zone(name)
			switch {
			case err != nil:
				l.wrong("DIGEST_SCHEDULE",
					"%q: %q is not a time zone; write an IANA name, for example %sEurope/Berlin 0 9 * * 1-5", spec, name, prefix)
				c.Zone = time.UTC
				return
			case i > 0 && name != named:
				l.wrong("DIGEST_SCHEDULE", "%q: all digests are in one time zone; write it once, in front, as in "+
					"CRON_TZ=Europe/Berlin 0 9 * * *; 0 9 * * 1", text)
				return
			}
			c.Zone, named = z, name
		}
		s, err := schedule.Parse(fields, c.Zone)
		if err != nil {
			l.wrongSchedule(spec, fields, err)
			return
		}
		all = append(all, s)
	}
	if c.Digest, err = schedule.NewSet(all...); err != nil {
		l.wrong("DIGEST_SCHEDULE", "%q: %v; write it once", text, err)
	}
}

// ownZone cuts the zone off that a schedule begins with, as in CRON_TZ=Europe/Berlin 0 9 * * *.
func ownZone(spec string) (prefix, name, fields string) {
	for _, prefix := range []string{"CRON_TZ=", "TZ="} {
		if rest, ok := strings.CutPrefix(spec, prefix); ok {
			// cron's parser panics where nothing follows the zone.
			name, after, _ := strings.Cut(rest, " ")
			return prefix, name, strings.TrimSpace(after)
		}
	}
	return "", "", spec
}

// wrongSchedule says what is wrong with one schedule.
func (l *loader) wrongSchedule(spec, fields string, err error) {
	right, several := schedule.Respell(fields)
	switch {
	case several:
		l.wrong("DIGEST_SCHEDULE", "%q: a semicolon goes between two schedules; write %s", spec,
			strings.TrimSuffix(spec, fields)+right)
	case errors.Is(err, schedule.ErrTooOften):
		l.wrong("DIGEST_SCHEDULE", "%q is too often for a digest; write at least @every 1m, or better @daily", spec)
	case errors.Is(err, schedule.ErrNever):
		l.wrong("DIGEST_SCHEDULE",
			"%q never comes: there is no such day; write for example 0 9 1 * * for the first of each month", spec)
	default:
		l.wrong("DIGEST_SCHEDULE",
			"%q: %v; write five fields (minute hour day month weekday), for example 0 9 * * 1-5, or @daily", spec, err)
	}
}

// unquote takes away the quotes that docker's --env-file leaves around a value.
func unquote(s string) string {
	s = strings.TrimSpace(s)
	if n := len(s); n > 1 && s[0] == s[n-1] && (s[0] == '"' || s[0] == '\'') {
		return strings.TrimSpace(s[1 : n-1])
	}
	return s
}

// zone finds an IANA time zone. The machine's own is refused: nobody knows which it is in a pod.
func zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("no name of a time zone")
	}
	return time.LoadLocation(name)
}

// aggregated returns the single errors of env's error.
func aggregated(err error) []error {
	if agg, ok := errors.AsType[env.AggregateError](err); ok {
		return agg.Errors
	}
	return []error{err}
}

// words trims the words of a list and leaves empty ones out: a comma at the end is no word.
func words(list []string) []string {
	var out []string
	for _, w := range list {
		if w = strings.TrimSpace(w); w != "" {
			out = append(out, w)
		}
	}
	return out
}

var (
	someDuration = regexp.MustCompile(`^(\d{1,6})\s*([a-z]*)$`)
	unitsOfTime  = map[string]string{"s": "s", "m": "m", "h": "h", "d": "d", "w": "w", "": "s",
		"sec": "s", "second": "s", "min": "m", "minute": "m", "hr": "h", "hour": "h", "day": "d", "week": "w"}
)

// nearestDuration is the duration that a person meant, as Go writes it, or examples.
func nearestDuration(s string) string {
	m := someDuration.FindStringSubmatch(strings.ToLower(s))
	if m == nil {
		return "for example 30s, 10m or 24h"
	}
	unit, ok := unitsOfTime[m[2]]
	if !ok {
		unit = unitsOfTime[strings.TrimSuffix(m[2], "s")]
	}
	n, _ := strconv.Atoi(m[1])
	switch unit {
	case "":
		return "for example 30s, 10m or 24h"
	case "d":
		return fmt.Sprintf("%dh", 24*n)
	case "w":
		return fmt.Sprintf("%dh", 7*24*n)
	}
	return m[1] + unit
}
