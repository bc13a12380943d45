// Package demo puts Rollcall to work on one machine, without a Slack account and without a
// cluster, and shows it in a browser: the page of the Slack emulator, with controls that burst,
// break and kill, and counters that compare what the cluster did with what the channel says.
//
// The bot is the real program, in a process of its own, so that it can be killed as a machine
// would kill it; it talks to the emulator and to the simulated cluster (or, on request, to a
// real one) through the same environment variables as anywhere else. The demo owns that
// process, the emulator, the simulation and the listener. It never reaches into the bot.
package demo
