// What the keys do, and what the console is.

import { h } from './dom.js';
import { openDialog } from './dialog.js';
import { letters } from './keys.js';
import { severity, SEVERITIES } from './severity.js';

const KEYS = [
  ['?', 'this help'],
  ['/', 'to the search of the page'],
  ['j  k', 'to the next row, to the one before'],
  ['Enter', 'opens the row'],
  ['Esc', 'closes, or goes back'],
  ['Ctrl K', 'finds pages, incidents and rules'],
];

export function openHelp() {
  const toggle = h('input', { type: 'checkbox', id: 'letters', onchange: (event) => letters.turn(event.target.checked) });
  toggle.checked = letters.areOn();
  const dialog = openDialog('Help', { class: 'help-window' },
    h('h2', null, 'Keys'),
    h('dl', { class: 'keys' }, KEYS.map(([keys, does]) => h('div', null,
      h('dt', null, keys.split('  ').map((key) => h('kbd', null, key))), h('dd', null, does)))),
    h('p', null, toggle, h('label', { for: 'letters' }, 'Keys of one letter are on')),
    h('h2', null, 'How bad'),
    h('p', { class: 'legend' }, SEVERITIES.map((one) => severity(one))),
    h('h2', null, 'Orion observes'),
    h('p', null, 'Autonomy level N0: it observes, records and explains, and people act. Nothing on these pages changes anything.'),
    h('p', null, 'Times are those of this browser; rest the pointer on one for UTC.'),
    h('button', { type: 'button', class: 'main', autofocus: true, onclick: () => dialog.close() }, 'Close'));
}
