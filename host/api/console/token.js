// Asks for a token, where one is needed.

import { h, put } from './dom.js';
import { get, token } from './api.js';

/** In the place of the page; calls `again` when there is one. */
export function askForToken(why, again) {
  const main = document.getElementById('main');
  if (main.querySelector('.login')) return;
  const field = h('input', { type: 'password', id: 'token', autocomplete: 'off', spellcheck: 'false', required: true, 'aria-describedby': 'why' });
  // One question, before a page asks five: whoever sends tokens that do not hold too often is locked out.
  const enter = async () => {
    if (!field.value.trim()) return field.focus();
    token.set(field.value.trim());
    try {
      await get('summary');
    } catch (error) {
      token.forget();
      reason.textContent = error.message;
      return field.select();
    }
    return again();
  };
  field.addEventListener('keydown', (event) => event.key === 'Enter' && enter());
  const reason = h('p', { id: 'why', role: 'status' }, token.get() ? why
    : 'At this address Orion tells bearers of a token. Yours is kept in this tab until you close it, and sent nowhere else.');
  token.forget();
  put(main, h('section', { class: 'login' },
    h('h1', null, 'Who asks?'),
    reason,
    h('label', { for: 'token' }, 'Token'),
    field,
    h('button', { type: 'button', class: 'main', onclick: enter }, 'Enter'),
    h('p', { class: 'dim' }, 'Whoever holds the issuer’s key makes one: ', h('code', null, 'orion-kit token --key issuer.key --subject you --for 8h'))));
  field.focus();
}
