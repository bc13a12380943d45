// messages owns how messages stand in a channel and in a thread: authors, times, groups, day and "New" lines, threads, and
// where the reader is in the list.

import { html, nothing } from '../lit-html/lit-html.js';
import { repeat } from '../lit-html/directives/repeat.js';
import { guard } from '../lit-html/directives/guard.js';
import { keyed } from '../lit-html/directives/keyed.js';
import { state, changed, key, user, userName, message, timeline, replies, unread, markRead, newer, dismiss, notice } from './store.js';
import { post } from './live.js';
import { mrkdwn, preview } from './mrkdwn.js';
import { blocks, attachments, long } from './blocks.js';
import { ms, clock, full, day, dayName, ago } from './time.js';
import { composer } from './composer.js';
import { domID, place, menuKeys } from './elements.js';
import { appHead } from './views.js';
import { icon } from './icons.js';

const hue = (id) => [...id].reduce((n, c) => (n * 31 + c.charCodeAt(0)) % 997, 7) % 8;

// avatar is drawn, not loaded: the app's mark, or a person's initials.
export function avatar(id, app, small = false) {
  const cls = small ? 'avatar small' : 'avatar';
  if (app) return html`<img class=${cls} src="/assets/icon.svg" alt="">`;
  if (id === 'SLACKBOT') return html`<span class="${cls} bot" aria-hidden="true">${icon('bot')}</span>`;
  const initials = userName(id).split(/\s+/).map((w) => [...w][0] ?? '').slice(0, 2).join('').toUpperCase();
  return html`<span class="${cls} hue-${hue(id)}" aria-hidden="true">${initials}</span>`;
}

function author(m) {
  const name = m.app ? m.name || state.app.name : m.name || userName(m.user);
  return html`<b class="author">${name}</b>${m.app ? html`<span class="badge">APP</span>` : nothing}${user(m.user)?.foreign ? html`<span class="badge foreign" title="From another organisation">external</span>` : nothing}`;
}

function files(m) {
  return m.files.map((f) => (f.image
    ? html`<figure class="upload"><figcaption>${f.title || f.name}</figcaption><img class="image" src=${'/page/file/' + encodeURIComponent(f.id)} alt=${f.alt || f.title || f.name}></figure>`
    : html`<div class="file">${icon('file')} <a href=${'/page/file/' + encodeURIComponent(f.id)} download=${f.name}>${f.title || f.name}</a> <span class="dim">${Math.ceil(f.size / 1024)} kB</span></div>`));
}

function content(m, channelID) {
  const k = key(channelID, m.ts);
  const at = { channel: channelID, ts: m.ts };
  const edited = m.edited && !m.ephemeral ? html`<span class="edited" title=${`Edited ${full(ms(m.edited))}`}>(edited)</span>` : nothing;
  if (m.subtype === 'tombstone') return html`<div class="dim">${m.text}</div>`;
  return html`
    ${m.notice ? html`<div class="p">${m.text}</div>`
    : m.blocks ? html`<div class="blocks">${blocks(m.blocks, at, k)}</div>`
    : m.text ? html`<div class="text">${long(k, m.text.length > 4000, mrkdwn(m.text), true)}</div>` : nothing}
    ${m.attachments ? attachments(m.attachments, at, k) : nothing}
    ${files(m)}${edited}`;
}

const openThread = (ts) => { state.thread = ts; state.drawer = ''; changed(); };

function threadLine(m) {
  if (!m.replies) return nothing;
  return html`<button type="button" class="thread-line" @click=${() => openThread(m.ts)}>
    ${m.repliers.slice(0, 4).map((id) => avatar(id, user(id)?.bot, true))}
    <b>${m.replies} ${m.replies === 1 ? 'reply' : 'replies'}</b> <span class="dim">last reply ${ago(ms(m.last_reply))}</span></button>`;
}

// source shows what the app has sent, for developers.
function source(m) {
  const { ts, text, blocks: list, attachments: more, metadata, versions } = m;
  state.source = { title: `Message ${ts}`, value: { ts, text, blocks: list ?? undefined, attachments: more ?? undefined, metadata: metadata ?? undefined, versions } };
  changed();
}

async function useShortcut(ev, m, channelID, inThread, s) {
  ev.currentTarget.closest('[popover]').hidePopover();
  const answer = await post('shortcut', { channel: channelID, ts: m.ts, value: s.callback });
  if (answer.error) notice(channelID, answer.error, inThread ? m.thread || m.ts : '');
}

// shortcuts are what apps offer for any message.
function shortcuts(m, channelID, inThread) {
  if (!state.app.shortcuts.length) return nothing;
  const id = domID(key('shortcuts', channelID, m.ts, inThread ? 'thread' : ''));
  return html`<button type="button" popovertarget=${id} aria-haspopup="menu" title="More actions" aria-label="More message actions">⋯</button>
    <div id=${id} class="menu" popover role="menu" aria-label="More message actions" @toggle=${place} @keydown=${menuKeys}>${state.app.shortcuts.map((s, i) => html`<button type="button" role="menuitem" ?autofocus=${i === 0} data-shortcut=${s.callback} @click=${(ev) => useShortcut(ev, m, channelID, inThread, s)}>
      <span>${s.name}</span><small>${state.app.name}</small></button>`)}</div>`;
}

// tools are the buttons that appear when a message is pointed at or holds the focus.
function tools(m, channelID, inThread) {
  if (m.notice) return html`<div class="tools"><button type="button" @click=${() => dismiss(channelID, m.ts)}>Dismiss</button></div>`;
  return html`<div class="tools">
    ${inThread || m.ephemeral || m.subtype === 'tombstone' ? nothing : html`<button type="button" title="Reply in thread" aria-label="Reply in thread" @click=${() => openThread(m.thread || m.ts)}>${icon('reply')}</button>`}
    ${m.ephemeral || m.subtype === 'tombstone' ? nothing : shortcuts(m, channelID, inThread)}
    <button type="button" title="Show JSON" aria-label="Show JSON" @click=${() => source(m)}>${icon('code')}</button>
  </div>`;
}

function one(m, channelID, { follows, inThread }) {
  const parent = m.thread && m.thread !== m.ts ? message(channelID, m.thread) : undefined;
  const broadcast = m.subtype === 'thread_broadcast';
  const time = ms(m.ts);
  const cls = ['message', follows && 'follows', m.ephemeral && 'ephemeral', m.mention && !m.ephemeral && 'mentions', state.fresh.has(key(channelID, m.ts)) && 'fresh'].filter(Boolean).join(' ');
  return html`<article class=${cls} data-ts=${m.ts} aria-label=${`${m.app ? state.app.name : m.name || userName(m.user)}, ${clock(time)}`}>
    <div class="gutter">${follows ? html`<time class="short" title=${full(time)}>${clock(time).replace(/\s?[AP]M/, '')}</time>` : avatar(m.user, m.app)}</div>
    <div class="body">
      ${m.ephemeral ? html`<div class="mark">${icon('eye')} Only visible to you</div>` : nothing}
      ${broadcast && !inThread ? html`<div class="mark">replied to a thread: <button type="button" class="linkish" @click=${() => openThread(m.thread)}>${parent ? preview(parent.text).slice(0, 80) : 'an older message'}</button></div>` : nothing}
      ${follows ? nothing : html`<div class="head">${author(m)} <time title=${full(time)} datetime=${new Date(time).toISOString()}>${clock(time)}</time></div>`}
      ${content(m, channelID)}
      ${broadcast && inThread ? html`<div class="mark">Also sent to the channel</div>` : nothing}
      ${inThread ? nothing : threadLine(m)}
      ${channelID === state.direct?.id && state.agent.statuses[m.ts] ? html`<div class="mark" role="status">${state.app.name} ${state.agent.statuses[m.ts]}</div>` : nothing}
    </div>${tools(m, channelID, inThread)}</article>`;
}

// drawn is one, and a line in its place if it cannot be drawn: one message must not take the others with it.
function drawn(m, channelID, how) {
  try { return one(m, channelID, how); } catch (err) {
    console.error(`drawing message ${m.ts}`, err);
    return html`<article class="message" data-ts=${m.ts}><div></div><div class="dim">This page cannot draw the message ${m.ts}.</div></article>`;
  }
}

// together says whether a message stands below the one before without naming its author again.
const together = (a, b) => a && a.user === b.user && a.app === b.app && (a.name ?? '') === (b.name ?? '') && !a.ephemeral === !b.ephemeral
  && a.subtype !== 'thread_broadcast' && b.subtype !== 'thread_broadcast' && ms(b.ts) - ms(a.ts) < 300_000 && !b.ephemeral;

// list draws messages with the lines between them. A message is drawn anew only if something that it shows has changed.
function list(messages, channelID, inThread) {
  let before;
  const rows = [];
  for (const m of messages) {
    const newDay = !inThread && (!before || day(ms(before.ts)) !== day(ms(m.ts)));
    if (newDay) rows.push({ id: 'day-' + day(ms(m.ts)), line: html`<div class="line day" role="separator"><span>${dayName(ms(m.ts))}</span></div>` });
    const isNew = !inThread && state.newFrom !== null && newer(m.ts, state.newFrom) > 0 && (!before || newer(before.ts, state.newFrom) <= 0) && m.user !== state.me.id;
    if (isNew) rows.push({ id: 'new', line: html`<div class="line new" role="separator"><span>New</span></div>` });
    rows.push({ id: m.ts, m, follows: !newDay && !isNew && together(before, m) });
    before = m;
  }
  return repeat(rows, (r) => r.id, (r) => r.line ?? guard(
    [r.m, r.follows, inThread, state.me, state.channels, channelID === state.direct?.id && state.agent, touched(key(channelID, r.m.ts)), state.fresh.has(key(channelID, r.m.ts)), Math.floor(state.now / 30_000)],
    () => drawn(r.m, channelID, { follows: r.follows, inThread })));
}

// touched sums up what the reader has done in a message, so that it is drawn again when that changes.
function touched(k) {
  const own = (x) => x === k || x.startsWith(k + '/');
  const parts = [];
  for (const set of [state.opened, state.busy]) for (const x of set) if (own(x)) parts.push(x);
  for (const map of [state.chosen, state.failed, state.suggested, state.tables]) for (const [x, v] of map) if (own(x)) parts.push(x, JSON.stringify(v));
  return parts.join('\n');
}

// ---- where the reader is: a list that shows its end keeps showing it

let pinned = true;
let threadPinned = true;

export function seen() {
  if (pinned && !document.hidden && state.place.kind === 'channel') markRead(state.place.id);
}

function scrolled(ev) {
  const box = ev.currentTarget;
  const end = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  if (end !== pinned) { pinned = end; changed(); }
  if (end) seen();
}

function threadScrolled(ev) {
  const box = ev.currentTarget;
  threadPinned = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
}

// follow scrolls to the end again after everything has been drawn, where the reader was at the end.
export function follow() {
  const box = document.getElementById('log');
  if (box && pinned) box.scrollTop = box.scrollHeight;
  const thread = document.getElementById('thread-log');
  if (thread && threadPinned) thread.scrollTop = thread.scrollHeight;
}

// Pictures that arrive and windows that change their size move the end, too.
const grown = new ResizeObserver(() => follow());
export function watch() {
  grown.disconnect();
  for (const id of ['log', 'thread-log']) {
    const box = document.getElementById(id);
    if (box) { grown.observe(box); if (box.firstElementChild) grown.observe(box.firstElementChild); }
  }
}

function jump() { pinned = true; follow(); seen(); changed(); }
export function arrived() { pinned = true; }

// suggested are the app's prompts: a click sends one.
function suggested(c) {
  const p = state.agent?.prompts;
  if (!p) return nothing;
  const send = async (text) => {
    const answer = await post('message', { channel: c.id, text });
    if (answer.error) notice(c.id, answer.error);
  };
  return html`<div class="prompts" role="group" aria-label=${p.title || 'Suggested prompts'}>${p.title ? html`<span class="dim">${p.title}</span>` : nothing}
    ${p.prompts.map((x) => html`<button type="button" class="button" @click=${() => send(x.message)}>${x.title}</button>`)}</div>`;
}

// channelPane is the middle of the page: a channel's head, its messages, the composer.
export function channelPane(c) {
  if (!c) return html`<main id="main" class="pane"><p class="empty">There is no channel.</p></main>`;
  const messages = timeline(c.id);
  const fresh = unread(c.id).count;
  return html`<main id="main" class="pane" aria-label=${c.direct ? 'Messages with ' + c.name : 'Channel ' + c.name} tabindex="-1">
    ${c.direct ? appHead() : html`<header class="pane-head">
      <h1>${icon(c.private ? 'lock' : 'hash')} ${c.name}</h1>
      <span class="dim">${c.topic}</span>
      ${c.shared ? html`<span class="badge foreign">shared</span>` : nothing}
      <span class="grow"></span><span class="dim members">${c.members} members</span>
    </header>`}
    ${keyed(c.id, html`<div id="log" class="log" role="log" aria-live="polite" aria-label=${'Messages in ' + c.name} tabindex="0" @scroll=${scrolled}><div class="rows">
      ${state.older[c.id] ? html`<p class="empty">Older messages are not shown.</p>` : messages.length ? nothing : html`<p class="empty">${c.direct ? `Write to ${c.name}: nobody else sees it.` : `Nothing has been said in #${c.name} yet.`}</p>`}
      ${list(messages, c.id, false)}
    </div></div>`)}
    ${pinned ? nothing : html`<button type="button" class="jump" @click=${jump}>↓ Jump to latest${fresh ? ` (${fresh} new)` : ''}</button>`}
    ${c.direct ? suggested(c) : nothing}
    ${c.mine && !c.archived ? composer(c) : html`<p class="closed">${c.archived ? `#${c.name} is archived.` : `You are not in #${c.name}.`}</p>`}
  </main>`;
}

// threadPane is the thread beside it.
export function threadPane(c) {
  const parent = message(c.id, state.thread);
  const close = () => { state.thread = null; changed(); };
  const all = replies(c.id, state.thread);
  return html`<aside class="pane thread" aria-label="Thread" @keydown=${(ev) => { if (ev.key === 'Escape' && !ev.defaultPrevented) close(); }}>
    <header class="pane-head"><h2>Thread</h2><span class="dim">${c.direct ? state.agent.titles[state.thread] ?? c.name : '#' + c.name}</span><span class="grow"></span>
      <button type="button" class="icon" aria-label="Close thread" @click=${close}>${icon('close')}</button></header>
    ${keyed(state.thread, html`<div id="thread-log" class="log" role="log" aria-live="polite" aria-label="Replies" tabindex="0" @scroll=${threadScrolled}><div class="rows">
      ${parent ? guard([parent, state.me, c.direct && state.agent, touched(key(c.id, parent.ts)), state.fresh.has(key(c.id, parent.ts))], () => drawn(parent, c.id, { follows: false, inThread: true })) : html`<p class="empty">The first message is not shown any more.</p>`}
      <div class="line count"><span>${parent?.replies ?? 0} ${parent?.replies === 1 ? 'reply' : 'replies'}</span></div>
      ${list(all, c.id, true)}
    </div></div>`)}
    ${c.mine && !c.archived ? composer(c, state.thread) : nothing}
  </aside>`;
}
