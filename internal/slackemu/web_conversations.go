package slackemu

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// object is the channel as the Web API shows it to a member or guest of it. Callers hold mu.
func (c *channelState) object(s *Server, user string) map[string]any {
	if c.direct != "" {
		return map[string]any{"id": c.ID, "created": c.Created.Unix(), "is_im": true, "is_org_shared": false,
			"is_archived": false, "is_user_deleted": false, "user": c.direct, "context_team_id": s.cfg.TeamID,
			"updated": c.Created.UnixMilli()}
	}
	return map[string]any{
		"id": c.ID, "name": c.Name, "name_normalized": c.Name, "is_channel": !c.IsPrivate, "is_group": c.IsPrivate,
		"is_im":   false,
		"is_mpim": false, "is_private": c.IsPrivate, "is_archived": c.Archived, "is_general": false, "is_shared": c.IsShared,
		"is_ext_shared": c.IsShared, "is_org_shared": false, "is_pending_ext_shared": false, "is_member": c.member(user),
		"created": c.Created.Unix(), "creator": UserAda, "context_team_id": s.cfg.TeamID, "updated": c.Created.UnixMilli(),
		"topic":   map[string]any{"value": c.Topic, "creator": "", "last_set": 0},
		"purpose": map[string]any{"value": "", "creator": "", "last_set": 0},
	}
}

// scopeFor is the scope that a channel or direct message needs, such as channels:read, groups:read or im:read.
func (c *channelState) scopeFor(verb string) string {
	switch {
	case c.direct != "":
		return "im:" + verb
	case c.IsPrivate:
		return "groups:" + verb
	}
	return "channels:" + verb
}

func conversationInfo(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := req.channelArg()
	if err != nil {
		return nil, err
	}
	if err := req.need(c.scopeFor("read")); err != nil {
		return nil, err
	}
	o := c.object(s, req.token.UserID)
	if req.flag("include_num_members", false) {
		o["num_members"] = len(c.Members)
	}
	return answer{"channel": o}, nil
}

func conversationJoin(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := req.channelArg()
	if err != nil {
		return nil, err
	}
	switch {
	case c.Archived:
		return nil, refuse("is_archived")
	case c.IsPrivate:
		return nil, refuse("method_not_supported_for_channel_type")
	}
	out := answer{}
	if c.member(req.token.UserID) {
		out["warning"] = "already_in_channel"
		out["response_metadata"] = map[string]any{"warnings": []string{"already_in_channel"}}
	} else {
		c.Members = append(c.Members, req.token.UserID)
		s.changed(Change{Kind: ChangeChannel, Channel: c.ID})
	}
	out["channel"] = c.object(s, req.token.UserID)
	return out, nil
}

// limitArg reads limit, 1 to 999 as Slack has it.
func (req *request) limitArg(byDefault int) (int, *apiError) {
	if req.arg("limit") == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(req.arg("limit"))
	if err != nil || n < 1 || n > 999 {
		return 0, refuse("invalid_limit")
	}
	return n, nil
}

// Cursors are opaque to clients; here they name where the next page starts.
func encodeCursor(kind, at string) string {
	return base64.StdEncoding.EncodeToString([]byte(kind + ":" + at))
}

func decodeCursor(kind, cursor string) (string, *apiError) {
	raw, err := base64.StdEncoding.DecodeString(cursor)
	at, ok := strings.CutPrefix(string(raw), kind+":")
	if err != nil || !ok || at == "" {
		return "", refuse("invalid_cursor")
	}
	return at, nil
}

func conversationList(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	limit, err := req.limitArg(100)
	if err != nil {
		return nil, err
	}
	types := strings.Split(req.arg("types"), ",")
	if req.arg("types") == "" {
		types = []string{"public_channel"}
	}
	var public, private, direct bool
	for _, t := range types {
		switch strings.TrimSpace(t) {
		case "public_channel":
			public = true
			err = req.need("channels:read")
		case "private_channel":
			private = true
			err = req.need("groups:read")
		case "im":
			direct = true
			err = req.need("im:read")
		case "mpim":
			err = req.need("mpim:read")
		default:
			err = refuse("invalid_types")
		}
		if err != nil {
			return nil, err
		}
	}
	start := ""
	if cur := req.arg("cursor"); cur != "" {
		if start, err = decodeCursor("next_channel", cur); err != nil {
			return nil, err
		}
		if s.channels[start] == nil {
			return nil, refuse("invalid_cursor")
		}
	}
	list := []any{}
	next := ""
	for _, id := range slices.Concat(s.order, s.directs) {
		c := s.channels[id]
		if start != "" && id != start {
			continue
		}
		start = ""
		listed := public
		switch {
		case c.direct != "":
			listed = direct
		case c.IsPrivate:
			listed = private && c.member(req.token.UserID)
		}
		if !listed || c.Archived && req.flag("exclude_archived", false) {
			continue
		}
		if len(list) == limit {
			next = encodeCursor("next_channel", id)
			break
		}
		o := c.object(s, req.token.UserID)
		o["num_members"] = len(c.Members)
		list = append(list, o)
	}
	return answer{"channels": list, "response_metadata": map[string]any{"next_cursor": next}}, nil
}

// span is what history and replies read: messages between oldest and latest.
type span struct {
	oldest, latest string
	inclusive      bool
	limit          int
	metadata       bool
}

func (req *request) span(byDefault int) (span, *apiError) {
	sp := span{oldest: req.arg("oldest"), latest: req.arg("latest"), inclusive: req.flag("inclusive", false),
		metadata: req.flag("include_all_metadata", false)}
	check := func(ts *string, code string) *apiError {
		if *ts == "" || *ts == "0" || *ts == "now" {
			*ts = ""
			return nil
		}
		f, err := strconv.ParseFloat(*ts, 64)
		if err != nil || f < 0 {
			return refuse(code)
		}
		whole, frac, _ := strings.Cut(*ts, ".")
		// Messages have ten digits before the point and six after it: bring shorter ones to the same form.
		*ts = strings.Repeat("0", max(0, 10-len(whole))) + whole + "." + (frac + "000000")[:6]
		return nil
	}
	if err := check(&sp.oldest, "invalid_ts_oldest"); err != nil {
		return sp, err
	}
	if err := check(&sp.latest, "invalid_ts_latest"); err != nil {
		return sp, err
	}
	var err *apiError
	sp.limit, err = req.limitArg(byDefault)
	return sp, err
}

func (sp span) has(ts string) bool {
	if sp.oldest != "" && (ts < sp.oldest || ts == sp.oldest && !sp.inclusive) {
		return false
	}
	return sp.latest == "" || ts < sp.latest || ts == sp.latest && sp.inclusive
}

// readable finds the channel of history and replies. Callers hold mu.
func (req *request) readable() (*channelState, *apiError) {
	c, err := req.channelArg()
	if err != nil {
		return nil, err
	}
	if err := req.need(c.scopeFor("history")); err != nil {
		return nil, err
	}
	if !c.member(req.token.UserID) {
		return nil, refuse("not_in_channel")
	}
	return c, nil
}

// conversationHistory gives newest messages first. With oldest and without latest, a page holds those closest to
// oldest and the next page is newer, as Slack's description of paging by time has it. Whether that still holds for
// cursors is not certain: who reads to the last page is right either way.
func conversationHistory(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := req.readable()
	if err != nil {
		return nil, err
	}
	sp, err := req.span(100)
	if err != nil {
		return nil, err
	}
	var hits []*Message
	for _, m := range c.messages {
		if m.inChannel() && sp.has(m.TS) {
			hits = append(hits, m)
		}
	}
	forward := sp.oldest != "" && sp.latest == ""
	if !forward {
		slices.Reverse(hits)
	}
	page, next, err := cutPage(hits, req.arg("cursor"), sp.limit, forward)
	if err != nil {
		return nil, err
	}
	if forward {
		page = slices.Clone(page)
		slices.Reverse(page)
	}
	return pageAnswer(page, next, sp.metadata), nil
}

func conversationReplies(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := req.readable()
	if err != nil {
		return nil, err
	}
	ts := req.arg("ts")
	if ts == "" {
		return nil, badArgument("missing required field: ts")
	}
	m := c.find(ts)
	if m == nil {
		return nil, refuse("thread_not_found")
	}
	if m.ThreadTS != "" {
		ts = m.ThreadTS // a reply's ts stands for its thread
	}
	sp, err := req.span(100)
	if err != nil {
		return nil, err
	}
	var hits []*Message
	for _, m := range c.messages {
		// The parent is always there, whatever the span.
		if m.TS == ts || m.ThreadTS == ts && sp.has(m.TS) {
			hits = append(hits, m)
		}
	}
	page, next, err := cutPage(hits, req.arg("cursor"), sp.limit, true)
	if err != nil {
		return nil, err
	}
	return pageAnswer(page, next, sp.metadata), nil
}

// cutPage cuts one page out of hits, which are rising by ts if forward says so, else falling.
func cutPage(hits []*Message, cursor string, limit int, forward bool) (page []*Message, next string, err *apiError) {
	if cursor != "" {
		start, err := decodeCursor("next_ts", cursor)
		if err != nil {
			return nil, "", err
		}
		if !tsForm.MatchString(start) {
			return nil, "", refuse("invalid_cursor")
		}
		i := slices.IndexFunc(hits, func(m *Message) bool { return m.TS == start || (m.TS > start) == forward })
		if i < 0 {
			return nil, "", nil
		}
		hits = hits[i:]
	}
	if len(hits) > limit {
		next = encodeCursor("next_ts", hits[limit].TS)
		hits = hits[:limit]
	}
	return hits, next, nil
}

func pageAnswer(page []*Message, next string, metadata bool) answer {
	list := []any{}
	for _, m := range page {
		list = append(list, m.object(metadata))
	}
	out := answer{"messages": list, "has_more": next != "", "pin_count": 0}
	if next != "" {
		out["response_metadata"] = map[string]any{"next_cursor": next}
	}
	return out
}
