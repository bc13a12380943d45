// Package page is a web page that shows the Slack emulator's workspace as people know it from Slack: channels, messages
// with their blocks, threads, modals, the app's home tab, slash commands. It is for the demo, and for developers who
// want
// to see every message and view that the app makes.
//
// The Go side (page.go, state.go, live.go, act.go) owns the routes: it turns the emulator's state into JSON, streams
// the
// changes, and hands what a person does to the emulator. The browser side is in assets: ES modules without a build
// step,
// on one library, lit-html. What they own is said at the top of each. The page never translates or checks blocks: the
// emulator has checked them, and the browser draws them as sent.
//
// It is safe to serve on a machine where other pages are open: it answers only under the names of this machine (so that
// a rebound DNS name reaches nothing), refuses requests made by other sites, loads nothing from elsewhere, and shows
// whatever comes from messages as text.
package page
