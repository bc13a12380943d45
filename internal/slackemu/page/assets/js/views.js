// views owns the surfaces beside messages: modals, the app's home tab, and the page's own small dialogs (confirmations, and
// the JSON of a message or view for developers).

import { html, nothing } from '../lit-html/lit-html.js';
import { keyed } from '../lit-html/directives/keyed.js';
import { state, changed, go, channel } from './store.js';
import { post } from './live.js';
import { blocks } from './blocks.js';
import { valuesOf } from './elements.js';
import { plain, textObject } from './mrkdwn.js';
import { icon } from './icons.js';

let submitting = '';

async function submit(ev, v) {
  ev.preventDefault();
  if (submitting) return;
  const at = { view: v.id };
  const missing = v.blocks.filter((b) => b.type === 'input' && !b.optional && !valuesOf(at, b, b.element).some((x) => x !== ''));
  state.failed.delete(v.id);
  state.missing = Object.fromEntries(missing.map((b) => [b.block_id, 'Please complete this required field.']));
  if (missing.length) {
    changed();
    document.querySelector(`dialog.modal [data-block="${CSS.escape(missing[0].block_id)}"]`)?.querySelector('input, select, textarea, summary')?.focus();
    return;
  }
  submitting = v.id;
  changed();
  const inputs = v.blocks.filter((b) => b.type === 'input' && b.element.type !== 'file_input')
    .map((b) => ({ block: b.block_id, action: b.element.action_id, values: valuesOf(at, b, b.element).filter((x) => x !== '') }));
  const answer = await post('submit', { view: v.id, inputs });
  submitting = '';
  if (answer.error) state.failed.set(v.id, answer.error);
  changed();
}

const close = (v) => post('close', { view: v.id });

// modal is the top one of the stacked views.
export function modal() {
  const v = state.modals.at(-1);
  if (!v) return nothing;
  const busy = submitting === v.id;
  const errors = { ...v.errors, ...state.missing };
  const failed = state.failed.get(v.id);
  return keyed(v.id, html`<dialog class="modal" aria-labelledby="modal-title" @cancel=${(ev) => { if (ev.target !== ev.currentTarget) return; ev.preventDefault(); close(v); }}>
    <form novalidate @submit=${(ev) => submit(ev, v)}>
      <header><img class="avatar small" src="/assets/icon.svg" alt=""><h2 id="modal-title">${v.title}</h2>
        ${state.modals.length > 1 ? html`<span class="dim">view ${state.modals.length} of ${state.modals.length}</span>` : nothing}<span class="grow"></span>
        <button type="button" class="icon" aria-label="Show JSON" title="Show JSON" @click=${() => show(`View ${v.id}`, v)}>${icon('code')}</button>
        <button type="button" class="icon" aria-label="Close" @click=${() => close(v)}>${icon('close')}</button></header>
      <div class="modal-body blocks">${failed ? html`<p class="error" role="alert">⚠ ${failed}</p>` : nothing}${blocks(v.blocks, { view: v.id }, v.id, errors)}</div>
      <footer><button type="button" class="button" @click=${() => close(v)}>${v.close || (state.modals.length > 1 ? 'Back' : v.submit ? 'Cancel' : 'Close')}</button>
        ${v.submit ? html`<button type="submit" class=${`button primary ${busy ? 'busy' : ''}`} aria-busy=${busy}>${v.submit}</button>` : nothing}</footer>
    </form></dialog>`);
}

// confirmation asks whether the person means it.
export function confirmation() {
  const c = state.confirm;
  if (!c) return nothing;
  return html`<dialog class="ask" aria-labelledby="ask-title" @cancel=${(ev) => { ev.preventDefault(); c.done(false); }}>
    <h2 id="ask-title">${plain(c.title)}</h2><div>${textObject(c.text)}</div>
    <footer><button type="button" class="button" @click=${() => c.done(false)}>${plain(c.deny) || 'Cancel'}</button>
      <button type="button" class=${'button ' + (c.style === 'danger' ? 'danger' : 'primary')} @click=${() => c.done(true)}>${plain(c.confirm)}</button></footer></dialog>`;
}

function show(title, value) {
  state.source = { title, value };
  changed();
}

// source is what a developer looks at: a message or view as the app has sent it.
export function source() {
  const s = state.source;
  if (!s) return nothing;
  const done = () => { state.source = null; changed(); };
  return html`<dialog class="source" aria-labelledby="source-title" @cancel=${(ev) => { ev.preventDefault(); done(); }}>
    <header><h2 id="source-title">${s.title}</h2><span class="grow"></span><button type="button" class="icon" aria-label="Close" @click=${done}>${icon('close')}</button></header>
    <pre tabindex="0">${JSON.stringify(s.value, null, 2)}</pre></dialog>`;
}

let returnTo = null; // what had the focus before the first dialog

// opened makes the dialogs that have just been drawn modal, and puts the focus where a person begins; when the last one is
// gone, back where it was.
export function opened() {
  const any = document.querySelector('dialog');
  if (any && !returnTo) returnTo = document.activeElement;
  if (!any && returnTo) {
    if (returnTo.isConnected && returnTo !== document.body) returnTo.focus();
    returnTo = null;
  }
  for (const d of document.querySelectorAll('dialog:not([open])')) {
    d.showModal();
    const first = d.matches('.modal') && d.querySelector('.modal-body :is(input, select, textarea):not([disabled])');
    (first || d.querySelector('footer .button:last-child, pre, .icon'))?.focus();
  }
}

const openHome = () => go({ kind: 'app', id: 'home' });

function home() {
  const v = state.home;
  if (!v) return html`<p class="empty">${state.app.name} has published no home tab for you. ${state.sockets ? 'It may yet.' : 'It is not connected to Slack.'}</p>`;
  return html`<div class="blocks home">${blocks(v.blocks, { view: v.id }, v.id)}</div>
    <p><button type="button" class="linkish" @click=${() => show(`Home tab ${v.id}`, v)}>Show JSON</button></p>`;
}

function about() {
  const a = state.app;
  return html`<div class="about">
    <p><b>${a.name}</b> is installed in <b>${state.team.name}</b>. ${state.sockets ? `It is connected to Slack through ${state.sockets} ${state.sockets === 1 ? 'socket' : 'sockets'}.` : 'It is not connected to Slack at the moment.'}</p>
    <h2>Commands</h2>
    <dl>${a.commands.map((c) => html`<dt><code>${c.command}</code></dt><dd>${c.hint || 'no hint'}</dd>`)}</dl>
    <h2>Channels</h2>
    <p>${a.name} is a member of ${state.channels.filter((c) => c.app && !c.archived).map((c, i) => html`${i ? ', ' : ''}${channel(c.id)?.mine ? html`<a href=${'#' + c.id}>#${c.name}</a>` : '#' + c.name}`)}.</p>
    <p class="dim">This page shows an emulated workspace. Nothing here reaches Slack.</p></div>`;
}

// appHead is the head of the app's own page, with its tabs. The messages tab is a channel: see channelPane.
export function appHead() {
  const tab = (id, label, act) => html`<button type="button" role="tab" aria-selected=${state.place.id === id} @click=${act}>${label}</button>`;
  const direct = state.direct;
  return html`<header class="pane-head"><h1>${state.app.name} <span class="badge">APP</span></h1></header>
    <div class="tabs" role="tablist">${tab('home', 'Home', openHome)}${direct ? tab(direct.id, 'Messages', () => go({ kind: 'channel', id: direct.id })) : nothing}${tab('about', 'About', () => go({ kind: 'app', id: 'about' }))}</div>`;
}

// appPane is the app's own page.
export function appPane() {
  return html`<main id="main" class="pane" aria-label=${state.app.name} tabindex="-1">
    ${appHead()}
    <div class="log app" tabindex="0" role="region" aria-label=${state.place.id}>${state.place.id === 'home' ? home() : about()}</div></main>`;
}
