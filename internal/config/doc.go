package config

import "reflect"

// Variable is one row of the configuration table.
type Variable struct {
	Name    string
	Default string // "" if there is none
	Doc     string
}

// meanings says what each variable means; a test fails for one that is missing.
var meanings = map[string]string{
	"SLACK_BOT_TOKEN":        "bot token (xoxb-…)",
	"SLACK_APP_TOKEN":        "app-level token (xapp-…) with the scope connections:write",
	"SLACK_CHANNEL":          "ID of the channel for alerts",
	"SLACK_API_URL":          "for an emulator or a proxy",
	"SLACK_ALLOWED_USERS":    "user IDs that may use Rollcall; empty: every full member of the bot's own workspace",
	"SLACK_ALLOWED_CHANNELS": "channel IDs where commands may be used; empty: everywhere",
	"SLACK_COMMANDS": "names of the slash commands, for several Rollcalls in one workspace: nodes=/staging-nodes," +
		"events=/staging-events",
	"ROUTES": "which channel gets what, and whom it rings: lines of `matchers -> channel [mention…]`, parted by line " +
		"breaks or semicolons; the first that matches wins, SLACK_CHANNEL takes the rest; see Routes",
	"REMIND_AFTER": "what is loud and that nobody looks at rings whom ROUTES names once more after this long; " +
		"`0s`: never",
	"KUBECONFIG":          "kubeconfig file; empty: in-cluster, else ~/.kube/config",
	"KUBE_CONTEXT":        "context in the kubeconfig; empty: its current one",
	"CLUSTER_NAME":        "the cluster's name in messages; empty: the context's name, else kubernetes",
	"DATABASE_URL":        "the ledger",
	"ALERT_WAVE_GAP":      "a wave ends when no like change came for this long",
	"ALERT_WAVE_MAX":      "and at the latest this long after it began",
	"PENDING_AFTER":       "pods that wait for a node this long without an autoscaler's word are told; `0s`: never",
	"BLIND_AFTER":         "when the cluster has not been seen for this long, the channel is told; `0s`: never",
	"ALERT_LABELS":        "label keys shown on nodes, besides zone, pool, capacity type and arch",
	"ALERT_NODE_SELECTOR": "label selector of the nodes that alert; empty: all",
	"KEPT_ALERT": "when nodes that are kept from going become a message: dollars an hour, or a part of what all nodes " +
		"cost, for a time; each of the first two may be left out, as in `20%,12h`; `off`: never, forgotten cordons neither",
	"DIGEST_SCHEDULE": "when the digest is posted: five cron fields or @daily and the like; several with a semicolon " +
		"between them, as in `0 9 * * *; 0 9 * * 1`, have each their own",
	"DIGEST_TIMEZONE": "IANA time zone of the digest",
	"DIGEST_CHANNEL": "channel IDs that get the digest; one to which ROUTES leads gets that of the nodes it covers; " +
		"empty: SLACK_CHANNEL",
	"DIGEST_WHEN_QUIET": "post or skip: what to do when nothing happened to the nodes since the last digest",
	"PRICES_FILE":       "CSV file of prices of your own, which outrank the built-in list prices; see Prices",
	"PRICE_DISCOUNT":    "discount on the built-in list prices, in percent",
	"BUDGETS": "what nodes may cost, in US dollars a day, week or month of DIGEST_TIMEZONE: " +
		"`prod=9000/month,pool:gpu=80/day`; a cluster's name, or a pool's after `pool:`; see Budgets",
	"ROLLOUTS":    "Deployments whose rollouts are told: globs of namespace/name, as in `shop/*,payments/api`",
	"WEBHOOK_URL": "where every change and message is sent as a CloudEvent, besides Slack; see Webhook",
	"WEBHOOK_SECRET": "what events are signed with, `whsec_…` as Standard Webhooks has it; two, with a blank between " +
		"them, while one takes the other's place",
	"SCALING_RETENTION": "how long changes and scaling events are kept",
	"EVENT_RETENTION":   "how long other events are kept",
	"HTTP_ADDR":         "address of /healthz, /readyz and /metrics",
	"LOG_LEVEL":         "debug, info, warn or error",
	"LOG_FORMAT":        "text or json; empty: text on a terminal, else json",
}

// Variables lists the environment variables in the order of Config's fields.
func Variables() []Variable {
	var vs []Variable
	for f := range reflect.TypeFor[Config]().Fields() {
		if name := f.Tag.Get("env"); name != "" {
			vs = append(vs, Variable{Name: name, Default: f.Tag.Get("envDefault"), Doc: meanings[name]})
		}
	}
	return vs
}

// variable is the environment variable of a field of Config.
func variable(field string) string {
	if f, ok := reflect.TypeFor[Config]().FieldByName(field); ok {
		return f.Tag.Get("env")
	}
	return field
}
