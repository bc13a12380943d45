// store owns what the page knows: the workspace as the server last described it, and what this reader has done with it
// (where she is, what she has read, what stands half-entered in a form). Everything else reads it and calls its functions.

export const state = {
  ready: false,
  online: false, // the stream of changes is open
  me: null, // a user
  team: {}, app: { commands: [] },
  users: new Map(), // by id
  channels: [],
  messages: new Map(), // channel → Map of ts → message
  older: {},
  modals: [], home: null,
  groups: {}, // handles of user groups by id
  agent: null, // the direct message with the app: {channel, prompts, statuses, titles}; null for those who have none
  direct: null, // the same as a channel
  sockets: 0,
  panel: null,

  place: { kind: 'channel', id: '' }, // or {kind: 'app', id: 'home' | 'about'}
  thread: null, // ts of the thread's parent, in the channel where we are
  drawer: '', // on narrow screens: 'nav' or 'side'
  side: true, // whether the column with the panel shows on wide screens
  lastRead: {}, // channel → ts
  newFrom: null, // ts after which the messages of this channel were new when it was opened
  fresh: new Set(), // keys of messages that have just been edited
  opened: new Set(), // keys of long texts that were opened
  busy: new Set(), failed: new Map(), // by element key: what is on its way, what went wrong
  chosen: new Map(), // by element key: what was chosen or entered; arrays of strings
  missing: {}, // by block_id: what a refused submission lacks
  suggested: new Map(), // by element key: options that the app suggested
  tables: new Map(), // by block key: how a data table is sorted, and its page
  notices: new Map(), // channel → what the client itself has to say there
  toast: '',
  source: null, // a message or view whose JSON is shown
  confirm: null,
  now: Date.now(), // for what is said relative to now
};

let redraw = () => {};
let queued = false;

// onChange sets what draws the page. It is called once for all changes of one turn.
export function onChange(draw) { redraw = draw; }

export function changed() {
  if (queued) return;
  queued = true;
  queueMicrotask(() => { queued = false; redraw(); });
}

export const key = (...parts) => parts.join('/');
export const newer = (a, b) => (a > b ? 1 : a < b ? -1 : 0); // timestamps compare as strings

export function user(id) { return state.users.get(id); }
export function userName(id) { return user(id)?.real_name ?? id; }
export function channel(id) { return state.direct?.id === id ? state.direct : state.channels.find((c) => c.id === id); }
export function here() { return state.place.kind === 'channel' ? channel(state.place.id) : undefined; }

export function message(channelID, ts) { return state.messages.get(channelID)?.get(ts); }

const sorted = new WeakMap();
function all(channelID) {
  const map = state.messages.get(channelID);
  if (!map) return [];
  let list = sorted.get(map);
  if (!list) {
    list = [...map.values()].sort((a, b) => newer(a.ts, b.ts));
    sorted.set(map, list);
  }
  return list;
}

function put(channelID, m) {
  const map = state.messages.get(channelID) ?? new Map();
  map.set(m.ts, m);
  state.messages.set(channelID, map);
  sorted.delete(map);
}

const inChannel = (m) => !m.thread || m.thread === m.ts || m.subtype === 'thread_broadcast';

// timeline is what a channel shows, notices of the client among it.
export function timeline(channelID) {
  const notices = (state.notices.get(channelID) ?? []).filter((n) => !n.thread);
  const list = all(channelID).filter(inChannel);
  return notices.length ? [...list, ...notices].sort((a, b) => newer(a.ts, b.ts)) : list;
}

export function replies(channelID, ts) {
  const notices = (state.notices.get(channelID) ?? []).filter((n) => n.thread === ts);
  const list = all(channelID).filter((m) => m.thread === ts && m.ts !== ts);
  return notices.length ? [...list, ...notices].sort((a, b) => newer(a.ts, b.ts)) : list;
}

// rung are the newest messages that phones have shown: those of the app. Edits, ephemeral ones and
// replies that stay in their thread ring nobody.
export function rung(count) {
  const out = [];
  for (const c of [...state.channels, ...(state.direct ? [state.direct] : [])]) {
    for (const m of all(c.id)) if (m.app && !m.ephemeral && m.subtype !== 'tombstone' && inChannel(m)) out.push({ channel: c, message: m });
  }
  return out.sort((a, b) => newer(b.message.ts, a.message.ts)).slice(0, count);
}

function newest(channelID) { return timeline(channelID).at(-1)?.ts ?? ''; }

// unread counts the messages of others that have come since the channel was last looked at.
export function unread(channelID) {
  const since = state.lastRead[channelID] ?? '';
  const list = all(channelID).filter((m) => m.ts > since && m.user !== state.me.id && inChannel(m) && !m.ephemeral);
  return { count: list.length, mentions: list.filter((m) => m.mention).length };
}

export function markRead(channelID) {
  const ts = newest(channelID);
  if (ts <= (state.lastRead[channelID] ?? '')) return;
  state.lastRead[channelID] = ts;
  remember('read/' + state.me.id, state.lastRead);
  changed();
}

export function go(place) {
  if (state.place.kind === place.kind && state.place.id === place.id) {
    state.drawer = '';
    changed();
    return;
  }
  state.place = place;
  state.thread = null;
  state.drawer = '';
  state.newFrom = null;
  if (place.kind === 'channel' && unread(place.id).count > 0) state.newFrom = state.lastRead[place.id] ?? '';
  const hash = '#' + place.id;
  if (location.hash !== hash) history.replaceState(null, '', location.pathname + location.search + hash);
  changed();
}

// goHash follows #C0ROLLCALL, #home, #about; else the first channel.
export function goHash() {
  const id = location.hash.slice(1);
  if (id === 'home' || id === 'about') return go({ kind: 'app', id });
  const c = (state.direct?.id === id ? state.direct : undefined) ?? state.channels.find((x) => x.id === id && x.mine) ?? state.channels.find((x) => x.mine && x.app && !x.archived) ?? state.channels[0];
  if (c) go({ kind: 'channel', id: c.id });
}

// notice is what Slack's client itself tells the person, such as that a command failed. Nobody else sees it.
export function notice(channelID, text, thread = '') {
  const ts = (Date.now() / 1000).toFixed(6);
  const list = state.notices.get(channelID) ?? [];
  list.push({ ts, thread, text, notice: true, ephemeral: true, user: 'SLACKBOT', name: 'Slackbot', files: [], repliers: [], replies: 0 });
  state.notices.set(channelID, list);
  changed();
}

export function dismiss(channelID, ts) {
  state.notices.set(channelID, (state.notices.get(channelID) ?? []).filter((n) => n.ts !== ts));
  state.messages.get(channelID)?.delete(ts); // an ephemeral one: only this client had it in view
  const map = state.messages.get(channelID);
  if (map) sorted.delete(map);
  changed();
}

let toastTimer;
export function toast(text) {
  state.toast = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { state.toast = ''; changed(); }, 6000);
  changed();
}

// take applies what the server says.
export function take(msg) {
  switch (msg.type) {
    case 'state': takeState(msg); break;
    case 'message': takeMessage(msg.channel, msg.message); break;
    case 'gone': {
      const map = state.messages.get(msg.channel);
      if (map?.delete(msg.ts)) sorted.delete(map);
      if (state.thread === msg.ts) state.thread = null;
      break;
    }
    case 'views':
      if (state.home && msg.views.home?.hash !== state.home.hash) forget(state.home.id);
      state.modals = msg.views.modals;
      state.home = msg.views.home;
      forgetForms();
      break;
    case 'channels': state.channels = msg.channels; break;
    case 'panel': state.panel = msg.panel; break;
    case 'agent': state.agent = msg.agent; break;
    case 'socket': state.sockets = msg.sockets; break;
  }
  changed();
}

function takeState(s) {
  const first = !state.ready || state.me?.id !== s.me;
  state.users = new Map(s.users.map((u) => [u.id, u]));
  state.groups = s.groups;
  Object.assign(state, { team: s.team, app: s.app, channels: s.channels, older: s.older, modals: s.modals, home: s.home, sockets: s.sockets, panel: s.panel, agent: s.agent });
  state.direct = s.agent ? { id: s.agent.channel, name: s.app.name, topic: '', members: 2, app: true, mine: true, direct: true } : null;
  state.me = user(s.me);
  state.messages = new Map(Object.entries(s.messages).map(([id, list]) => [id, new Map(list.map((m) => [m.ts, m]))]));
  state.ready = state.online = true;
  if (first) {
    state.notices.clear();
    state.lastRead = recall('read/' + s.me) ?? {};
    for (const id of state.messages.keys()) state.lastRead[id] ??= newest(id); // what was there before is not new
    state.place = { kind: '', id: '' };
    goHash();
  }
}

function takeMessage(channelID, m) {
  const old = message(channelID, m.ts);
  put(channelID, m);
  if (old && m.edited && (m.edited !== old.edited || m.versions !== old.versions)) {
    const k = key(channelID, m.ts);
    forget(k);
    state.fresh.add(k);
    setTimeout(() => { state.fresh.delete(k); changed(); }, 2500);
  }
  // What arrives while nobody looks is new, also in the channel that is open.
  if (!old && channelID === state.place.id && document.hidden && state.newFrom === null) state.newFrom = state.lastRead[channelID] ?? '';
}

// forget drops what was chosen in a message or home tab that has a new content, and what went wrong there.
function forget(place) {
  for (const map of [state.chosen, state.failed, state.suggested, state.tables]) {
    for (const k of map.keys()) if (k.startsWith(place + '/')) map.delete(k);
  }
}

// forgetForms drops what was entered in modals that are closed now.
function forgetForms() {
  if (!state.modals.length) state.missing = {};
  const open = new Set([...state.modals.map((v) => v.id), state.home?.id]);
  for (const map of [state.chosen, state.failed, state.suggested]) {
    for (const k of map.keys()) if (k.startsWith('V') && !open.has(k.split('/')[0])) map.delete(k);
  }
}

// What a reader has read and how she likes the page outlives a reload, where the browser permits.
export function remember(name, val) {
  try { sessionStorage.setItem('page/' + name, JSON.stringify(val)); } catch { /* a private window may forbid it */ }
}

export function recall(name) {
  try { return JSON.parse(sessionStorage.getItem('page/' + name)); } catch { return null; }
}
