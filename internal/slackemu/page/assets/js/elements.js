// elements owns the interactive elements of blocks: how they look, what a person does with them, and how that gets to the
// app. A place (`at`) is {channel, ts} for a message and {view} for a modal or the home tab.

import { html, nothing } from '../lit-html/lit-html.js';
import { live } from '../lit-html/directives/live.js';
import { state, changed, key } from './store.js';
import { post } from './live.js';
import { plain, textObject } from './mrkdwn.js';
import { epochOf, localOf } from './time.js';

export const elementKey = (at, block, e) => key(at.view ?? key(at.channel, at.ts), block.block_id, e.action_id);
// domID makes a key an id that labels and menus can name.
export const domID = (k) => 'e-' + k.replace(/[^\w-]/g, '_');

// send tells the app; while that takes, the element is busy, and if it fails the person sees it there.
async function send(at, block, e, body) {
  const k = elementKey(at, block, e);
  state.busy.add(k);
  state.failed.delete(k);
  changed();
  const answer = await post('action', { ...at, block: block.block_id, action: e.action_id, ...body });
  state.busy.delete(k);
  if (answer.error) state.failed.set(k, answer.error);
  changed();
}

// ask shows a confirmation dialog, if the element has one, and resolves to what the person says.
function ask(confirm) {
  if (!confirm) return Promise.resolve(true);
  return new Promise((resolve) => {
    state.confirm = { ...confirm, done: (yes) => { state.confirm = null; resolve(yes); changed(); } };
    changed();
  });
}

// choose takes what a person has chosen: remembered for a submission in inputs, told to the app elsewhere.
async function choose(at, block, e, values, { quiet = false } = {}) {
  const k = elementKey(at, block, e);
  const before = state.chosen.get(k);
  state.chosen.set(k, values);
  changed();
  if (quiet || (block.type === 'input' && !block.dispatch_action)) return;
  if (!(await ask(e.confirm))) {
    before ? state.chosen.set(k, before) : state.chosen.delete(k);
    changed();
    return;
  }
  send(at, block, e, { values });
}

async function press(at, block, e) {
  if (!(await ask(e.confirm))) return;
  if (e.url) window.open(e.url, '_blank', 'noopener,noreferrer');
  send(at, block, e, e.value ? { value: e.value } : {});
}

async function pick(at, block, e, option) {
  if (!(await ask(e.confirm))) return;
  if (option.url) window.open(option.url, '_blank', 'noopener,noreferrer');
  send(at, block, e, { value: option.value });
}

// initial is what an element holds before anybody touches it, as an array of strings.
function initial(e) {
  const many = e.initial_options?.map((o) => o.value) ?? e.initial_users ?? e.initial_channels ?? e.initial_conversations;
  if (many) return many;
  const one = e.initial_option?.value ?? e.initial_user ?? e.initial_channel ?? e.initial_conversation ?? e.initial_date ?? e.initial_time ?? e.initial_date_time;
  if (one !== undefined) return [String(one)];
  const val = e.initial_value;
  if (typeof val === 'string') return [val];
  if (val?.elements) return [val.elements.flatMap((x) => x.elements ?? []).map((x) => x.text ?? '').join('')];
  return [];
}

export const valuesOf = (at, block, e) => state.chosen.get(elementKey(at, block, e)) ?? initial(e);

// optionsOf are the choices of a select as groups: [{label, options: [{value, label}]}].
function optionsOf(e, k) {
  const group = (options) => options.map((o) => ({ value: o.value, label: plain(o.text), text: o.text, description: o.description }));
  if (e.option_groups) return e.option_groups.map((g) => ({ label: plain(g.label), options: group(g.options) }));
  if (e.options) return [{ options: group(e.options) }];
  const channels = () => state.channels.filter((c) => c.mine && !c.archived).map((c) => ({ value: c.id, label: '#' + c.name }));
  if (/users_select/.test(e.type)) return [{ options: [...state.users.values()].map((u) => ({ value: u.id, label: u.real_name + (u.bot ? ' (app)' : '') })) }];
  if (/(channels|conversations)_select/.test(e.type)) return [{ options: channels() }];
  const known = state.suggested.get(k) ?? [];
  const own = (e.initial_options ?? (e.initial_option ? [e.initial_option] : []));
  return [{ options: [...group(own), ...group(known).filter((o) => !own.some((x) => x.value === o.value))] }];
}

function select(at, block, e, labelled) {
  const k = elementKey(at, block, e);
  const value = valuesOf(at, block, e)[0] ?? '';
  const option = (o) => html`<option value=${o.value} .selected=${live(o.value === value)}>${o.label}</option>`;
  return html`<select id=${domID(k)} class="select" aria-label=${labelled ? nothing : plain(e.placeholder) || 'Select an option'} data-action=${e.action_id}
    @change=${(ev) => choose(at, block, e, ev.target.value ? [ev.target.value] : [])}>
    <option value="" .selected=${live(value === '')} ?disabled=${block.type !== 'input' || !block.optional}>${plain(e.placeholder) || 'Select an option'}</option>
    ${optionsOf(e, k).map((g) => (g.label ? html`<optgroup label=${g.label}>${g.options.map(option)}</optgroup>` : g.options.map(option)))}
  </select>`;
}

let suggestTimer;
function suggest(at, block, e, value) {
  clearTimeout(suggestTimer);
  if (value.length < (e.min_query_length ?? 3)) return;
  suggestTimer = setTimeout(async () => {
    const k = elementKey(at, block, e);
    const answer = await post('suggest', { ...at, block: block.block_id, action: e.action_id, value });
    if (answer.error) state.failed.set(k, answer.error);
    else state.failed.delete(k);
    const options = answer.options?.options ?? answer.options?.option_groups?.flatMap((g) => g.options) ?? [];
    state.suggested.set(k, options);
    changed();
  }, 200);
}

// external is a select whose options the app suggests while the person types.
function external(at, block, e, labelled) {
  const k = elementKey(at, block, e);
  const options = optionsOf(e, k)[0].options;
  const value = valuesOf(at, block, e)[0];
  const shown = options.find((o) => o.value === value)?.label ?? value ?? '';
  const typed = (ev) => {
    const hit = options.find((o) => o.label === ev.target.value);
    if (hit) choose(at, block, e, [hit.value]);
    else suggest(at, block, e, ev.target.value);
  };
  return html`<input id=${domID(k)} class="select" list=${domID(k) + '-list'} autocomplete="off" data-action=${e.action_id} aria-label=${labelled ? nothing : plain(e.placeholder) || 'Type to search'}
    placeholder=${plain(e.placeholder) || 'Type to search'} .value=${live(document.activeElement?.id === domID(k) ? document.activeElement.value : shown)}
    @input=${typed} @focus=${() => (e.min_query_length ?? 3) === 0 && suggest(at, block, e, '')} @change=${(ev) => { if (!ev.target.value) choose(at, block, e, []); }}>
    <datalist id=${domID(k) + '-list'}>${options.map((o) => html`<option value=${o.label}></option>`)}</datalist>`;
}

// multi is a select of several options. Outside of inputs the app hears of it when the list is closed.
function multi(at, block, e) {
  const k = elementKey(at, block, e);
  const values = valuesOf(at, block, e);
  const groups = optionsOf(e, k);
  const labels = groups.flatMap((g) => g.options).filter((o) => values.includes(o.value)).map((o) => o.label);
  const full = e.max_selected_items && values.length >= e.max_selected_items;
  const tick = (o) => html`<label class="choice"><input type="checkbox" value=${o.value} .checked=${live(values.includes(o.value))} ?disabled=${full && !values.includes(o.value)}
    @change=${(ev) => { choose(at, block, e, ev.target.checked ? [...values, o.value] : values.filter((v) => v !== o.value), { quiet: true }); ev.target.closest('details').dirty = true; }}><span>${o.label}</span></label>`;
  const closed = (ev) => { if (!ev.target.open && ev.target.dirty) { ev.target.dirty = false; choose(at, block, e, valuesOf(at, block, e)); } };
  return html`<details class="multi" data-action=${e.action_id} @toggle=${closed}>
    <summary id=${domID(k)} aria-label=${`${plain(e.placeholder) || 'Select options'}: ${labels.join(', ') || 'none'}`}>${labels.length ? labels.map((l) => html`<span class="pill">${l}</span>`) : html`<span class="dim">${plain(e.placeholder) || 'Select options'}</span>`}</summary>
    <div class="list" role="group">
      ${/external/.test(e.type) ? html`<input class="select" type="search" aria-label="Search" placeholder="Type to search" @input=${(ev) => suggest(at, block, e, ev.target.value)}>` : nothing}
      ${groups.map((g) => [g.label ? html`<div class="group-label">${g.label}</div>` : nothing, g.options.map(tick)])}
    </div></details>`;
}

function choices(at, block, e, kind) {
  const k = elementKey(at, block, e);
  const values = valuesOf(at, block, e);
  const take = (o, on) => choose(at, block, e, kind === 'radio' ? [o.value] : on ? [...values, o.value] : values.filter((v) => v !== o.value));
  return html`<div class="choices" role=${kind === 'radio' ? 'radiogroup' : 'group'} data-action=${e.action_id} id=${domID(k)}>
    ${e.options.map((o) => html`<label class="choice"><input type=${kind} name=${domID(k)} value=${o.value} .checked=${live(values.includes(o.value))} @change=${(ev) => take(o, ev.target.checked)}>
      <span>${textObject(o.text)}${o.description ? html`<small>${textObject(o.description)}</small>` : nothing}</span></label>`)}
  </div>`;
}

// picker is a date, a time of day, or both; both is a moment in the reader's zone.
function picker(at, block, e, type, labelled) {
  const k = elementKey(at, block, e);
  const value = valuesOf(at, block, e)[0] ?? '';
  const both = type === 'datetime-local';
  const take = (v) => choose(at, block, e, v ? [both ? String(epochOf(v)) : v] : []);
  return html`<input id=${domID(k)} class="select" type=${type} data-action=${e.action_id} aria-label=${labelled ? nothing : plain(e.placeholder) || 'Date or time'}
    .value=${live(both && value ? localOf(+value) : value)} @change=${(ev) => take(ev.target.value)}>`;
}

function textInput(at, block, e, type) {
  const k = elementKey(at, block, e);
  const value = valuesOf(at, block, e)[0] ?? '';
  const when = e.dispatch_action_config?.trigger_actions_on ?? ['on_enter_pressed'];
  const take = (ev) => choose(at, block, e, ev.target.value ? [ev.target.value] : [], { quiet: !when.includes('on_character_entered') });
  const enter = (ev) => {
    if (ev.key !== 'Enter' || !block.dispatch_action || !when.includes('on_enter_pressed') || (type === 'area' && ev.shiftKey)) return;
    ev.preventDefault();
    choose(at, block, e, ev.target.value ? [ev.target.value] : []);
  };
  const hint = plain(e.placeholder);
  if (type === 'area') {
    return html`<textarea id=${domID(k)} class="field" rows="4" data-action=${e.action_id} placeholder=${hint} maxlength=${e.max_length ?? nothing} ?required=${!block.optional} .value=${live(value)} @input=${take} @keydown=${enter}></textarea>`;
  }
  return html`<input id=${domID(k)} class="field" type=${type} data-action=${e.action_id} placeholder=${hint} minlength=${e.min_length ?? nothing} maxlength=${e.max_length ?? nothing}
    min=${e.min_value ?? nothing} max=${e.max_value ?? nothing} step=${type === 'number' ? (e.is_decimal_allowed ? 'any' : '1') : nothing} ?required=${!block.optional} .value=${live(value)} @input=${take} @keydown=${enter}>`;
}

function button(at, block, e) {
  const k = elementKey(at, block, e);
  const busy = state.busy.has(k);
  return html`<button type="button" class=${`button ${e.style ?? ''} ${busy ? 'busy' : ''}`} data-action=${e.action_id} data-value=${e.value ?? nothing} aria-label=${e.accessibility_label ?? nothing} aria-busy=${busy}
    @click=${() => !busy && press(at, block, e)}>${plain(e.text)}${e.url ? html`<span class="out" aria-hidden="true"> ↗</span>` : nothing}</button>`;
}

// place puts an open menu under its button, or above it where there is no room.
export function place(ev) {
  if (ev.newState !== 'open') return;
  const menu = ev.target;
  const button = menu.previousElementSibling.getBoundingClientRect();
  const box = menu.getBoundingClientRect();
  const below = button.bottom + 4 + box.height < innerHeight;
  menu.style.top = `${below ? button.bottom + 4 : Math.max(4, button.top - box.height - 4)}px`;
  menu.style.left = `${Math.max(4, Math.min(button.left, innerWidth - box.width - 8))}px`;
}

export function menuKeys(ev) {
  const items = [...ev.currentTarget.querySelectorAll('[role=menuitem]')];
  const i = items.indexOf(document.activeElement);
  const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: items.length - 1 }[ev.key];
  if (to === undefined) return;
  ev.preventDefault();
  items.at(to % items.length).focus();
}

function overflow(at, block, e) {
  const id = domID(elementKey(at, block, e));
  const busy = state.busy.has(elementKey(at, block, e));
  const take = (ev, o) => { ev.currentTarget.closest('[popover]').hidePopover(); pick(at, block, e, o); };
  return html`<button type="button" class="button more" popovertarget=${id} aria-haspopup="menu" aria-label="More actions" aria-busy=${busy} data-action=${e.action_id}>⋯</button>
    <div id=${id} class="menu" popover role="menu" aria-label="More actions" @toggle=${place} @keydown=${menuKeys}>${e.options.map((o, i) => html`<button type="button" role="menuitem" ?autofocus=${i === 0} data-value=${o.value} @click=${(ev) => take(ev, o)}>
      <span>${plain(o.text)}${o.url ? ' ↗' : ''}</span>${o.description ? html`<small>${plain(o.description)}</small>` : nothing}</button>`)}</div>`;
}

function bare(e, at, block, labelled) {
  switch (e.type) {
    case 'button': return button(at, block, e);
    case 'overflow': return overflow(at, block, e);
    case 'static_select': case 'users_select': case 'channels_select': case 'conversations_select': return select(at, block, e, labelled);
    case 'external_select': return external(at, block, e, labelled);
    case 'multi_static_select': case 'multi_users_select': case 'multi_channels_select': case 'multi_conversations_select': case 'multi_external_select': return multi(at, block, e);
    case 'checkboxes': return choices(at, block, e, 'checkbox');
    case 'radio_buttons': return choices(at, block, e, 'radio');
    case 'datepicker': return picker(at, block, e, 'date', labelled);
    case 'timepicker': return picker(at, block, e, 'time', labelled);
    case 'datetimepicker': return picker(at, block, e, 'datetime-local', labelled);
    case 'plain_text_input': return textInput(at, block, e, e.multiline ? 'area' : 'text');
    case 'rich_text_input': return textInput(at, block, e, 'area');
    case 'email_text_input': return textInput(at, block, e, 'email');
    case 'url_text_input': return textInput(at, block, e, 'url');
    case 'number_input': return textInput(at, block, e, 'number');
    case 'file_input': return html`<input class="field" type="file" disabled aria-label="Files cannot be chosen here">`;
    default: return html`<span class="dim">[${e.type}]</span>`;
  }
}

// element draws an interactive element, with what went wrong when it was last used. labelled says that a <label> names it.
export function element(e, at, block, labelled = false) {
  const error = state.failed.get(elementKey(at, block, e));
  return html`<span class="element">${bare(e, at, block, labelled)}${error ? html`<span class="failed" role="alert">⚠ ${error}</span>` : nothing}</span>`;
}
