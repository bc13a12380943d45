package digest

import "rollcall/internal/message"

// Span is a span of time: From is in it, Until is not.
type Span = message.Period
