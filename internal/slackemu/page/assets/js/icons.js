// icons owns the page's own signs, drawn so that they do not depend on the machine's fonts.

import { html } from '../lit-html/lit-html.js';

const paths = {
  hash: 'M9 4 7 20M17 4l-2 16M4 9h17M3 15h17',
  lock: 'M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3',
  reply: 'M4 5h16v11H11l-4 4v-4H4z',
  code: 'M8 6 3 12l5 6M16 6l5 6-5 6',
  eye: 'M2 12s4-6 10-6 10 6 10 6-4 6-10 6S2 12 2 12zM12 9.5a2.5 2.5 0 1 0 .01 0',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15 9h.01',
  file: 'M6 3h8l4 4v14H6zM14 3v5h4',
  play: 'M8 5v14l11-7z',
  send: 'M4 4l17 8-17 8 3-8zM7 12h8',
  menu: 'M4 7h16M4 12h16M4 17h16',
  panel: 'M4 5h16v14H4zM14 5v14',
  close: 'M6 6l12 12M18 6 6 18',
  light: 'M12 8a4 4 0 1 0 .01 0M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5 19 19M5 19l1.5-1.5M17.5 6.5 19 5',
  dark: 'M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z',
  system: 'M3 5h18v11H3zM8 20h8M12 16v4',
  bot: 'M5 9h14v10H5zM12 9V5M9 13v2M15 13v2',
};

// icon draws a sign; what it means must be said beside it.
export const icon = (name) => html`<svg class="sign" viewBox="0 0 24 24" aria-hidden="true"><path d=${paths[name]}></path></svg>`;
