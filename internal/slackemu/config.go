package slackemu

import (
	"slices"
	"time"
)

// The workspace that New(Config{}) gives.
const (
	DefaultTeamID     = "T0ROLLCALL"
	DefaultTeamName   = "Rollcall Test"
	DefaultTeamDomain = "rollcall-test"
	DefaultAppID      = "A0ROLLCALL"
	DefaultBotUserID  = "U0ROLLCALLBOT"
	DefaultBotID      = "B0ROLLCALL"
	DefaultBotName    = "rollcall"

	DefaultBotToken = "xoxb-emulator-0000000000-rollcall"
	DefaultAppToken = "xapp-1-A0ROLLCALL-0000000000-emulator"

	ChannelOps      = "C0ROLLCALL" // #ops-nodes, public, the bot is a member
	ChannelOther    = "C0OTHER"    // #random, public, the bot is not a member
	ChannelArchived = "C0ARCHIVED" // #old-ops, archived, the bot was a member
	ChannelPrivate  = "C0PRIVATE"  // #ops-private, private, the bot is a member
	ChannelSecret   = "C0SECRET"   // #secret, private, the bot is not a member: channel_not_found

	UserAda   = "U0ADA"   // Europe/London
	UserGrace = "U0GRACE" // America/New_York
	UserEve   = "U0EVE"   // of another organisation, a member of #ops-nodes, which is shared with it

	GroupOncall = "S0ONCALL" // @oncall: Ada and Grace

	ForeignTeamID = "T0FOREIGN" // Eve's
)

// Config describes a workspace and how it behaves. The zero value of every field means the default named with it.
type Config struct {
	TeamID, TeamName, TeamDomain string // DefaultTeamID and so on
	// EnterpriseID and EnterpriseName are set for a workspace of an Enterprise Grid organisation. Default none.
	EnterpriseID, EnterpriseName string

	AppID, BotUserID, BotID, BotName string // DefaultAppID and so on

	// Tokens are all tokens that are valid. Default: DefaultBotToken with DefaultScopes and DefaultAppToken with
	// connections:write.
	Tokens []Token
	// Channels, Users: default as the constants say.
	Channels   []Channel
	Users      []User
	UserGroups []UserGroup
	// Commands are the app's slash commands. Default /nodes and /events.
	Commands []string
	// Shortcuts are the app's message shortcuts. Default "Why?", whose callback_id is "why".
	Shortcuts []Shortcut
	// Events are the bot events that the app has subscribed to. Default app_home_opened and message.im. A person's text
	// in a direct message also needs the scope im:history, or nobody tells the app.
	Events []string
	// RawCommandText switches off the escaping of &, < and > in the text of slash commands.
	RawCommandText bool

	// NotRolledOut names block types that this workspace does not know yet (invalid_blocks), such as
	// "data_visualization" or "table"; also the table cell type "raw_text".
	NotRolledOut []string
	// RemoteFiles are the external ids that file blocks may name.
	RemoteFiles []string

	// NoRateLimits switches rate limits off; see also SetRateLimits.
	NoRateLimits bool
	// PostMessageBurst is how many chat.postMessage calls a channel takes at once, refilled at one per second.
	// Default 3.
	PostMessageBurst int
	// Limits replaces the limit of single methods. The limit of chat.postMessage is per channel.
	Limits map[string]Limit

	// AckTimeout is how long an envelope waits for its acknowledgement. Default 3 s.
	AckTimeout time.Duration
	// RetryDelays are the waits before each redelivery of an event. Default at once, 1 min, 5 min (reported).
	// An empty, non-nil slice means no redelivery.
	RetryDelays []time.Duration
	// PingInterval is how often the server pings a socket. Default 5 s. A socket without a pong for three intervals
	// is closed.
	PingInterval time.Duration
	// WarningLead is the time between the disconnect frame "warning" and the close. Default 10 s.
	WarningLead time.Duration
	// TriggerLife is how long a trigger_id is valid. Default 3 s.
	TriggerLife time.Duration
	// ResponseURLLife is how long a response_url is valid. Default 30 min; it always has 5 uses.
	ResponseURLLife time.Duration
	// EditWindow is how long messages can be edited. Default 0, for ever.
	EditWindow time.Duration
	// FileProcessing is how long a completed upload cannot be used as a slack_file yet. Default 200 ms.
	FileProcessing time.Duration

	// BaseURL is where the server is reached, without a trailing slash. It is needed for response_urls made before
	// the first request; Start sets it.
	BaseURL string
	// Seed of the pseudo-random choices: which socket takes an envelope, probabilistic faults. Default 1.
	Seed uint64
}

// Shortcut is an entry of the menu that every message has.
type Shortcut struct {
	Name       string // at most 24 characters
	CallbackID string
}

// Limit is a token bucket.
type Limit struct {
	PerMinute float64
	Burst     int
}

// Token is a bot token (xoxb-) or an app-level token (xapp-).
type Token struct {
	Value  string
	Scopes []string
	// UserID and BotID of a bot token: default Config.BotUserID and BotID.
	UserID, BotID string
	// Revoked tokens get token_revoked, Inactive ones account_inactive.
	Revoked, Inactive bool
}

// app says whether this is an app-level token.
func (t Token) app() bool { return len(t.Value) > 5 && t.Value[:5] == "xapp-" }

// Channel is a conversation of the workspace.
type Channel struct {
	ID, Name  string
	Members   []string // user ids; the bot's user id among them makes it a member
	IsPrivate bool
	Archived  bool
	IsShared  bool // shared with another organisation
	Topic     string
	Created   time.Time
}

// User is a person, or a bot's user.
type User struct {
	ID, Name, RealName string
	TeamID             string // default Config.TeamID
	TZ                 string // IANA name, default UTC
	IsBot              bool
	IsAdmin            bool
	Deleted            bool
	// IsRestricted is a multi-channel guest of the workspace, IsUltraRestricted a single-channel guest.
	IsRestricted, IsUltraRestricted bool
	// EnterpriseID is the person's organisation and Teams its workspaces that the person is a member of, in
	// Enterprise Grid.
	EnterpriseID string
	Teams        []string
	// Invisible people get user_not_visible from users.info.
	Invisible bool
}

// UserGroup is a group of people who are mentioned together.
type UserGroup struct {
	ID, Handle, Name string
	Members          []string // user ids
	Disabled         bool
}

// DefaultScopes are the scopes of the default bot token.
func DefaultScopes() []string {
	return []string{"commands", "chat:write", "files:write", "channels:history", "groups:history", "channels:read",
		"groups:read", "users:read", "im:history", "assistant:write"}
}

func (c Config) withDefaults() Config {
	set := func(s *string, val string) {
		if *s == "" {
			*s = val
		}
	}
	set(&c.TeamID, DefaultTeamID)
	set(&c.TeamName, DefaultTeamName)
	set(&c.TeamDomain, DefaultTeamDomain)
	set(&c.AppID, DefaultAppID)
	set(&c.BotUserID, DefaultBotUserID)
	set(&c.BotID, DefaultBotID)
	set(&c.BotName, DefaultBotName)
	if c.Tokens == nil {
		c.Tokens = []Token{
			{Value: DefaultBotToken, Scopes: DefaultScopes()},
			{Value: DefaultAppToken, Scopes: []string{"connections:write"}},
		}
	}
	if c.Users == nil {
		c.Users = []User{
			{ID: UserAda, Name: "ada", RealName: "Ada Lovelace", TZ: "Europe/London", IsAdmin: true},
			{ID: UserGrace, Name: "grace", RealName: "Grace Hopper", TZ: "America/New_York"},
			{ID: UserEve, Name: "eve", RealName: "Eve Foreign", TZ: "Asia/Tokyo", TeamID: ForeignTeamID},
		}
	}
	if c.Channels == nil {
		c.Channels = []Channel{
			{ID: ChannelOps, Name: "ops-nodes", Members: []string{c.BotUserID, UserAda, UserGrace, UserEve}, IsShared: true},
			{ID: ChannelOther, Name: "random", Members: []string{UserAda, UserGrace}},
			{ID: ChannelArchived, Name: "old-ops", Members: []string{c.BotUserID, UserAda}, Archived: true},
			{ID: ChannelPrivate, Name: "ops-private", Members: []string{c.BotUserID, UserAda}, IsPrivate: true},
			{ID: ChannelSecret, Name: "secret", Members: []string{UserGrace}, IsPrivate: true},
		}
	}
	if c.UserGroups == nil {
		c.UserGroups = []UserGroup{{ID: GroupOncall, Handle: "oncall", Name: "On call",
			Members: []string{UserAda, UserGrace}}}
	}
	if c.Commands == nil {
		c.Commands = []string{"/nodes", "/events"}
	}
	if c.Shortcuts == nil {
		c.Shortcuts = []Shortcut{{Name: "Why?", CallbackID: "why"}}
	}
	if c.Events == nil {
		c.Events = []string{eventHomeOpened, eventMessageIM}
	}
	if c.RetryDelays == nil {
		c.RetryDelays = []time.Duration{0, time.Minute, 5 * time.Minute}
	}
	if c.PostMessageBurst == 0 {
		c.PostMessageBurst = 3
	}
	wait := func(d *time.Duration, val time.Duration) {
		if *d == 0 {
			*d = val
		}
	}
	wait(&c.AckTimeout, 3*time.Second)
	wait(&c.PingInterval, 5*time.Second)
	wait(&c.WarningLead, 10*time.Second)
	wait(&c.TriggerLife, 3*time.Second)
	wait(&c.ResponseURLLife, 30*time.Minute)
	wait(&c.FileProcessing, 200*time.Millisecond)
	if c.Seed == 0 {
		c.Seed = 1
	}

	// The server changes these at run time and must not share them with the caller.
	c.Tokens = slices.Clone(c.Tokens)
	for i := range c.Tokens {
		t := &c.Tokens[i]
		t.Scopes = slices.Clone(t.Scopes)
		if !t.app() {
			set(&t.UserID, c.BotUserID)
			set(&t.BotID, c.BotID)
		}
	}
	c.Channels = slices.Clone(c.Channels)
	for i := range c.Channels {
		c.Channels[i].Members = slices.Clone(c.Channels[i].Members)
		if c.Channels[i].Created.IsZero() {
			c.Channels[i].Created = time.Unix(1_700_000_000, 0)
		}
	}
	c.Users = slices.Clone(c.Users)
	if !slices.ContainsFunc(c.Users, func(u User) bool { return u.ID == c.BotUserID }) {
		c.Users = append(c.Users, User{ID: c.BotUserID, Name: c.BotName, RealName: c.BotName, IsBot: true})
	}
	for i := range c.Users {
		set(&c.Users[i].TeamID, c.TeamID)
		set(&c.Users[i].TZ, "UTC")
	}
	return c
}
