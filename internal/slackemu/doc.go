// Package slackemu is a strict emulator of Slack for tests and demonstrations: one workspace with one app installed,
// behind an http.Handler. Code that works against it is meant to work against Slack, so where Slack's behaviour is
// uncertain the emulator takes the stricter reading.
//
// # What it checks
//
//   - The Web API: tokens and their kinds, scopes, channels and membership, every argument that it knows, with Slack's
//     error codes and shapes; rate limits with HTTP 429 and Retry-After.
//   - Block Kit: all limits, required fields, unknown fields, where which block, element and text object may stand,
//     duplicate ids, with the JSON pointers of response_metadata.messages. ValidateBlocks and CheckView do it without
//     a server.
//   - Socket Mode: hello, one envelope to one of up to ten connections, acknowledgements within 3 s, below 20 KB and in
//     single frames, redelivery of events, pings, all disconnect reasons.
//   - Interactivity: slash commands, message shortcuts, block actions, modals, home tabs, suggestions, trigger_ids that
//     live 3 s and work once, response_urls that live 30 min and work five times.
//   - Direct messages between a person and the app, as an app with agent_view has them: what people write, edit and
//     delete there comes as events, and so does what the app posts; suggested prompts, statuses and titles of threads.
//   - Mentions and links: which of a message's are live, and which people it notifies (LiveMentions, LiveLinks,
//     Message.Notifications).
//
// Faults can be injected into every call and every socket; see Server.Inject, Server.SetOutage and the methods of
// Socket. The state is read through methods that return copies; Subscribe and WaitFor tell of changes, so that tests
// need no sleeping.
//
// # What it does not do
//
//   - It knows the methods that Methods returns, and no others. There is no OAuth, no RTM, no scheduled messages, no
//     reactions, pins, canvases, direct messages among people, user groups or workflows. Posting to a user id or a
//     channel name, which Slack partly allows, is channel_not_found.
//   - Blocks of other kinds (context_actions, card, carousel, container, layout, plan, task_card, call …)
//     and the elements workflow_button, feedback_buttons and icon_button are refused as unsupported. Legacy attachments
//     with actions are refused.
//   - Only app_home_opened, the messages of direct messages and what a test hands to Deliver arrive as events: messages
//     in channels and joins send none. Of top-level domains, by which clients find links, it knows a few.
//   - It does not fetch pictures, unfurl links, render anything or translate markdown blocks; texts are kept as sent.
//   - Emoji names, time zones, user and channel ids within texts are not looked up. Membership of user groups and
//     presence are unknown: <!here> counts as ringing all members.
//   - How long bursts Slack tolerates, the size limit of metadata, the order of pages of history with oldest only, what
//     files do while they are processed, the error for a switched-off Socket Mode and the answers to wrong
//     response_urls are not documented; the emulator's are guesses on the strict side, named where they are made.
//   - When rate limits are on, they are token buckets per method (per channel for chat.postMessage), not per workspace,
//     token and sliding window.
//   - It is not a secure server: secrets are pseudo-random, and there is no TLS of its own.
//
// # Why it exports so much
//
// A test plays every part at once: the workspace that an administrator sets up, the people who type and press, the
// network that fails, and Slack itself, whose state it reads back. Each needs its few types and methods, and all of
// them act on the one [Server]: packages for each would only hand its insides around.
package slackemu
