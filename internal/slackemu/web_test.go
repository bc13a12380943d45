package slackemu

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
)

// client is slack-go against s.
func client(s *Server) *slack.Client {
	return slack.New(DefaultBotToken, slack.OptionAppLevelToken(DefaultAppToken), slack.OptionAPIURL(s.APIURL()),
		slack.OptionHTTPClient(&http.Client{Timeout: 5 * time.Second}))
}

// form calls a method as a form with a token (or none) and returns the decoded answer.
func form(t *testing.T, s *Server, method, token string, args ...string) (map[string]any, *http.Response) {
	t.Helper()
	values := url.Values{}
	if token != "" {
		values.Set("token", token)
	}
	for i := 0; i < len(args); i += 2 {
		values.Set(args[i], args[i+1])
	}
	resp, err := http.PostForm(s.APIURL()+method, values)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, resp), resp
}

func decode(t *testing.T, resp *http.Response) map[string]any {
	t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(body, &out); err != nil {
		t.Fatalf("answer is not JSON: %s", body)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// code is the error code of a slack-go error.
func code(err error) string {
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return e.Err
	}
	return fmt.Sprint(err)
}

func TestPostUpdateDelete(t *testing.T) {
	s := Start(t, Config{})
	api := client(s)
	channel, ts, msg, err := api.PostMessageWithResponse(ChannelOps,
		slack.MsgOptionText("3 nodes joined", false),
		slack.MsgOptionBlocks(slack.NewSectionBlock(slack.NewTextBlockObject("mrkdwn", "*3 nodes* joined", false, false), nil,
			nil)),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "rollcall_wave", EventPayload: map[string]any{"key": "k1"}}))
	must(t, err)
	if channel != ChannelOps || !tsForm.MatchString(ts) {
		t.Errorf("posted to %s at %s", channel, ts)
	}
	if msg.User != DefaultBotUserID || msg.BotID != DefaultBotID || msg.Team != DefaultTeamID ||
		msg.Metadata.EventPayload["key"] != "k1" {
		t.Errorf("answer has %+v", msg)
	}
	if msg.Blocks.BlockSet[0].ID() == "" {
		t.Error("no block_id was filled in")
	}

	_, _, _, err = api.UpdateMessage(ChannelOps, ts, slack.MsgOptionText("4 nodes joined", false))
	must(t, err)
	got, ok := s.Message(ChannelOps, ts)
	if !ok || got.Text != "4 nodes joined" || got.Blocks == nil || got.Metadata == nil || got.EditedTS == "" {
		t.Errorf("after a text-only update: %+v", got)
	}
	if len(got.Versions) != 2 || got.Versions[0].Text != "3 nodes joined" || got.Versions[1].Text != "4 nodes joined" {
		t.Errorf("versions %+v", got.Versions)
	}
	_, _, _, err = api.UpdateMessage(ChannelOps, ts, slack.MsgOptionText("5", false), slack.MsgOptionBlocks())
	must(t, err)
	if got, _ := s.Message(ChannelOps, ts); got.Blocks != nil {
		t.Errorf("blocks=[] left %s", got.Blocks)
	}
	_, _, err = api.DeleteMessage(ChannelOps, ts)
	must(t, err)
	if len(s.Messages(ChannelOps)) != 0 || len(s.Deleted(ChannelOps)) != 1 {
		t.Error("the message was not deleted")
	}
	if _, _, _, err := api.UpdateMessage(ChannelOps, ts, slack.MsgOptionText("x", false)); code(
		err) != "message_not_found" {
		t.Errorf("update after delete: %v", err)
	}
	n := s.Counts()["chat.update"]
	if n.Calls != 3 || n.OK != 2 || n.Errors["message_not_found"] != 1 {
		t.Errorf("counts %+v", n)
	}
	for _, c := range s.Calls() {
		if _, ok := c.Args["token"]; ok {
			t.Errorf("the log of %s holds the token", c.Method)
		}
	}
}

func TestThreads(t *testing.T) {
	s := Start(t, Config{PostMessageBurst: 20})
	api := client(s)
	_, parent, err := api.PostMessage(ChannelOps, slack.MsgOptionText("wave", false))
	must(t, err)
	_, reply, err := api.PostMessage(ChannelOps, slack.MsgOptionText("detail", false), slack.MsgOptionTS(parent))
	must(t, err)
	_, _, err = api.PostMessage(ChannelOps, slack.MsgOptionText("closed", false), slack.MsgOptionTS(parent),
		slack.MsgOptionBroadcast())
	must(t, err)

	m, _ := s.Message(ChannelOps, parent)
	if m.ReplyCount != 2 || m.ThreadTS != parent || m.LatestReply <= reply {
		t.Errorf("parent %+v", m)
	}
	if n := len(s.Messages(ChannelOps)); n != 2 {
		t.Errorf("the channel shows %d messages, want the parent and the broadcast", n)
	}
	if n := len(s.Thread(ChannelOps, parent)); n != 2 {
		t.Errorf("the thread has %d replies", n)
	}
	got, _, _, err := api.GetConversationReplies(&slack.GetConversationRepliesParameters{ChannelID: ChannelOps,
		Timestamp: parent})
	must(t, err)
	var texts []string
	for _, m := range got {
		texts = append(texts, m.Text)
	}
	if diff := cmp.Diff([]string{"wave", "detail", "closed"}, texts); diff != "" {
		t.Error(diff)
	}

	if _, _, err := api.PostMessage(ChannelOps, slack.MsgOptionText("x", false), slack.MsgOptionTS(reply)); code(
		err) != "cannot_reply_to_message" {
		t.Errorf("reply to a reply: %v", err)
	}
	if _, _, err := api.PostMessage(ChannelOps, slack.MsgOptionText("x", false),
		slack.MsgOptionTS("1600000000.000001")); code(err) != "thread_not_found" {
		t.Errorf("reply to nothing: %v", err)
	}
	// A parent with replies leaves a tombstone.
	_, _, err = api.DeleteMessage(ChannelOps, parent)
	must(t, err)
	if m, ok := s.Message(ChannelOps, parent); !ok || m.Subtype != "tombstone" || m.ReplyCount != 2 {
		t.Errorf("tombstone %+v", m)
	}
	// One without goes without a trace, and what was meant as a reply appears in the channel.
	_, lone, err := api.PostMessage(ChannelOps, slack.MsgOptionText("lone", false))
	must(t, err)
	_, _, err = api.DeleteMessage(ChannelOps, lone)
	must(t, err)
	_, ts, msg, err := api.PostMessageWithResponse(ChannelOps, slack.MsgOptionText("late", false), slack.MsgOptionTS(lone))
	must(t, err)
	if m, _ := s.Message(ChannelOps, ts); m.ThreadTS != "" || msg.ThreadTimestamp != "" {
		t.Error("a reply to a vanished parent should be posted un-threaded")
	}
}

func TestHistory(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true})
	api := client(s)
	var all []string
	for i := range 7 {
		_, ts, err := api.PostMessage(ChannelOps, slack.MsgOptionText(fmt.Sprint(i), false),
			slack.MsgOptionMetadata(slack.SlackMetadata{EventType: "e", EventPayload: map[string]any{"i": i}}))
		must(t, err)
		all = append(all, ts)
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != 7 {
		t.Fatalf("ts are not unique and rising: %v", all)
	}
	read := func(p slack.GetConversationHistoryParameters) (out string) {
		t.Helper()
		p.ChannelID = ChannelOps
		for range 10 {
			page, err := api.GetConversationHistory(&p)
			must(t, err)
			for _, m := range page.Messages {
				out += m.Text
			}
			if !page.HasMore {
				return out
			}
			out += "|"
			p.Cursor = page.ResponseMetaData.NextCursor
		}
		t.Fatal("the pages do not end")
		return ""
	}
	for _, c := range []struct {
		name string
		p    slack.GetConversationHistoryParameters
		want string
	}{
		{"all", slack.GetConversationHistoryParameters{}, "6543210"},
		{"pages", slack.GetConversationHistoryParameters{Limit: 3}, "654|321|0"},
		{"latest", slack.GetConversationHistoryParameters{Latest: all[3]}, "210"},
		{"latest inclusive", slack.GetConversationHistoryParameters{Latest: all[3], Inclusive: true}, "3210"},
		{"oldest", slack.GetConversationHistoryParameters{Oldest: all[3]}, "654"},
		{"oldest inclusive in pages", slack.GetConversationHistoryParameters{Oldest: all[2], Inclusive: true, Limit: 2},
			"32|54|6"},
		{"both", slack.GetConversationHistoryParameters{Oldest: all[1], Latest: all[5], Inclusive: true}, "54321"},
	} {
		if got := read(c.p); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
	page, err := api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: ChannelOps, Limit: 1})
	must(t, err)
	if page.Messages[0].Metadata.EventType != "" {
		t.Error("metadata came without include_all_metadata")
	}
	page, err = api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: ChannelOps, Limit: 1,
		IncludeAllMetadata: true})
	must(t, err)
	if page.Messages[0].Metadata.EventPayload["i"] != float64(6) {
		t.Error("metadata is missing")
	}
}

func TestChannelsAndUsers(t *testing.T) {
	s := Start(t, Config{})
	api := client(s)
	auth, err := api.AuthTest()
	must(t, err)
	if auth.UserID != DefaultBotUserID || auth.BotID != DefaultBotID || auth.TeamID != DefaultTeamID {
		t.Errorf("auth.test: %+v", auth)
	}
	if got := auth.Header.Get("X-OAuth-Scopes"); got != strings.Join(DefaultScopes(), ",") {
		t.Errorf("x-oauth-scopes: %q", got)
	}
	ch, err := api.GetConversationInfo(&slack.GetConversationInfoInput{ChannelID: ChannelOps, IncludeNumMembers: true})
	must(t, err)
	if ch.Name != "ops-nodes" || !ch.IsMember || ch.NumMembers != 4 {
		t.Errorf("conversations.info: %+v", ch)
	}
	var names []string
	params := &slack.GetConversationsParameters{Types: []string{"public_channel", "private_channel"}, Limit: 2}
	for {
		list, next, err := api.GetConversations(params)
		must(t, err)
		for _, c := range list {
			names = append(names, c.Name)
		}
		if next == "" {
			break
		}
		params.Cursor = next
	}
	if diff := cmp.Diff([]string{"ops-nodes", "random", "old-ops", "ops-private"}, names); diff != "" {
		t.Error(diff)
	}
	s.AddScope(DefaultBotToken, "channels:join")
	_, _, _, err = api.JoinConversation(ChannelOther)
	must(t, err)
	if _, _, err := api.PostMessage(ChannelOther, slack.MsgOptionText("hi", false)); err != nil {
		t.Errorf("posting after joining: %v", err)
	}
	u, err := api.GetUserInfo(UserGrace)
	must(t, err)
	if u.Name != "grace" || u.TZ != "America/New_York" || u.TZOffset == 0 {
		t.Errorf("users.info: %+v", u)
	}
	eve, err := api.GetUserInfo(UserEve)
	must(t, err)
	if eve.TeamID != ForeignTeamID || eve.IsStranger || eve.TZ != "" {
		t.Errorf("Eve, whom the app meets in a shared channel: %+v", eve)
	}
	s.EditChannel(ChannelOps, func(c *Channel) { c.Members = []string{DefaultBotUserID, UserAda} })
	if eve, err = api.GetUserInfo(UserEve); err != nil || !eve.IsStranger {
		t.Errorf("Eve, whom the app meets nowhere: %+v, %v", eve, err)
	}
	s.EditUser(UserGrace, func(u *User) {
		u.IsUltraRestricted, u.EnterpriseID, u.Teams = true, "E0ACME", []string{DefaultTeamID}
	})
	u, err = api.GetUserInfo(UserGrace)
	must(t, err)
	if !u.IsRestricted || !u.IsUltraRestricted || u.Enterprise.EnterpriseID != "E0ACME" || len(u.Enterprise.Teams) != 1 {
		t.Errorf("a single-channel guest: %+v", u)
	}
	s.EditUser(UserGrace, func(u *User) { u.Invisible = true })
	if _, err := api.GetUserInfo(UserGrace); err == nil || err.Error() != "user_not_visible" {
		t.Errorf("an invisible person: %v", err)
	}
	if s.EditUser("U0NOBODY", func(*User) {}) {
		t.Error("nobody was changed")
	}
	bot, err := api.GetBotInfo(slack.GetBotInfoParameters{Bot: DefaultBotID})
	must(t, err)
	if bot.AppID != DefaultAppID {
		t.Errorf("bots.info: %+v", bot)
	}
	ts, err := s.Post(UserAda, ChannelOps, "hello", "")
	must(t, err)
	link, err := api.GetPermalink(&slack.PermalinkParameters{Channel: ChannelOps, Ts: ts})
	must(t, err)
	if want := "https://rollcall-test.slack.com/archives/C0ROLLCALL/p" + strings.ReplaceAll(ts, ".", ""); link != want {
		t.Errorf("permalink %s, want %s", link, want)
	}
}

// TestRefusals has one entry per error code of the Web API; those of blocks and views are in their own tests.
func TestRefusals(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true, EditWindow: time.Hour})
	api := client(s)
	_, own, err := api.PostMessage(ChannelOps, slack.MsgOptionText("own", false))
	must(t, err)
	human, err := s.Post(UserAda, ChannelOps, "human", "")
	must(t, err)
	long := strings.Repeat("x", MaxUpdateText+1)
	bot, app := DefaultBotToken, DefaultAppToken
	for _, c := range []struct {
		want, method, token string
		args                []string
	}{
		{"unknown_method", "chat.shout", bot, nil},
		{"not_authed", "auth.test", "", nil},
		{"invalid_auth", "auth.test", "xoxb-wrong", nil},
		{"not_allowed_token_type", "auth.test", app, nil},
		{"not_authed", "apps.connections.open", app, nil}, // in the form instead of the header
		{"invalid_arguments", "chat.postMessage", bot, []string{"text", "x"}},
		{"channel_not_found", "chat.postMessage", bot, []string{"channel", "C0NOWHERE", "text", "x"}},
		{"channel_not_found", "chat.postMessage", bot, []string{"channel", "#ops-nodes", "text", "x"}},
		{"channel_not_found", "chat.postMessage", bot, []string{"channel", ChannelSecret, "text", "x"}},
		{"not_in_channel", "chat.postMessage", bot, []string{"channel", ChannelOther, "text", "x"}},
		{"is_archived", "chat.postMessage", bot, []string{"channel", ChannelArchived, "text", "x"}},
		{"no_text", "chat.postMessage", bot, []string{"channel", ChannelOps}},
		{"no_text", "chat.postMessage", bot, []string{"channel", ChannelOps, "text", " \n"}},
		{"no_text", "chat.postMessage", bot, []string{"channel", ChannelOps, "blocks", "[]"}},
		{"missing_scope", "chat.postMessage", bot, []string{"channel", ChannelOps, "text", "x", "username", "boss"}},
		{"invalid_blocks_format", "chat.postMessage", bot, []string{"channel", ChannelOps, "blocks", "{}"}},
		{"invalid_blocks_format", "chat.postMessage", bot, []string{"channel", ChannelOps, "blocks", "[{]"}},
		{"invalid_attachments", "chat.postMessage", bot, []string{"channel", ChannelOps, "attachments", "{}"}},
		{"invalid_attachments", "chat.postMessage", bot,
			[]string{"channel", ChannelOps, "attachments", `[{"color":"#ff0000"}]`}},
		{"invalid_attachments", "chat.postMessage", bot,
			[]string{"channel", ChannelOps, "attachments", `[{"blocks":[{"type":"nope"}]}]`}},
		{"invalid_attachments", "chat.postMessage", bot,
			[]string{"channel", ChannelOps, "attachments", `[{"blocks":[{"type":"divider"}],"footer":"f"}]`}},
		{"too_many_attachments", "chat.postMessage", bot,
			[]string{"channel", ChannelOps, "attachments", "[" + strings.Repeat(`{"text":"x"},`, MaxAttachments) +
				`{"text":"x"}]`}},
		{"invalid_metadata_format", "chat.postMessage", bot,
			[]string{"channel", ChannelOps, "text", "x", "metadata", `{"event_type":"e"}`}},
		{"invalid_metadata_format", "chat.postMessage", bot, []string{"channel", ChannelOps, "text", "x", "metadata", `[]`}},
		{"metadata_too_large", "chat.postMessage", bot,
			[]string{"channel", ChannelOps, "text", "x", "metadata", `{"event_type":"e","event_payload":{"k":"` +
				strings.Repeat("x", MaxMetadata) + `"}}`}},
		{"message_not_found", "chat.update", bot, []string{"channel", ChannelOps, "ts", "1600000000.000001", "text", "x"}},
		{"cant_update_message", "chat.update", bot, []string{"channel", ChannelOps, "ts", human, "text", "x"}},
		{"msg_too_long", "chat.update", bot, []string{"channel", ChannelOps, "ts", own, "text", long}},
		{"no_text", "chat.update", bot, []string{"channel", ChannelOps, "ts", own}},
		{"invalid_arguments", "chat.update", bot, []string{"channel", ChannelOps, "text", "x"}},
		{"cant_delete_message", "chat.delete", bot, []string{"channel", ChannelOps, "ts", human}},
		{"message_not_found", "chat.delete", bot, []string{"channel", ChannelOps, "ts", "1600000000.000001"}},
		{"user_not_in_channel", "chat.postEphemeral", bot, []string{"channel", ChannelOps, "user", "U0NOBODY", "text", "x"}},
		{"message_not_found", "chat.getPermalink", bot, []string{"channel", ChannelOps, "message_ts", "1"}},
		{"channel_not_found", "conversations.info", bot, []string{"channel", ChannelSecret}},
		{"not_in_channel", "conversations.history", bot, []string{"channel", ChannelOther}},
		{"invalid_ts_latest", "conversations.history", bot, []string{"channel", ChannelOps, "latest", "yesterday"}},
		{"invalid_ts_oldest", "conversations.history", bot, []string{"channel", ChannelOps, "oldest", "yesterday"}},
		{"invalid_cursor", "conversations.history", bot, []string{"channel", ChannelOps, "cursor", "abc"}},
		{"invalid_limit", "conversations.history", bot, []string{"channel", ChannelOps, "limit", "0"}},
		{"thread_not_found", "conversations.replies", bot, []string{"channel", ChannelOps, "ts", "1600000000.000001"}},
		{"missing_scope", "conversations.join", bot, []string{"channel", ChannelOther}},
		{"missing_scope", "conversations.list", bot, []string{"types", "im"}},
		{"invalid_types", "conversations.list", bot, []string{"types", "secret"}},
		{"invalid_cursor", "conversations.list", bot, []string{"cursor", "x"}},
		{"user_not_found", "users.info", bot, []string{"user", "U0NOBODY"}},
		{"bot_not_found", "bots.info", bot, []string{"bot", "B0NOBODY"}},
		{"invalid_arguments", "views.open", bot, []string{"view", "{}"}},
		{"invalid_trigger_id", "views.open", bot, []string{"view", "{}", "trigger_id", "1.2.3"}},
		{"invalid_arguments", "files.getUploadURLExternal", bot, []string{"filename", "a.png"}},
		{"file_not_found", "files.completeUploadExternal", bot, []string{"files", `[{"id":"F0"}]`}},
	} {
		got, resp := form(t, s, c.method, c.token, c.args...)
		if got["ok"] != false || got["error"] != c.want || resp.StatusCode != http.StatusOK {
			t.Errorf("%s %.80q: got %v (HTTP %d), want %s", c.method, c.args, got, resp.StatusCode, c.want)
		}
	}
	if n := len(s.AllMessages(ChannelOps)); n != 2 {
		t.Errorf("refused calls left %d messages, want 2", n)
	}
}

func TestTokens(t *testing.T) {
	s := Start(t, Config{})
	api := client(s)
	s.RemoveScope(DefaultBotToken, "channels:history")
	_, err := api.GetConversationHistory(&slack.GetConversationHistoryParameters{ChannelID: ChannelOps})
	e, ok := errors.AsType[slack.SlackErrorResponse](err)
	if !ok || e.Err != "missing_scope" || e.Needed != "channels:history" || !strings.Contains(e.Provided, "chat:write") {
		t.Errorf("got %#v", err)
	}
	// The private channel needs the other scope, which is still there.
	private := &slack.GetConversationHistoryParameters{ChannelID: ChannelPrivate}
	if _, err := api.GetConversationHistory(private); err != nil {
		t.Errorf("groups:history: %v", err)
	}
	s.SetScopes(DefaultBotToken, append(DefaultScopes(), "chat:write.public")...)
	if _, _, err := api.PostMessage(ChannelOther, slack.MsgOptionText("x", false)); err != nil {
		t.Errorf("chat:write.public: %v", err)
	}
	s.RevokeToken(DefaultBotToken)
	if _, err := api.AuthTest(); code(err) != "token_revoked" {
		t.Errorf("got %v", err)
	}
	s.RestoreToken(DefaultBotToken)
	s.DeactivateToken(DefaultBotToken)
	if _, err := api.AuthTest(); code(err) != "account_inactive" {
		t.Errorf("got %v", err)
	}
}

func TestArgumentForms(t *testing.T) {
	s := Start(t, Config{NoRateLimits: true})
	post := func(contentType, body string, header bool) map[string]any {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.APIURL()+"chat.postMessage",
			strings.NewReader(body))
		must(t, err)
		req.Header.Set("Content-Type", contentType)
		if header {
			req.Header.Set("Authorization", "Bearer "+DefaultBotToken)
		}
		resp, err := http.DefaultClient.Do(req)
		must(t, err)
		return decode(t, resp)
	}
	body := `{"channel":"C0ROLLCALL","text":"hi","blocks":[{"type":"divider"}],"unfurl_links":false}`
	if got := post("application/json; charset=utf-8", body, true); got["ok"] != true {
		t.Errorf("JSON: %v", got)
	}
	withToken := `{"token":"` + DefaultBotToken + `","channel":"C0ROLLCALL","text":"hi"}`
	if got := post("application/json", withToken, false); got["error"] != "not_authed" {
		t.Errorf("token in JSON: %v", got)
	}
	if got := post("application/json", "{", true); got["error"] != "invalid_json" {
		t.Errorf("broken JSON: %v", got)
	}
	if got := post("text/csv", body, true); got["error"] != "invalid_post_type" {
		t.Errorf("CSV: %v", got)
	}
	resp, err := http.Get(s.APIURL() + "auth.test?token=" + DefaultBotToken)
	must(t, err)
	if got := decode(t, resp); got["error"] != "not_authed" {
		t.Errorf("token in the query: %v", got)
	}
	// Without Start, the base URL is that of the first request.
	bare := New(Config{})
	defer bare.Close()
	srv := httptest.NewServer(bare)
	defer srv.Close()
	resp, err = http.Get(srv.URL + "/api/api.test?foo=bar")
	must(t, err)
	if got := decode(t, resp); got["ok"] != true || bare.APIURL() != srv.URL+"/api/" {
		t.Errorf("api.test: %v, %s", got, bare.APIURL())
	}
}

func TestLongText(t *testing.T) {
	s := Start(t, Config{})
	_, ts, err := client(s).PostMessage(ChannelOps, slack.MsgOptionText(strings.Repeat("x", MaxText+10), false))
	must(t, err)
	if m, _ := s.Message(ChannelOps, ts); !m.Truncated || len(m.Text) != MaxText {
		t.Errorf("text of %d, truncated %v", len(m.Text), m.Truncated)
	}
}

func TestEditWindow(t *testing.T) {
	s := Start(t, Config{EditWindow: time.Nanosecond})
	api := client(s)
	_, ts, err := api.PostMessage(ChannelOps, slack.MsgOptionText("x", false))
	must(t, err)
	if _, _, _, err := api.UpdateMessage(ChannelOps, ts, slack.MsgOptionText("y", false)); code(
		err) != "edit_window_closed" {
		t.Errorf("got %v", err)
	}
}

func TestCopies(t *testing.T) {
	s := Start(t, Config{})
	_, ts, err := client(s).PostMessage(ChannelOps, slack.MsgOptionText("x", false),
		slack.MsgOptionBlocks(slack.NewDividerBlock()))
	must(t, err)
	m, _ := s.Message(ChannelOps, ts)
	m.Blocks[0] = '!'
	m.Versions[0].Blocks[0] = '!'
	m.Versions[0].Text = "changed"
	if again, _ := s.Message(ChannelOps, ts); again.Blocks[0] == '!' || again.Versions[0].Blocks[0] == '!' ||
		again.Versions[0].Text != "x" {
		t.Error("a copy shares memory with the state")
	}
	if _, err := s.Messages(ChannelOps)[0].Slack(); err != nil {
		t.Error(err)
	}
}
