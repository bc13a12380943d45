// live owns the connection to the server: the stream of changes, and the requests that carry what the person does.

import { state, take, changed } from './store.js';

let source;
let timer;

// connect opens the stream as a person. The server begins with the whole state, also after every reconnection.
export function connect(userID) {
  clearTimeout(timer);
  source?.close();
  const own = new EventSource('/page/live?user=' + encodeURIComponent(userID));
  source = own;
  own.onmessage = (e) => { if (own === source) take(JSON.parse(e.data)); };
  own.onerror = () => {
    if (own !== source) return;
    state.online = false;
    changed();
    // After an answer that is no stream the browser gives up; then it is for us to try again.
    if (own.readyState === EventSource.CLOSED) timer = setTimeout(() => connect(userID), 2000);
  };
}

// post tells the server what the person did. The answer has an error in words for her, or not.
export async function post(what, body) {
  try {
    const resp = await fetch('/page/' + what, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: state.me?.id ?? '', ...body }),
    });
    if (!resp.ok) return { error: (await resp.text()).trim() || `HTTP ${resp.status}` };
    return await resp.json();
  } catch {
    return { error: 'The server of this page does not answer.' };
  }
}
