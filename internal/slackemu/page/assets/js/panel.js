// panel owns the column on the right: the controls and counters that the server's owner puts there, and what a phone would
// show of the newest messages.

import { html, nothing } from '../lit-html/lit-html.js';
import { repeat } from '../lit-html/directives/repeat.js';
import { live } from '../lit-html/directives/live.js';
import { state, changed, rung, toast } from './store.js';
import { post } from './live.js';
import { preview } from './mrkdwn.js';
import { ms, clock, full } from './time.js';
import { icon } from './icons.js';

async function act(c, value) {
  const k = 'panel/' + c.id;
  state.busy.add(k);
  changed();
  const answer = await post('panel', { control: c.id, value });
  state.busy.delete(k);
  if (answer.error) toast(`${c.label}: ${answer.error}`);
  changed();
}

function control(c) {
  const busy = state.busy.has('panel/' + c.id);
  const off = !!c.disabled;
  const id = 'control-' + c.id;
  const note = c.disabled || c.note;
  const said = note ? html`<span class="note" id=${id + '-note'}>${note}</span>` : nothing;
  const by = note ? id + '-note' : nothing;
  switch (c.kind) {
    case 'toggle': {
      const on = c.value === 'on';
      return html`<div class="control"><button type="button" class="switch" id=${id} role="switch" aria-checked=${on} ?disabled=${off} aria-busy=${busy} title=${c.help} aria-describedby=${by} data-control=${c.id}
        @click=${() => !busy && act(c, on ? 'off' : 'on')}><span class="knob" aria-hidden="true"></span>${c.label}<span class="onoff">${on ? 'on' : 'off'}</span></button>${said}</div>`;
    }
    case 'select':
      return html`<div class="control"><label for=${id} title=${c.help}>${c.label}</label>
        <select class="select" id=${id} ?disabled=${off || busy} aria-describedby=${by} data-control=${c.id} @change=${(ev) => act(c, ev.target.value)}>
          ${c.options.map((o) => html`<option value=${o.value} .selected=${live(o.value === c.value)}>${o.label}</option>`)}</select>${said}</div>`;
    default:
      return html`<div class="control"><button type="button" class=${busy ? 'button busy' : 'button'} id=${id} ?disabled=${off} aria-busy=${busy} title=${c.help} aria-describedby=${by} data-control=${c.id}
        @click=${() => !busy && act(c, c.value)}>${c.label}</button>${said}</div>`;
  }
}

function controls(list) {
  const groups = [];
  for (const c of list) {
    if (groups.at(-1)?.name !== c.group) groups.push({ name: c.group, list: [] });
    groups.at(-1).list.push(c);
  }
  return groups.map((g) => html`<section class="controls">${g.name ? html`<h3>${g.name}</h3>` : nothing}<div class="control-list">${repeat(g.list, (c) => c.id, control)}</div></section>`);
}

const verdict = (good) => (good === null || good === undefined ? nothing : good ? html`<span class="good">✓ OK</span>` : html`<span class="bad">✗ not OK</span>`);

function counters(list) {
  if (!list.length) return nothing;
  return html`<table class="counters"><caption class="hidden">Counters</caption><tbody>${repeat(list, (c) => c.id, (c) => html`<tr data-counter=${c.id}>
    <th scope="row">${c.label}${c.note ? html`<small>${c.note}</small>` : nothing}</th><td>${c.value}</td><td class="verdict">${verdict(c.good)}</td></tr>`)}</tbody></table>`;
}

function list(l) {
  return html`<section class="handed" aria-label=${l.title} data-list=${l.id}><h3>${l.title}</h3>
    ${l.note ? html`<p class="dim">${l.note}</p>` : nothing}
    ${l.rows.length ? html`<ol>${repeat(l.rows, (r) => r.id, (r) => html`<li><div class="handed-head"><code>${r.label}</code><span class="grow"></span>
      <time title=${full(Date.parse(r.at))}>${clock(Date.parse(r.at))}</time></div><p>${r.text}</p></li>`)}</ol>` : html`<p class="empty">${l.empty}</p>`}</section>`;
}

// phone is what the lock screen would show: the top-level text alone, as it was when the message was posted.
function phone() {
  const list = rung(4);
  return html`<section class="phone" aria-label="What phones have shown"><h3>On phones</h3>
    <p class="dim">Only the text, as first posted; edits ring nobody.</p>
    ${list.length ? html`<ol>${repeat(list, (x) => x.channel.id + x.message.ts, ({ channel, message }) => html`<li>
      <div class="phone-head"><img class="avatar tiny" src="/assets/icon.svg" alt=""><b>${state.app.name}</b> <span class="dim">${channel.direct ? 'direct message' : '#' + channel.name}</span><span class="grow"></span><time title=${full(ms(message.ts))}>${clock(ms(message.ts))}</time></div>
      <p>${preview(message.rang)}</p></li>`)}</ol>` : html`<p class="empty">Nothing yet.</p>`}</section>`;
}

// sideColumn is the whole column.
export function sideColumn() {
  const p = state.panel;
  return html`<aside class="side" aria-label=${p?.title || 'Notifications'}>
    <header class="pane-head"><h2>${p?.title || 'Notifications'}</h2><span class="grow"></span>
      <button type="button" class="icon narrow-only" aria-label="Close" @click=${() => { state.drawer = ''; changed(); }}>${icon('close')}</button></header>
    <div class="side-body">
      ${p ? html`${p.clock || p.phase ? html`<div class="clock"><b>${p.clock}</b> <span>${p.phase}</span></div>` : nothing}${controls(p.controls)}${counters(p.counters)}` : nothing}
      ${phone()}
      ${p ? p.lists.map(list) : nothing}
    </div></aside>`;
}
