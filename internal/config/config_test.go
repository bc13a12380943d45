package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"rollcall/internal/fleet"
)

const (
	botToken = "xoxb-1111-2222-botsecret"
	appToken = "xapp-1-A0APP-3333-appsecret"
)

// right returns the smallest environment without a mistake, with the variables given on top.
func right(more ...string) map[string]string {
	environ := map[string]string{"SLACK_BOT_TOKEN": botToken, "SLACK_APP_TOKEN": appToken, "SLACK_CHANNEL": "C0OPSNODES"}
	for i := 0; i < len(more); i += 2 {
		environ[more[i]] = more[i+1]
	}
	return environ
}

// load loads an environment that has no mistake.
func load(t *testing.T, environ map[string]string) Config {
	t.Helper()
	c, err := Load(environ)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The defaults are DESIGN.md's contract.
func TestDefaults(t *testing.T) {
	c := load(t, right())
	got := map[string]any{
		"SLACK_API_URL": c.SlackAPIURL, "SLACK_ALLOWED_USERS": len(c.SlackAllowedUsers),
		"SLACK_ALLOWED_CHANNELS": len(c.SlackAllowedChannels), "SLACK_COMMANDS": c.SlackCommands,
		"KUBECONFIG": c.Kubeconfig, "KUBE_CONTEXT": c.KubeContext, "CLUSTER_NAME": c.ClusterName,
		"DATABASE_URL": c.DatabaseURL, "ledger": c.LedgerPath,
		"ALERT_WAVE_GAP": c.AlertWaveGap, "ALERT_WAVE_MAX": c.AlertWaveMax, "ALERT_LABELS": len(c.AlertLabels),
		"selector":        c.Selector.Empty(),
		"DIGEST_SCHEDULE": c.DigestSchedule, "DIGEST_TIMEZONE": c.DigestTimezone, "DIGEST_CHANNEL": strings.Join(c.DigestChannels, ","),
		"PRICES_FILE": c.PricesFile, "PRICE_DISCOUNT": c.PriceDiscount, "SCALING_RETENTION": c.ScalingRetention,
		"EVENT_RETENTION": c.EventRetention,
		"HTTP_ADDR":       c.HTTPAddr, "level": c.Level, "LOG_FORMAT": c.LogFormat,
	}
	want := map[string]any{
		"SLACK_API_URL": "https://slack.com/api/", "SLACK_ALLOWED_USERS": 0, "SLACK_ALLOWED_CHANNELS": 0,
		"SLACK_COMMANDS": "",
		"KUBECONFIG":     "", "KUBE_CONTEXT": "", "CLUSTER_NAME": "", "DATABASE_URL": "sqlite:rollcall.db",
		"ledger":         "rollcall.db",
		"ALERT_WAVE_GAP": 30 * time.Second, "ALERT_WAVE_MAX": 10 * time.Minute, "ALERT_LABELS": 0, "selector": true,
		"DIGEST_SCHEDULE": "0 9 * * *", "DIGEST_TIMEZONE": "UTC", "DIGEST_CHANNEL": "C0OPSNODES",
		"PRICES_FILE": "", "PRICE_DISCOUNT": 0.0, "SCALING_RETENTION": 90 * 24 * time.Hour, "EVENT_RETENTION": 24 * time.Hour,
		"HTTP_ADDR": ":8080", "level": slog.LevelInfo, "LOG_FORMAT": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if c.SlackBotToken.Reveal() != botToken || c.SlackAppToken.Reveal() != appToken || c.SlackChannel != "C0OPSNODES" {
		t.Error("the required variables were not read")
	}
	// A variable that is set but empty, as a manifest's may be, is not set.
	empty := right()
	for _, v := range Variables() {
		if _, ok := empty[v.Name]; !ok {
			empty[v.Name] = " "
		}
	}
	if again := load(t, empty); again.SlackAPIURL != c.SlackAPIURL || again.AlertWaveGap != c.AlertWaveGap ||
		again.Level != c.Level {
		t.Error("empty variables do not mean the defaults")
	}
}

func TestBlanksAreTrimmed(t *testing.T) {
	environ := right("SLACK_ALLOWED_USERS", " U0ADALOVE , U0GRACEH,", "SLACK_ALLOWED_CHANNELS", "C0OPSNODES ,, C0RANDOM ",
		"ALERT_LABELS", "team, topology.kubernetes.io/zone ,",
		"ALERT_WAVE_GAP", "10s", "DATABASE_URL", "sqlite:/data/rollcall.db", "PRICE_DISCOUNT", "12.5", "LOG_LEVEL", "debug",
		"SLACK_API_URL", "http://127.0.0.1:9/api",
		"ALERT_NODE_SELECTOR", "karpenter.sh/nodepool in (general, spot)", "DIGEST_CHANNEL", "G0PRIVATE")
	c := load(t, environ)
	blanks := map[string]string{}
	for k, v := range environ {
		blanks[k] = " \t" + v + "\r\n"
	}
	for _, c := range []Config{c, load(t, blanks)} {
		if diff := cmp.Diff([]string{"U0ADALOVE", "U0GRACEH"}, c.SlackAllowedUsers); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"C0OPSNODES", "C0RANDOM"}, c.SlackAllowedChannels); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"team", "topology.kubernetes.io/zone"}, c.AlertLabels); diff != "" {
			t.Error(diff)
		}
		if c.SlackBotToken.Reveal() != botToken || c.AlertWaveGap != 10*time.Second || c.LedgerPath != "/data/rollcall.db" ||
			c.PriceDiscount != 12.5 ||
			c.Level != slog.LevelDebug || c.SlackAPIURL != "http://127.0.0.1:9/api/" || !slices.Equal(c.DigestChannels, []string{"G0PRIVATE"}) {
			t.Errorf("%+v", c)
		}
		if !c.Selector.Matches(labels.Set{"karpenter.sh/nodepool": "spot"}) ||
			c.Selector.Matches(labels.Set{"karpenter.sh/nodepool": "gpu"}) {
			t.Errorf("selector %s", c.Selector)
		}
	}
}

// Each mistake names its variable, once, and says what would be right.
func TestMistakes(t *testing.T) {
	tests := []struct {
		name     string
		environ  map[string]string
		variable string
		says     string
	}{
		{"no bot token", right("SLACK_BOT_TOKEN", ""), "SLACK_BOT_TOKEN", "it is missing; copy the token that begins with " +
			"xoxb- from the app's settings under OAuth & Permissions"},
		{"no app token", right("SLACK_APP_TOKEN", ""), "SLACK_APP_TOKEN", "it is missing; copy the token that begins with " +
			"xapp- from the app's settings under Basic Information"},
		{"bot token under a misspelt name", right("SLACK_BOT_TOKEN", "", "SLACK_BOT_TOKN", botToken), "SLACK_BOT_TOKEN",
			"it is missing (is SLACK_BOT_TOKN meant to be it?)"},
		{"user token", right("SLACK_BOT_TOKEN", "xoxp-1111-2222"), "SLACK_BOT_TOKEN", "does not begin with xoxb-"},
		{"app token twice", right("SLACK_BOT_TOKEN", appToken), "SLACK_BOT_TOKEN", "does not begin with xoxb-"},
		{"swapped tokens", right("SLACK_BOT_TOKEN", appToken, "SLACK_APP_TOKEN", botToken), "SLACK_BOT_TOKEN",
			"it and SLACK_APP_TOKEN are swapped: the bot token begins with xoxb-"},
		{"quoted token", right("SLACK_BOT_TOKEN", `"`+botToken+`"`), "SLACK_BOT_TOKEN", "holds blanks or quotes"},
		{"two tokens in one", right("SLACK_APP_TOKEN", appToken+" "+appToken), "SLACK_APP_TOKEN", "holds blanks or quotes"},
		{"no channel", right("SLACK_CHANNEL", ""), "SLACK_CHANNEL", "it is missing; set it to the ID of the channel"},
		{"channel name", right("SLACK_CHANNEL", "#ops-nodes"), "SLACK_CHANNEL", `"#ops-nodes" is not a channel ID; names ` +
			`do not work: write the ID (C…`},
		{"channel name like an ID", right("SLACK_CHANNEL", "kubernetes"), "SLACK_CHANNEL", "names do not work"},
		{"channel link", right("SLACK_CHANNEL", "https://acme.slack.com/archives/C0OPSNODES"), "SLACK_CHANNEL",
			"is not a channel ID; write C0OPSNODES"},
		{"channel mention", right("SLACK_CHANNEL", "<#C0OPSNODES|ops>"), "SLACK_CHANNEL", "write C0OPSNODES"},
		{"channel in small letters", right("SLACK_CHANNEL", "c0opsnodes"), "SLACK_CHANNEL", "write C0OPSNODES"},
		{"token as the channel", right("SLACK_CHANNEL", "xoxb-9999-othersecret"), "SLACK_CHANNEL",
			`"[redacted]" is not a channel ID`},
		{"digest channel", right("DIGEST_CHANNEL", "ops"), "DIGEST_CHANNEL", `"ops" is not a channel ID`},
		{"allowed channel", right("SLACK_ALLOWED_CHANNELS", "C0OPSNODES,#ops"), "SLACK_ALLOWED_CHANNELS",
			`"#ops" is not a channel ID`},
		{"allowed user", right("SLACK_ALLOWED_USERS", "U0ADALOVE,@ada"), "SLACK_ALLOWED_USERS",
			`"@ada" is not a user ID; write the ID (U…, in a person's profile`},
		{"command without a name", right("SLACK_COMMANDS", "/staging-nodes"), "SLACK_COMMANDS",
			`"/staging-nodes" names neither nodes nor events; write for example nodes=/staging-nodes,events=/staging-events`},
		{"misspelt command", right("SLACK_COMMANDS", "node=/n"), "SLACK_COMMANDS", "write for example nodes=/n"},
		{"mentioned user", right("SLACK_ALLOWED_USERS", "<@U0ADALOVE>"), "SLACK_ALLOWED_USERS", "write U0ADALOVE"},
		{"API URL without a scheme", right("SLACK_API_URL", "slack.com/api"), "SLACK_API_URL",
			"is not a URL; write for example https://slack.com/api/"},
		{"API URL of another scheme", right("SLACK_API_URL", "wss://slack.com/api/"), "SLACK_API_URL", "is not a URL"},
		{"API URL that is none", right("SLACK_API_URL", "http://%zz:secretpassword@x/"), "SLACK_API_URL", "it is not a URL"},
		{"API URL with a password", right("SLACK_API_URL", "https://me:secretpassword@proxy/api/"), "SLACK_API_URL",
			"holds more than a host and a path"},
		{"other database", right("DATABASE_URL", "mysql://me:secretpassword@db/rollcall"), "DATABASE_URL",
			"write sqlite:FILE"},
		{"database without a file", right("DATABASE_URL", "sqlite:"), "DATABASE_URL", "names no file"},
		{"path as the database", right("DATABASE_URL", "/data/rollcall.db"), "DATABASE_URL", "write sqlite:FILE"},
		{"number as a duration", right("ALERT_WAVE_GAP", "45"), "ALERT_WAVE_GAP", `"45" is not a duration; write 45s`},
		{"spelt duration", right("ALERT_WAVE_MAX", "5 minutes"), "ALERT_WAVE_MAX", "write 5m"},
		{"days", right("SCALING_RETENTION", "90d"), "SCALING_RETENTION", `"90d" is not a duration; write 2160h`},
		{"weeks", right("EVENT_RETENTION", "2 weeks"), "EVENT_RETENTION", "write 336h"},
		{"no duration at all", right("EVENT_RETENTION", "for ever"), "EVENT_RETENTION", "write for example 30s, 10m or 24h"},
		{"short gap", right("ALERT_WAVE_GAP", "10ms"), "ALERT_WAVE_GAP", "10ms is too short; it must be at least 1s"},
		{"negative gap", right("ALERT_WAVE_GAP", "-30s"), "ALERT_WAVE_GAP", "too short"},
		{"zero", right("EVENT_RETENTION", "0s"), "EVENT_RETENTION", "0s is too short; it must be at least 1m0s"},
		{"whole shorter than the gap", right("ALERT_WAVE_GAP", "2m", "ALERT_WAVE_MAX", "1m"), "ALERT_WAVE_MAX",
			"1m0s is too short; it must be at least 2m0s (ALERT_WAVE_GAP)"},
		{"short retention", right("SCALING_RETENTION", "59m"), "SCALING_RETENTION", "at least 1h0m0s"},
		{"selector", right("ALERT_NODE_SELECTOR", "pool=="), "", ""}, // an empty value is right
		{"broken selector", right("ALERT_NODE_SELECTOR", "pool in (a"), "ALERT_NODE_SELECTOR",
			"write it as for kubectl get nodes -l"},
		{"selector key", right("ALERT_NODE_SELECTOR", "a b=c"), "ALERT_NODE_SELECTOR",
			"write it as for kubectl get nodes -l"},
		{"four cron fields", right("DIGEST_SCHEDULE", "0 9 * *"), "DIGEST_SCHEDULE",
			"write five fields (minute hour day month weekday), for example 0 9 * * 1-5, or @daily"},
		{"six cron fields", right("DIGEST_SCHEDULE", "0 0 9 * * *"), "DIGEST_SCHEDULE", "five fields"},
		{"cron minute", right("DIGEST_SCHEDULE", "60 9 * * *"), "DIGEST_SCHEDULE",
			`the minute is 0 to 59, and not "60"`},
		{"no weekday", right("DIGEST_SCHEDULE", "0 9 * * 8"), "DIGEST_SCHEDULE",
			`the weekday is 0 to 7, or SUN to SAT, and not "8"`},
		{"last day of the month", right("DIGEST_SCHEDULE", "0 9 L * *"), "DIGEST_SCHEDULE",
			`the day of the month is 1 to 31, and not "L"`},
		{"every day", right("DIGEST_SCHEDULE", "@every 1d"), "DIGEST_SCHEDULE", `"1d" is not a span of time as in @every 12h`},
		{"descriptor", right("DIGEST_SCHEDULE", "@dayly"), "DIGEST_SCHEDULE", "or @daily"},
		{"a day that never comes", right("DIGEST_SCHEDULE", "0 9 30 2 *"), "DIGEST_SCHEDULE", "never comes"},
		{"list of nothing", right("DIGEST_SCHEDULE", ", 9 * * *"), "DIGEST_SCHEDULE", "nothing stands for it"},
		{"two schedules with a comma", right("DIGEST_SCHEDULE", "0 9 * * *, 0 9 * * 1"), "DIGEST_SCHEDULE",
			`"0 9 * * *, 0 9 * * 1": a semicolon goes between two schedules; write 0 9 * * *; 0 9 * * 1`},
		{"two schedules in a zone with and", right("DIGEST_SCHEDULE", "TZ=Asia/Tokyo @daily and @weekly"), "DIGEST_SCHEDULE",
			"write TZ=Asia/Tokyo @daily; @weekly"},
		{"a list of schedules", right("DIGEST_SCHEDULE", `["0 9 * * *", "0 9 * * 1"]`), "DIGEST_SCHEDULE",
			"write 0 9 * * *; 0 9 * * 1"},
		{"the second schedule", right("DIGEST_SCHEDULE", "0 9 * * *; 0 25 * * 1"), "DIGEST_SCHEDULE",
			`"0 25 * * 1": the hour is 0 to 23`},
		{"a schedule twice", right("DIGEST_SCHEDULE", "0 9 * * 7; 0 9 * * SUN"), "DIGEST_SCHEDULE",
			"0 9 * * SUN is there twice; write it once"},
		{"schedules in two zones", right("DIGEST_SCHEDULE", "TZ=UTC @daily; TZ=Asia/Tokyo @weekly"), "DIGEST_SCHEDULE",
			"all digests are in one time zone"},
		{"no schedule", right("DIGEST_SCHEDULE", " ; "), "DIGEST_SCHEDULE", "five fields"},
		{"every second", right("DIGEST_SCHEDULE", "@every 1s"), "DIGEST_SCHEDULE", "too often"},
		{"schedule's zone", right("DIGEST_SCHEDULE", "CRON_TZ=Mars/Olympus 0 9 * * *"), "DIGEST_SCHEDULE",
			`"Mars/Olympus" is not a time zone`},
		{"schedule of a zone alone", right("DIGEST_SCHEDULE", "CRON_TZ=Europe/Berlin"), "DIGEST_SCHEDULE", "five fields"},
		{"schedule of nothing but TZ=", right("DIGEST_SCHEDULE", "TZ="), "DIGEST_SCHEDULE", "is not a time zone"},
		{"two zones", right("DIGEST_SCHEDULE", "TZ=UTC CRON_TZ=UTC 0 9 * * *"), "DIGEST_SCHEDULE", "five fields"},
		{"quiet", right("DIGEST_WHEN_QUIET", "skp"), "DIGEST_WHEN_QUIET", `"skp" is neither post nor skip; write skip`},
		{"quiet", right("DIGEST_WHEN_QUIET", "skp"), "DIGEST_WHEN_QUIET", `"skp" is neither post nor skip; write skip`},
		{"zone", right("DIGEST_TIMEZONE", "Berlin"), "DIGEST_TIMEZONE", `"Berlin" is not a time zone; write an IANA name, ` +
			`for example Europe/Berlin`},
		{"the machine's zone", right("DIGEST_TIMEZONE", "Local"), "DIGEST_TIMEZONE", "IANA name"},
		{"zone outside of the database", right("DIGEST_TIMEZONE", "../../etc/passwd"), "DIGEST_TIMEZONE", "IANA name"},
		{"discount above all", right("PRICE_DISCOUNT", "101"), "PRICE_DISCOUNT", "101 is not a percentage; write a number " +
			"from 0 to 100"},
		{"negative discount", right("PRICE_DISCOUNT", "-1"), "PRICE_DISCOUNT", "from 0 to 100"},
		{"discount of no number", right("PRICE_DISCOUNT", "NaN"), "PRICE_DISCOUNT", "from 0 to 100"},
		{"discount with a sign", right("PRICE_DISCOUNT", "15%"), "PRICE_DISCOUNT",
			`"15%" is not a number; write for example 15`},
		{"port alone", right("HTTP_ADDR", "8080"), "HTTP_ADDR", `"8080" is not an address with a port number; write :8080`},
		{"port too large", right("HTTP_ADDR", ":70000"), "HTTP_ADDR", "write :8080 or 127.0.0.1:8080"},
		{"no port", right("HTTP_ADDR", "localhost"), "HTTP_ADDR", "write :8080"},
		{"level", right("LOG_LEVEL", "warning"), "LOG_LEVEL", `"warning" is not a level; write warn`},
		{"misspelt level", right("LOG_LEVEL", "debgu"), "LOG_LEVEL", "write debug"},
		{"level of another kind", right("LOG_LEVEL", "chatty"), "LOG_LEVEL", "write debug, info, warn or error"},
		{"format", right("LOG_FORMAT", "JSON"), "LOG_FORMAT", `"JSON" is not a format; write json, or leave it empty`},
		{"other format", right("LOG_FORMAT", "logfmt"), "LOG_FORMAT", "write text or json"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Load(test.environ)
			if test.variable == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			ms, ok := errors.AsType[Mistakes](err)
			if !ok || len(ms) != 1 {
				t.Fatalf("want one mistake, got %v", err)
			}
			if ms[0].Variable != test.variable || !strings.Contains(ms[0].Problem, test.says) {
				t.Errorf("got  %s\nwant %s: …%s…", ms[0].Error(), test.variable, test.says)
			}
			if strings.Contains(ms.Error(), "secret") {
				t.Errorf("the error holds a secret: %v", err)
			}
			if c.Selector == nil || c.Zone == nil || c.Prices == nil {
				t.Error("a check cannot go on with what is right")
			}
		})
	}
}

func TestPrices(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.csv", "instance_type,region,usd_per_hour\nm5.large,eu-west-1,0.08\n")
	large := file("large.csv", "")
	if err := os.Truncate(large, maxPricesFile+1); err != nil {
		t.Fatal(err)
	}
	// No Slack, and another mistake: neither matters to the prices.
	c, err := Load(map[string]string{"PRICES_FILE": good, "PRICE_DISCOUNT": "50", "LOG_LEVEL": "loud"})
	if wrong := MistakesIn(err, "PRICES_FILE", "PRICE_DISCOUNT"); len(wrong) > 0 {
		t.Fatal(wrong)
	}
	if wrong := MistakesIn(err, "LOG_LEVEL"); len(wrong) != 1 || len(MistakesIn(err)) < 2 || len(MistakesIn(nil)) != 0 {
		t.Errorf("of all mistakes: %v, of LOG_LEVEL: %v", MistakesIn(err), wrong)
	}
	book := c.Prices
	for region, want := range map[string]fleet.Price{
		"eu-west-1": {USD: 0.08, Known: true, Source: "PRICES_FILE"},
		"us-east-1": {USD: 0.048, Known: true, Source: "AWS list price of 2026-07-20, 50% off"},
	} {
		if got := book.Price(fleet.Machine{Region: region, InstanceType: "m5.large", CapacityType: "on-demand"}); got != want {
			t.Errorf("%s: %+v, want %+v", region, got, want)
		}
	}
	for path, want := range map[string][]string{
		filepath.Join(dir, "none.csv"): {"PRICES_FILE: stat " + filepath.Join(dir, "none.csv") +
			": no such file or directory; set it to a CSV file that can be read, or leave it empty"},
		dir:   {"PRICES_FILE: " + dir + " is not a file; set it to"},
		large: {"PRICES_FILE: " + large + " is larger than 16 MiB; set it to"},
		file("bad.csv", "instance_type,usd_per_hour\nm5.large,$1\nm5.large,x\n"): {"bad.csv: line 2: usd_per_hour \"$1\": " +
			"it is not a price; write 1", "bad.csv: line 3: usd_per_hour \"x\""},
		file("token.csv", botToken+"\n"+appToken): {"token.csv: line 1: the first line must " +
			"name the columns"},
	} {
		c, err := Load(map[string]string{"PRICES_FILE": path})
		book, ms := c.Prices, MistakesIn(err, "PRICES_FILE")
		if len(ms) != len(want) {
			t.Errorf("%s: %v", path, err)
			continue
		}
		for i, m := range ms {
			if !strings.Contains(m.Error(), want[i]) {
				t.Errorf("got  %v\nwant …%s…", m, want[i])
			}
		}
		if strings.Contains(ms.Error(), "secret") {
			t.Errorf("the error holds a secret: %v", err)
		}
		if !book.Price(fleet.Machine{Region: "us-east-1", InstanceType: "m5.large"}).Known {
			t.Error("no prices at all")
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Load(map[string]string{"SLACK_CHANNEL": "#ops", "ALERT_WAVE_GAP": "1 fortnight", "SCALING_RETENTION": "1s",
		"DIGEST_SCHEDULE": "daily", "DIGEST_TIMEZONE": "Berlin",
		"PRICE_DISCOUNT": "much", "HTTP_ADDR": "8080", "LOG_LEVEL": "loud", "DATABASE_URL": "postgres://x"})
	ms, _ := errors.AsType[Mistakes](err)
	var got []string
	for _, m := range ms {
		got = append(got, m.Variable)
	}
	want := []string{"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_CHANNEL", "ALERT_WAVE_GAP", "SCALING_RETENTION",
		"DIGEST_SCHEDULE", "DIGEST_TIMEZONE",
		"PRICE_DISCOUNT", "HTTP_ADDR", "LOG_LEVEL", "DATABASE_URL"}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	lines := strings.Split(err.Error(), "\n")
	if lines[0] != "the configuration is wrong:" || len(lines) != len(want)+1 {
		t.Errorf("one line for each:\n%v", err)
	}
}

func TestDigestSchedule(t *testing.T) {
	monday := time.Date(2026, 3, 23, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		schedule, zone string
		next           string
	}{
		{"0 9 * * *", "", "2026-03-24 09:00 UTC"},
		{"0 9 * * *", "Europe/Berlin", "2026-03-24 09:00 CET"},
		{"30 14 * * *", "America/New_York", "2026-03-23 14:30 EDT"},
		{"CRON_TZ=Asia/Tokyo 0 9 * * *", "Europe/Berlin", "2026-03-24 09:00 JST"},
		{"TZ=Asia/Tokyo  0 9 * * *", "", "2026-03-24 09:00 JST"},
		{"CRON_TZ=America/New_York @daily", "", "2026-03-24 00:00 EDT"},
		{"@weekly", "Europe/Berlin", "2026-03-29 00:00 CET"},
		{"@every 6h", "", "2026-03-23 18:00 UTC"},
		{"0 9 * * MON-FRI", "", "2026-03-24 09:00 UTC"},
		{"0 9 * * 7", "", "2026-03-29 09:00 UTC"},
		{"0 9 * * SAT-SUN", "", "2026-03-28 09:00 UTC"},
		{"TZ=Asia/Tokyo 0 9 * * Sunday", "", "2026-03-29 09:00 JST"},
		{`"0 9 * * 1-5"`, "", "2026-03-24 09:00 UTC"},
		{"0 9 29 2 *", "", "2028-02-29 09:00 UTC"},
		{"0 9 * * *; 30 7 * * 2", "", "2026-03-24 07:30 UTC"},
		{"\n30 7 * * 2\n0 9 * * *\n", "Asia/Tokyo", "2026-03-24 07:30 JST"},
		{"TZ=Asia/Tokyo 30 7 * * 2; TZ=Asia/Tokyo 0 9 * * *", "", "2026-03-24 07:30 JST"},
		{"'TZ=Asia/Tokyo 0 9 * * *;30 7 * * 2;'", "", "2026-03-24 07:30 JST"},
		// The night without a half past two: the digest comes when clocks jump over it.
		{"30 2 29 3 *", "Europe/Berlin", "2026-03-29 03:00 CEST"},
	}
	for _, test := range tests {
		c := load(t, right("DIGEST_SCHEDULE", test.schedule, "DIGEST_TIMEZONE", test.zone))
		if got := c.Digest.Next(monday).In(c.Zone).Format("2006-01-02 15:04 MST"); got != test.next {
			t.Errorf("%s in %q: next at %s, want %s", test.schedule, test.zone, got, test.next)
		}
	}
}

// Secrets print as [redacted] however they are printed.
func TestSecretNeverPrints(t *testing.T) {
	c := load(t, right())
	var logs bytes.Buffer
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&logs, nil)),
		slog.New(slog.NewJSONHandler(&logs, nil))} {
		log.Info("token", "secret", c.SlackBotToken, "config", c, "pointer", &c, "list", []Secret{c.SlackAppToken}, "error",
			fmt.Errorf("token %s", c.SlackBotToken))
	}
	printed := map[string]string{"slog": logs.String(),
		"error":  fmt.Errorf("token %v: %w", c.SlackAppToken, errors.New("x")).Error(),
		"Sprint": fmt.Sprint(c.SlackBotToken, c, &c), "text": string(must(c.SlackBotToken.MarshalText()))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%c", "%U", "%t", "%10.3s",
		"%08v"} {
		for name, value := range map[string]any{"secret": c.SlackBotToken, "pointer": &c.SlackBotToken, "config": c,
			"config pointer": &c, "list": []Secret{c.SlackAppToken},
			"key": map[Secret]Secret{c.SlackBotToken: c.SlackAppToken}, "any": []any{c.SlackBotToken}} {
			printed[verb+" "+name] = fmt.Sprintf(verb, value)
		}
	}
	for name, value := range map[string]any{"secret": c.SlackBotToken, "pointer": &c.SlackBotToken,
		"list": []Secret{c.SlackAppToken}, "value": map[string]Secret{"bot": c.SlackBotToken},
		"tokens": struct{ Bot, App Secret }{c.SlackBotToken, c.SlackAppToken}} {
		printed["JSON "+name] = string(must(json.Marshal(value)))
	}
	for how, s := range printed {
		for _, secret := range []string{botToken, appToken, fmt.Sprintf("%x", botToken), fmt.Sprintf("%X", appToken),
			fmt.Sprintf("% x", botToken), botToken[:3]} {
			if strings.Contains(s, secret) {
				t.Errorf("%s prints the secret: %s", how, s)
			}
		}
	}
	if got := fmt.Sprintf("%s|%v|%#v|%q", c.SlackBotToken, c.SlackBotToken, c.SlackBotToken,
		c.SlackBotToken); got != "[redacted]|[redacted]|[redacted]|[redacted]" {
		t.Error(got)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The comments say what each variable means, and Variables tells them in the fields' order.
func TestVariables(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range Variables() {
		if v.Doc == "" || seen[v.Name] {
			t.Errorf("%s has no description or is there twice", v.Name)
		}
		seen[v.Name] = true
	}
	for _, name := range []string{"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_CHANNEL", "SLACK_API_URL",
		"SLACK_ALLOWED_USERS", "SLACK_ALLOWED_CHANNELS", "SLACK_COMMANDS",
		"KUBECONFIG", "KUBE_CONTEXT", "CLUSTER_NAME", "DATABASE_URL", "ALERT_WAVE_GAP", "ALERT_WAVE_MAX", "ALERT_LABELS",
		"ALERT_NODE_SELECTOR",
		"DIGEST_SCHEDULE", "DIGEST_TIMEZONE", "DIGEST_CHANNEL", "DIGEST_WHEN_QUIET", "PRICES_FILE", "PRICE_DISCOUNT",
		"SCALING_RETENTION", "EVENT_RETENTION", "HTTP_ADDR", "LOG_LEVEL", "LOG_FORMAT"} {
		if !seen[name] {
			t.Errorf("%s, which the contract promises, is not there", name)
		}
	}
}

// Whatever the environment holds, Load returns, and no mistake shows a token, not even one that
// stands in the wrong variable.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"", "TZ=", "CRON_TZ=x", "@every -1h", ", * * * *", "*/0 * * * *", "9-1 9 * * *", "60",
		"90d", "1e400", "NaN", "a in (", "!x", "sqlite:?", "sqlite://",
		"http://[::1", "https://u:p@h/", ":http", "C0", "\x00", "\xff\xfe", "%!s(x)", strings.Repeat("9", 400),
		"<@U0ADALOVE>", "0 0 31 2 *", "x=y,x!=y"} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(14))
	}
	names := []string{}
	for _, v := range Variables() {
		names = append(names, v.Name)
	}
	f.Fuzz(func(t *testing.T, value string, which uint8) {
		name := names[int(which)%len(names)]
		all := map[string]string{}
		for _, n := range names {
			all[n] = value
		}
		one := right()
		one[name] = value
		pasted := maps.Clone(one)
		pasted[name] = strings.ReplaceAll(value, botToken, "") + botToken
		for _, environ := range []map[string]string{all, one, pasted} {
			c, err := Load(environ)
			if err == nil {
				if c.Digest == nil || c.Digest.Next(time.Now()).IsZero() || c.Selector == nil || c.Zone == nil ||
					c.LedgerPath == "" {
					t.Errorf("no mistake, but an incomplete configuration: %+v", c)
				}
				continue
			}
			ms, ok := errors.AsType[Mistakes](err)
			if !ok || len(ms) == 0 {
				t.Fatalf("%T", err)
			}
			for _, m := range ms {
				if m.Variable == "" || m.Problem == "" {
					t.Errorf("an empty mistake: %+v", m)
				}
			}
			for _, secret := range []string{"botsecret", "appsecret"} {
				if strings.Contains(err.Error(), secret) && !strings.Contains(value, secret) {
					t.Errorf("the error holds a secret: %v", err)
				}
			}
		}
	})
}
