// main puts the page together: the bar at the top, the list of channels, what is open, the column at the side. It decides
// when the page is drawn.

import { html, nothing, render } from '../lit-html/lit-html.js';
import { repeat } from '../lit-html/directives/repeat.js';
import { state, onChange, changed, here, unread, goHash, remember, recall } from './store.js';
import { connect, post } from './live.js';
import { channelPane, threadPane, avatar, follow, watch, seen, arrived } from './messages.js';
import { modal, confirmation, source, opened, appPane } from './views.js';
import { sideColumn } from './panel.js';
import { icon } from './icons.js';

const themes = ['system', 'light', 'dark'];
let theme = recall('theme') ?? 'system';

function applyTheme() {
  document.documentElement.dataset.theme = theme;
}

function nextTheme() {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  remember('theme', theme);
  applyTheme();
  changed();
}

// become another person: the address says who, so that two tabs can be two people.
function become(id) {
  const query = new URLSearchParams(location.search);
  query.set('user', id);
  history.replaceState(null, '', `${location.pathname}?${query}${location.hash}`);
  state.thread = null;
  connect(id);
}

const drawer = (name) => { state.drawer = state.drawer === name ? '' : name; changed(); };

function bar() {
  const people = [...state.users.values()].filter((u) => !u.bot);
  return html`<header class="bar">
    <button type="button" class="icon narrow-only" aria-label="Channels" aria-expanded=${state.drawer === 'nav'} @click=${() => drawer('nav')}>${icon('menu')}</button>
    <b class="team">${state.team.name}</b>
    <span class="status" role="status">${state.online ? nothing : 'Reconnecting…'}</span>
    <span class="grow"></span>
    <label class="who"><span class="dim wide-only">You are</span>
      <select aria-label="Who you are" @change=${(ev) => become(ev.target.value)}>${people.map((u) => html`<option value=${u.id} .selected=${u.id === state.me.id}>${u.real_name}${u.foreign ? ' (other organisation)' : ''}</option>`)}</select></label>
    <button type="button" class="icon" title=${`Colours: ${theme}`} aria-label=${`Colours: ${theme}. Change`} @click=${nextTheme}>${icon(theme)}</button>
    <button type="button" class="icon wide-only" aria-label=${state.side ? 'Hide the side column' : 'Show the side column'} aria-pressed=${state.side} @click=${() => { state.side = !state.side; remember('side', state.side); changed(); }}>${icon('panel')}</button>
    <button type="button" class="icon narrow-only" aria-label="Panel" aria-expanded=${state.drawer === 'side'} @click=${() => drawer('side')}>${icon('panel')}</button>
  </header>`;
}

function channelLink(c) {
  const open = state.place.id === c.id;
  const n = c.mine && !open || document.hidden ? unread(c.id) : { count: 0, mentions: 0 };
  return html`<li><a href=${'#' + c.id} class=${n.count ? 'unread' : ''} aria-current=${open ? 'page' : nothing} data-channel=${c.id}>
    ${icon(c.private ? 'lock' : 'hash')}<span class="name">${c.name}</span>
    ${n.count ? html`<span class=${n.mentions ? 'count ring' : 'count'} aria-label=${`${n.count} unread${n.mentions ? `, ${n.mentions} mentioning you` : ''}`}>${n.count}</span>` : nothing}
    ${c.archived ? html`<span class="dim">archived</span>` : c.mine ? nothing : html`<span class="dim">not in</span>`}</a></li>`;
}

function sidebar() {
  const current = (id) => (state.place.id === id ? 'page' : nothing);
  const fresh = state.direct && (state.place.id !== state.direct.id || document.hidden) ? unread(state.direct.id).count : 0;
  return html`<nav class="nav" aria-label="Channels and apps">
    <h2>Channels</h2>
    <ul>${repeat(state.channels, (c) => c.id, channelLink)}</ul>
    <h2>Apps</h2>
    <ul>
      <li><a href="#home" aria-current=${current('home')}>${avatar('', true, true)}<span class="name">${state.app.name}</span><span class=${state.sockets ? 'dot on' : 'dot'} role="img" aria-label=${state.sockets ? 'connected' : 'not connected'} title=${state.sockets ? 'connected' : 'not connected'}></span></a></li>
      ${state.direct ? html`<li class="sub"><a href=${'#' + state.direct.id} aria-current=${current(state.direct.id)} class=${fresh ? 'unread' : ''}><span class="name">Messages</span>${fresh ? html`<span class="count" aria-label=${`${fresh} unread`}>${fresh}</span>` : nothing}</a></li>` : nothing}
      <li class="sub"><a href="#about" aria-current=${current('about')}>About</a></li>
    </ul></nav>`;
}

function draw() {
  const root = document.getElementById('page');
  if (!state.ready) return;
  if (!drawn) root.replaceChildren(); // the word that it is loading
  drawn = true;
  const c = here();
  const cls = ['app', state.side && 'with-side', state.thread && c && 'with-thread', state.drawer && 'drawer-' + state.drawer].filter(Boolean).join(' ');
  render(html`<a class="skip" href="#main" @click=${(ev) => { ev.preventDefault(); document.getElementById('main')?.focus(); }}>Skip to the messages</a>
    <div class=${cls}>
      ${bar()}${sidebar()}
      ${state.place.kind === 'app' ? appPane() : channelPane(c)}
      ${state.thread && c ? threadPane(c) : nothing}
      ${sideColumn()}
      ${state.drawer ? html`<button type="button" class="veil" aria-label="Close" @click=${() => drawer(state.drawer)}></button>` : nothing}
    </div>
    ${modal()}${confirmation()}${source()}
    <div class="toast" role="alert">${state.toast}</div>`, root);
  opened();
  follow();
  watch();
  seen();
  document.title = `${c && !c.direct ? '#' + c.name : state.app.name} · ${state.team.name}`;
}

let before = '';
let drawn = false;
onChange(() => {
  if (state.place.id !== before) {
    before = state.place.id;
    arrived();
    if (before === 'home') post('home', {}); // the app is told that its home tab was opened
    if (before && before === state.direct?.id) post('home', { value: 'messages' });
  }
  draw();
});

applyTheme();
state.side = recall('side') ?? true;
addEventListener('hashchange', goHash);
addEventListener('visibilitychange', () => { changed(); });
addEventListener('focus', () => seen());
addEventListener('keydown', (ev) => {
  if (ev.key !== 'Escape' || ev.defaultPrevented) return;
  if (state.drawer) drawer(state.drawer);
  else if (state.newFrom !== null) { state.newFrom = null; changed(); }
});
// What is said relative to now ("2 minutes ago", "Today") grows old.
setInterval(() => { state.now = Date.now(); changed(); }, 15_000);
connect(new URLSearchParams(location.search).get('user') ?? '');
