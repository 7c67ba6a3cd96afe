// What was proven about each plugin, what it may do, and the worst that was seen of it.

import { facts, h, link, put, table } from '../dom.js';
import { all, get } from '../api.js';
import { timeOf } from '../time.js';
import { short } from '../chart.js';

const EVERY_MILLIS = 10_000;

export function plugins(main, params, shell) {
  const [aside, body] = [h('section', { 'aria-label': 'Quarantine' }), h('div', { class: 'cards' }, h('p', { class: 'boot' }, 'Reading the plugins …'))];
  put(main, h('div', { class: 'title' }, h('h1', null, 'Plugins'),
    h('p', { class: 'dim' }, 'Each runs in a sandbox of its own. What is linked is all it can reach: no clock, no network, no file, no randomness.')), aside, body);
  let told;

  async function read() {
    try {
      const [{ items }, rules, { items: held }] = await Promise.all([get('plugins'), all('rules', { unwell: true }), get('quarantine')]);
      const text = JSON.stringify([items, rules.length, held]);
      if (text !== told) {
        const open = new Set([...main.querySelectorAll('details[open]')].map((it) => it.dataset.of));
        put(aside, quarantine(held));
        put(body, items.map((it) => {
          const isOf = ({ plugin_digest: digest }) => digest && digest === it.certificate?.digest;
          return card(it, rules.filter(isOf), held.filter(isOf));
        }));
        main.querySelectorAll('details').forEach((it) => (it.open = open.has(it.dataset.of)));
        told = text;
      }
    } catch (error) {
      put(body, h('p', { class: 'note' }, `Plugins cannot be read: ${error.message}`));
    }
  }
  const page = { end: () => clearInterval(page.timer), reread: read };
  page.timer = setInterval(() => document.hidden || read(), EVERY_MILLIS);
  read();
  return page;
}

const bytes = (count) => (count >= 1_048_576 ? `${short(count / 1_048_576)} MiB` : `${short(count / 1_024)} KiB`);

/** What is held against plugins: who is left alone until when, why, and what was set aside. */
function quarantine(held) {
  if (held.length === 0) return [h('h2', null, 'Quarantine'), h('p', { class: 'note' }, 'Nothing is held against any plugin.')];
  const alone = held.filter((it) => it.until).length;
  return [
    h('h2', null, `Quarantine: ${alone} left alone, ${held.length - alone} watched`),
    table('What is held against plugins', ['Of', 'Plugin', 'State', 'Strikes', 'Quarantines', 'Last fault', 'Why', 'Set aside'], held.map((it) => [
      it.kind === 'rule' && it.plugin ? link({ page: 'rule', id: it.of }, null, it.of) : it.of, it.plugin ?? 'does not run any more',
      it.until ? h('span', { class: 'standing failing' }, h('span', { class: 'sign', 'aria-hidden': 'true' }, '✗'), h('span', null, 'quarantined until ', timeOf(it.until))) : 'called',
      `${it.strikes} of ${STRIKES}`, String(it.quarantines), it.last_fault ? timeOf(it.last_fault) : '', (it.why ?? '').split('\n')[0],
      it.aside.length === 0 ? 'nothing' : h('details', { 'data-of': `aside ${it.of}` }, h('summary', null, `${it.aside.length} inputs`),
        h('ul', null, it.aside.map((one) => h('li', null, timeOf(one.at), ' ', inputOf(one.input), h('pre', { tabindex: '0' }, one.fault))))),
    ])),
    h('p', { class: 'dim' }, 'A plugin that fails three times within ten minutes is not called for a minute, then tried once; each quarantine is twice as long as the one before. ',
      h('code', null, 'orion aside'), ' has what was set aside.'),
  ];
}

/** Faults that are too many, as the host counts them. */
const STRIKES = 3;

function inputOf({ kind, expr, position, bytes: size }) {
  if (kind === 'answer') return ['answer to ', h('code', null, expr)];
  return kind === 'event' ? `event at position ${position}` : `${size} bytes, not kept`;
}

/** What was worst, and what is the most. */
function ceilings(it) {
  const { ceilings: most } = it;
  const fuel = (count) => `${short(count)} fuel`;
  return table(`Ceilings of ${it.certificate.manifest.name}`, ['What', 'Worst seen', 'Ceiling'], [
    ['Memory of an instance', bytes(it.most_memory_bytes), bytes(most.memory_bytes)],
    ['Work of a call', fuel(it.most_fuel), `${fuel(most.call_fuel)}, and ${fuel(most.item_fuel)} for each series or event`],
    ['Time of a call', '', `${short(most.call_millis / 1_000)} s`],
    ['Stack of a call', '', bytes(most.stack_bytes)],
    ['Text of a call', '', `${bytes(most.emitted_bytes)}, and ${bytes(most.item_emitted_bytes)} for each series or event`],
  ]);
}

function card(it, unwell, held) {
  const proven = it.certificate;
  if (!proven) {
    return h('article', { class: 'card broken' }, h('h2', null, it.file ?? 'A plugin'), h('p', { class: 'verdict broken' }, '✗ Refused'), h('p', { class: 'refused' }, it.refused));
  }
  const faults = Object.entries(it.failures ?? {}).filter(([, count]) => count > 0);
  const sum = faults.reduce((all, [, count]) => all + count, 0);
  const name = proven.manifest.name;
  return h('article', { class: `card${sum || it.refused ? ' broken' : ''}` },
    h('h2', null, name, ' ', h('span', { class: 'dim' }, proven.manifest.version)),
    h('p', { class: 'line' }, h('span', { class: 'tag' }, proven.manifest.kind), h('span', { class: 'tag' }, `contract ${proven.contract}`), h('span', { class: 'tag' }, it.file ?? 'in the binary')),
    h('p', null, proven.manifest.summary),
    it.refused && h('p', { class: 'refused' }, 'A newer version is refused, and this one runs on: ', it.refused),
    h('p', { class: `verdict ${sum ? 'broken' : 'holds'}` }, sum ? `✗ ${sum} faults: ${faults.map(([why, count]) => `${count} ${why}`).join(', ')}` : '✓ No fault'),
    held.some((one) => one.until) && h('p', { class: 'refused' }, 'In quarantine: ', held.filter((one) => one.until).map((one) => [one.of, ' until ', timeOf(one.until), ' '])),
    unwell.length > 0 && h('p', { class: 'note' }, `${unwell.length} of its rules are not well: ${unwell.slice(0, 3).map((rule) => rule.name).join(', ')}`),
    facts([
      ['Bytes', h('code', { title: proven.digest }, `sha256 ${proven.digest.slice(0, 20)}…`)], ['Size', bytes(proven.size_bytes)],
      ['Memory at worst', it.most_memory_bytes === undefined ? undefined : bytes(it.most_memory_bytes)], ['Work so far', it.fuel === undefined ? undefined : `${short(it.fuel)} fuel`],
      ['Emitted', it.emitted === undefined ? undefined : String(it.emitted)], ['Dropped', it.dropped === undefined ? undefined : String(it.dropped)],
      ['Loaded in', it.load_seconds === undefined ? undefined : `${short(it.load_seconds)} s`],
    ]),
    h('p', { class: 'dim' }, 'Linked: ', proven.imports.length === 0 ? 'nothing' : proven.imports.map((one) => [h('code', null, one), ' '])),
    h('details', { 'data-of': proven.digest }, h('summary', null, 'Certificate'),
      h('p', null, h('code', { class: 'long' }, proven.digest)),
      ceilings(it),
      h('p', null, 'Exports: ', proven.exports.map((one) => [h('code', null, one), ' '])),
      (proven.manifest.parameters ?? []).length > 0 && table(`Parameters of ${name}`, ['Parameter', 'Type', 'Default', 'From', 'To', 'What'],
        proven.manifest.parameters.map((one) => [one.name, one.type, String(one.default ?? ''), String(one.min ?? ''), String(one.max ?? ''), one.doc]))));
}
