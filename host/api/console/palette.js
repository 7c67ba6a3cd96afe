// Finds pages, incidents and rules by what is typed.

import { address, calm, h, put } from './dom.js';
import { openDialog } from './dialog.js';
import { get } from './api.js';
import { severity } from './severity.js';
import { timeOf } from './time.js';

const PAGES = [['Feed', {}], ['Feed: open incidents', { state: 'open' }], ['Rules', { page: 'rules' }],
  ['Rules: firing', { page: 'rules', state: 'firing' }], ['Rules: failing', { page: 'rules', state: 'failing' }],
  ['Plugins', { page: 'plugins' }], ['Audit', { page: 'audit' }], ['System', { page: 'system' }]];

/** Of each kind. */
const MOST = 8;

export function openPalette(shell) {
  let [found, chosen, asked] = [[], 0, 0];
  const list = h('div', { role: 'listbox', id: 'found', 'aria-label': 'Found' });
  const field = h('input', { type: 'search', role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'found', 'aria-autocomplete': 'list',
    'aria-label': 'Find pages, incidents and rules', placeholder: 'Find pages, incidents and rules', autocomplete: 'off', spellcheck: 'false' });
  const dialog = openDialog('Find', { class: 'palette' }, field, list);

  const open = (entry) => {
    dialog.close();
    if (entry) shell.go(entry.params);
  };
  const draw = () => {
    put(list, found.map((entry, at) => h('div', { role: 'option', id: `found-${at}`, 'aria-selected': String(at === chosen),
      'data-address': address(entry.params), onclick: () => open(entry) }, h('span', { class: 'kind' }, entry.kind), entry.title)));
    if (found.length === 0) put(list, h('div', { role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false' }, 'Nothing is called that'));
    field.setAttribute('aria-activedescendant', found.length ? `found-${chosen}` : '');
    list.children[chosen]?.scrollIntoView({ block: 'nearest' });
  };
  const search = async () => {
    const [text, turn] = [field.value.trim().toLowerCase(), ++asked];
    const pages = PAGES.filter(([title]) => title.toLowerCase().includes(text))
      .map(([title, params]) => ({ kind: 'page', title, params }));
    [found, chosen] = [pages, 0];
    draw();
    if (!text) return;
    const none = { items: [] };
    const [incidents, rules] = await Promise.all([
      get('incidents', { q: text, limit: MOST }).catch(() => none), get('rules', { q: text, limit: MOST }).catch(() => none)]);
    if (turn !== asked) return;
    found = [...pages,
      ...incidents.items.map((it) => ({ kind: 'incident', title: [severity(it.severity, it.status === 'resolved'), ' ', it.summary, ' ', h('span', { class: 'dim' }, timeOf(it.opened_at))],
        params: { page: 'incident', id: it.incident_id } })),
      ...rules.items.map((it) => ({ kind: 'rule', title: it.rule, params: { page: 'rule', id: it.rule } }))];
    draw();
  };
  field.addEventListener('input', calm(search, 80));
  field.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && found.length) {
      event.preventDefault();
      chosen = (chosen + step + found.length) % found.length;
      draw();
    } else if (event.key === 'Enter') {
      open(found[chosen]);
    }
  });
  search();
  field.focus();
}
