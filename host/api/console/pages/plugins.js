// What was proven about each plugin, what it may do, and the worst that was seen of it.

import { facts, h, put, table } from '../dom.js';
import { all, get } from '../api.js';
import { short } from '../chart.js';

const EVERY_MILLIS = 10_000;

export function plugins(main, params, shell) {
  const body = h('div', { class: 'cards' }, h('p', { class: 'boot' }, 'Reading the plugins …'));
  put(main, h('div', { class: 'title' }, h('h1', null, 'Plugins'),
    h('p', { class: 'dim' }, 'Each runs in a sandbox of its own. What is linked is all it can reach: no clock, no network, no file, no randomness.')), body);
  let told;

  async function read() {
    try {
      const [{ items }, rules] = await Promise.all([get('plugins'), all('rules', { unwell: true })]);
      const text = JSON.stringify([items, rules.length]);
      if (text !== told) {
        const open = new Set([...body.querySelectorAll('details[open]')].map((it) => it.dataset.of));
        put(body, items.map((it) => card(it, rules.filter((rule) => rule.plugin_digest === it.certificate?.digest))));
        body.querySelectorAll('details').forEach((it) => (it.open = open.has(it.dataset.of)));
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

function card(it, unwell) {
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
      h('p', null, 'Exports: ', proven.exports.map((one) => [h('code', null, one), ' '])),
      (proven.manifest.parameters ?? []).length > 0 && table(`Parameters of ${name}`, ['Parameter', 'Type', 'Default', 'From', 'To', 'What'],
        proven.manifest.parameters.map((one) => [one.name, one.type, String(one.default ?? ''), String(one.min ?? ''), String(one.max ?? ''), one.doc]))));
}
