package slackemu

import "time"

func usersInfo(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if req.arg("user") == "" {
		return nil, badArgument("missing required field: user")
	}
	u := s.users[req.arg("user")]
	switch {
	case u == nil:
		return nil, refuse("user_not_found")
	case u.Invisible:
		return nil, refuse("user_not_visible")
	}
	return answer{"user": s.userObject(u)}, nil
}

// userObject is the user as the Web API shows it. Callers hold mu.
func (s *Server) userObject(u *User) map[string]any {
	offset := 0
	label := u.TZ
	if loc, err := time.LoadLocation(u.TZ); err == nil {
		label, offset = time.Now().In(loc).Zone()
	}
	o := map[string]any{
		"id": u.ID, "team_id": u.TeamID, "name": u.Name, "real_name": u.RealName, "deleted": u.Deleted,
		"is_bot": u.IsBot, "is_app_user": false, "updated": 1_700_000_000,
		"profile": map[string]any{"real_name": u.RealName, "display_name": u.Name, "team": u.TeamID},
	}
	if u.EnterpriseID != "" {
		o["enterprise_user"] = map[string]any{"id": u.ID, "enterprise_id": u.EnterpriseID, "teams": u.Teams,
			"is_admin": false, "is_owner": false}
	}
	foreign := u.TeamID != s.cfg.TeamID && (u.EnterpriseID == "" || u.EnterpriseID != s.cfg.EnterpriseID)
	if foreign {
		o["is_stranger"] = !s.meets(u.ID)
	}
	if foreign || u.Deleted {
		return o // Slack says nothing of their roles and their time zone
	}
	o["tz"], o["tz_label"], o["tz_offset"], o["color"] = u.TZ, label, offset, "9f69e7"
	o["is_admin"], o["is_owner"], o["is_primary_owner"] = u.IsAdmin, false, false
	o["is_restricted"], o["is_ultra_restricted"] = u.IsRestricted || u.IsUltraRestricted, u.IsUltraRestricted
	return o
}

// meets reports whether somebody is in a shared channel that the app is in. Who is of another organisation and is in
// none is a stranger to it; who is in one is not. Callers hold mu.
func (s *Server) meets(user string) bool {
	for _, c := range s.channels {
		if c.IsShared && c.member(user) && c.member(s.cfg.BotUserID) {
			return true
		}
	}
	return false
}

func botsInfo(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	id := req.arg("bot")
	if id == "" {
		id = req.token.BotID
	}
	for _, t := range s.cfg.Tokens {
		if t.BotID == id && id != "" {
			return answer{"bot": map[string]any{
				"id": id, "app_id": s.cfg.AppID, "user_id": t.UserID, "name": s.cfg.BotName, "deleted": false,
				"updated": 1_700_000_000, "icons": map[string]any{},
			}}, nil
		}
	}
	return nil, refuse("bot_not_found")
}

// userGroupsList is usergroups.list: without include_disabled, those that can be mentioned.
func userGroupsList(req *request) (answer, *apiError) {
	s := req.s
	s.mu.Lock()
	defer s.mu.Unlock()
	groups := []map[string]any{}
	for _, g := range s.cfg.UserGroups {
		if g.Disabled && req.arg("include_disabled") != "true" {
			continue
		}
		o := map[string]any{"id": g.ID, "team_id": s.cfg.TeamID, "is_usergroup": true, "name": g.Name, "handle": g.Handle,
			"description": "", "is_external": false, "date_create": 1_700_000_000, "date_update": 1_700_000_000,
			"date_delete": 0, "created_by": UserAda}
		if g.Disabled {
			o["date_delete"] = 1_700_000_001
		}
		if req.arg("include_users") == "true" {
			o["users"] = g.Members
		}
		groups = append(groups, o)
	}
	return answer{"usergroups": groups}, nil
}
