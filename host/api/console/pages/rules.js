// All rules, by group: how each stands, when it was evaluated last, and what that took.

import { address, h, link, put } from '../dom.js';
import { durationOf, ticking } from '../time.js';
import { all } from '../api.js';
import { changed, filters, search } from '../filters.js';
import { VirtualList } from '../list.js';
import { STANDINGS, standing, standingOf } from '../standing.js';

/** How often rules are asked for. */
const EVERY_MILLIS = 10_000;

const wide = matchMedia('(min-width: 760px)');

export function rules(main, initial, shell) {
  let [params, known] = [initial, undefined];
  const abort = new AbortController();
  const [chips, note] = [h('div', { class: 'chips', role: 'group', 'aria-label': 'States' }), h('p', { class: 'note' }, 'Reading the rules …')];
  const list = new VirtualList({
    label: 'Rules',
    top: shell.top,
    height: (item) => (item.group ? 40 : wide.matches ? 44 : 104),
    key: (item) => item.group ?? item.rule,
    isRow: (item) => !item.group,
    draw: (item) => (item.group ? h('h2', { class: 'heading' }, item.group, h('span', { class: 'dim' }, ` ${item.count}`)) : row(item.told)),
    more: () => {},
  });
  put(main, h('div', { class: 'title' }, h('h1', null, 'Rules'), h('p', { class: 'dim', id: 'generation' })),
    filters(search('Search rules, groups and queries', params.q, (value) => shell.go(changed(shell.params(), 'q', value), true))),
    chips, note, list.element);

  function draw() {
    if (!known) return;
    const text = (params.q ?? '').toLowerCase();
    const found = known.filter((it) => it.text.includes(text));
    const counts = {};
    found.forEach((it) => (counts[it.word] = (counts[it.word] ?? 0) + 1));
    put(chips, link(changed(params, 'state', ''), { class: 'chip', 'data-replace': true, 'aria-current': params.state ? null : 'true' }, `all ${found.length}`),
      STANDINGS.filter((word) => counts[word] || params.state === word).map((word) =>
        link(changed(params, 'state', word), { class: 'chip', 'data-replace': true, 'aria-current': params.state === word ? 'true' : null }, standing(word, counts[word] ?? '0'))));
    const shown = params.state ? found.filter((it) => it.word === params.state) : found;
    const groups = Map.groupBy ? Map.groupBy(shown, (it) => it.told.group) : grouped(shown);
    list.set([...groups].flatMap(([group, of]) => [{ group, count: of.length }, ...of]));
    note.textContent = shown.length === 0 ? (known.length === 0 ? 'No rules run.' : 'No rule passes these filters.') : '';
  }

  async function read() {
    try {
      const before = new Map(known?.map((it) => [it.rule, it]));
      const items = await all('rules', {}, { signal: abort.signal });
      known = items.map((told) => {
        const json = JSON.stringify(told);
        const same = before.get(told.rule);
        if (same?.json === json) return same;
        return { rule: told.rule, told, json, word: standingOf(told), text: `${told.rule} ${told.expr}`.toLowerCase() };
      });
      draw();
    } catch (error) {
      if (error.name !== 'AbortError') note.textContent = `Rules cannot be read: ${error.message}`;
    }
  }

  const page = {
    end() {
      clearInterval(page.timer);
      abort.abort();
      list.end();
    },
    update(next) {
      params = next;
      const field = main.querySelector('input[type=search]');
      if (field !== document.activeElement) field.value = next.q ?? '';
      draw();
    },
    onSummary: (summary) => put(main.querySelector('#generation'), `Generation ${summary.generation}: ${summary.rules} rules in ${summary.groups} groups, ${summary.correlations} correlations`),
    reread: read,
    walk: (step) => list.walk(step),
  };
  if (shell.summary) page.onSummary(shell.summary);
  page.timer = setInterval(() => document.hidden || read(), EVERY_MILLIS);
  read();
  return page;
}

function grouped(items) {
  const groups = new Map();
  items.forEach((it) => (groups.get(it.told.group) ?? groups.set(it.told.group, []).get(it.told.group)).push(it));
  return groups;
}

function row(rule) {
  const [word, last] = [standingOf(rule), rule.last_evaluation];
  return h('a', { href: address({ page: 'rule', id: rule.rule }), class: `row rule ${word}` },
    standing(word, rule.firing || rule.pending || ''),
    h('span', { class: 'what' }, h('b', null, rule.name), h('code', { class: 'sub' }, rule.expr)),
    h('span', { class: 'outcome' }, rule.health ? `${rule.health.outcome}${rule.health.late ? ', late' : ''}` : '–', rule.health?.message && h('span', { class: 'message' }, `: ${rule.health.message}`)),
    h('span', { class: 'length' }, last ? [ticking(last.instant), ' ago'] : '–'),
    h('span', { class: 'took number', title: 'What the evaluation of its group took' }, last ? durationOf(last.group_seconds * 1_000) : '–'));
}
