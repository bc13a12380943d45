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
	if u == nil {
		return nil, refuse("user_not_found")
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
	return map[string]any{
		"id": u.ID, "team_id": u.TeamID, "name": u.Name, "real_name": u.RealName, "deleted": u.Deleted, "tz": u.TZ,
		"tz_label":  label,
		"tz_offset": offset, "is_bot": u.IsBot, "is_admin": u.IsAdmin, "is_owner": false, "is_primary_owner": false,
		"is_restricted": false, "is_ultra_restricted": false, "is_stranger": u.TeamID != s.cfg.TeamID, "is_app_user": false,
		"updated": 1_700_000_000, "color": "9f69e7",
		"profile": map[string]any{"real_name": u.RealName, "display_name": u.Name, "team": u.TeamID},
	}
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
