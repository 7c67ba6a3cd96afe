// The text of a rule file around a rule, with the numbers of its lines, and what the last edit changed.

import { h } from '../dom.js';
import { timeOf } from '../time.js';
import { around, difference } from '../diff.js';

/** Lines shown before and behind a rule, and a change. */
const NEAR = 3;

/** Lines of a difference that are drawn; more is no edit that somebody reads. */
const MAX_LINES = 500;

export function source(file, line) {
  const heading = h('h2', null, 'Source');
  if (!file) return [heading, h('p', { class: 'note' }, 'Its rule file does not run on this host.')];
  const name = h('code', null, file.file);
  if (file.text === null) return [heading, h('p', { class: 'note' }, name, ` has ${file.bytes} bytes; a text of that size is not shown.`)];
  const lines = file.text.replace(/\n$/, '').split('\n').map((text, at) => ({ after: at + 1, text }));
  const [from, to] = extent(lines, line);
  const near = lines.slice(Math.max(0, from - 1 - NEAR), to + NEAR).map((one) => ({ ...one, isOwn: one.after >= from && one.after <= to }));
  return [
    heading,
    file.refused && h('p', { class: 'refused' }, 'An edit of this file is refused. What is shown here runs: its last good version. ', file.refused.split('\n')[0]),
    code(`Lines ${near[0]?.after} to ${near.at(-1)?.after} of ${file.file}`, near),
    near.length < lines.length && h('details', { class: 'whole' }, h('summary', null, `All ${lines.length} lines of `, name), code(`All of ${file.file}`, lines)),
    h('h2', null, 'What the last edit changed'),
    changed(file),
  ];
}

/** The lines of the rule: those behind its first that lie deeper than it. */
function extent(lines, first) {
  const depth = (text) => text.search(/\S/);
  const own = depth(lines[first - 1]?.text ?? '');
  let last = first;
  while (last < lines.length && (depth(lines[last].text) > own || depth(lines[last].text) < 0)) last += 1;
  while (last > first && depth(lines[last - 1].text) < 0) last -= 1;
  return [first, last];
}

function changed({ file, text, before }) {
  if (!before) return h('p', { class: 'note' }, 'No version before this one is known.');
  const since = ['Since ', timeOf(before.until), `, generation ${before.generation}`];
  if (before.text === null) return h('p', { class: 'note' }, since, `. The version before has ${before.bytes} bytes; a text of that size is not shown.`);
  const all = difference(before.text.replace(/\n$/, ''), text.replace(/\n$/, ''));
  const count = (sign) => all.filter((one) => one.sign === sign).length;
  const lines = around(all, NEAR);
  return [
    h('p', { class: 'dim' }, since, `: ${count('+')} lines added, ${count('-')} removed.`),
    lines.length > 0 && code(`What the last edit changed in ${file}`, lines.slice(0, MAX_LINES)),
    lines.length > MAX_LINES && h('p', { class: 'note' }, `${lines.length - MAX_LINES} more lines are not drawn.`),
  ];
}

const WORDS = { '+': 'added', '-': 'removed' };
const SIGNS = { '+': '+', '-': '−' };

/** Lines with their numbers; `undefined` stands for what is left out. */
function code(label, lines) {
  const row = (one) => one && h('div', { class: `code-line ${WORDS[one.sign] ?? ''}${one.isOwn ? ' own' : ''}` },
    'sign' in one && h('span', { class: 'code-number' }, String(one.before ?? '')),
    h('span', { class: 'code-number' }, String(one.after ?? '')),
    'sign' in one && h('span', { class: 'code-sign' }, SIGNS[one.sign] ?? '', WORDS[one.sign] && h('span', { class: 'unseen' }, ` ${WORDS[one.sign]}: `)),
    h('code', null, one.text));
  const rows = lines.map((one) => row(one) ?? h('div', { class: 'code-line gap' }, '⋯'));
  return h('div', { class: 'source', tabindex: '0', role: 'region', 'aria-label': label }, h('div', null, rows));
}
