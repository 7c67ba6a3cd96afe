// Whether what was recorded is as it was written, and a search through it.

import { copyable, facts, h, labels, link, put, table } from '../dom.js';
import { timeOf } from '../time.js';
import { SEVERITIES, severity } from '../severity.js';
import { get } from '../api.js';
import { changed, choice, filters, text } from '../filters.js';

const PAGE = 100;

const word = (options) => [['', 'all'], ...options.map((one) => [one, one])];

export function audit(main, initial, shell) {
  let [params, items, cursor, turn] = [initial, [], undefined, 0];
  const [verdict, note, found] = [h('section', { class: 'card', 'aria-label': 'The chain' }, h('p', null, 'The chain is checked …')), h('p', { class: 'note' }), h('div')];
  const more = h('button', { type: 'button', class: 'main', onclick: () => read(false) }, 'Older ones');
  const filter = (name) => (value) => shell.go(changed(shell.params(), name, value), true);
  const fields = () => filters(
    choice('Records', params.kind, [['', 'events'], ['decisions', 'decisions']], filter('kind')),
    params.kind !== 'decisions' && [text('Type', params.type, filter('type')), text('Rule', params.rule, filter('rule')),
      choice('Severity', params.severity, word(SEVERITIES), filter('severity')), choice('Status', params.status, word(['firing', 'resolved', 'occurred']), filter('status'))],
    params.kind === 'decisions' && text('Incident', params.incident, filter('incident')));
  const form = h('div', null, fields());
  put(main, h('div', { class: 'title' }, h('h1', null, 'Audit'), h('p', { class: 'dim' }, 'Every record is a line in a chain of hashes: what is changed afterwards is found.')), verdict,
    h('h2', null, 'Search'), form, note, found, more);

  async function read(anew) {
    const mine = ++turn;
    if (anew) [items, cursor] = [[], undefined];
    const isDecisions = params.kind === 'decisions';
    const wanted = isDecisions ? { incident_id: params.incident } : { event_type: params.type, rule: params.rule, severity: params.severity, status: params.status };
    try {
      const page = await get(isDecisions ? 'decisions' : 'events', { ...wanted, limit: PAGE, cursor });
      if (mine !== turn) return;
      items.push(...page.items);
      cursor = page.next;
      put(found, items.length > 0 && (isDecisions ? decisions(items) : events(items)));
      put(note, items.length === 0 ? (cursor ? 'Nothing among the newest 20,000 records; older ones are behind the button.' : 'No record passes these filters.') : '');
      more.hidden = !cursor;
    } catch (error) {
      if (mine === turn) put(note, `Records cannot be read: ${error.message}`);
    }
  }
  check(verdict);
  read(true);
  return {
    update(next) {
      const isOther = next.kind !== params.kind;
      params = next;
      if (isOther) put(form, fields());
      read(true);
    },
  };
}

const events = (items) => table('Events', ['When', 'How bad', 'What', 'Rule', 'Labels', 'Position'], items.map((it) => [
  timeOf(it.ts), severity(it.severity, it.status === 'resolved'), `${it.event_type} ${it.status}`,
  it.rule.startsWith('orion/') ? it.rule : link({ page: 'rule', id: it.rule }, null, it.rule),
  [labels(it.labels, ['alertname', 'event_type', 'severity']), it.data?.message && h('span', { class: 'dim' }, String(it.data.message))], String(it.seq)]));

const decisions = (items) => table('Decisions', ['When', 'Decision', 'Why', 'Incident', 'Position'], items.map((it) => [
  timeOf(it.ts), h('span', { class: 'none' }, it.decision_type), it.reason,
  link({ page: 'incident', id: it.incident_id }, null, h('code', null, it.incident_id.slice(0, 12))), String(it.seq)]));

async function check(into) {
  try {
    const found = await get('audit');
    if (found.state === 'running') {
      setTimeout(() => into.isConnected && check(into), 3_000);
      return;
    }
    put(into, h('p', { class: `verdict ${found.holds ? 'holds' : 'broken'}` }, found.holds ? '✓ It holds, line by line' : '✗ It does not hold'),
      found.findings.length > 0 && h('ul', { class: 'findings' }, found.findings.map((it) => h('li', null, JSON.stringify(it)))),
      table('Files of the trail', ['File', 'Intact', 'Files', 'Lines', 'From', 'To', 'Head'], found.kinds.map((it) => [
        h('code', null, it.name), it.is_there ? (it.intact ? '✓ yes' : '✗ no') : 'not there', String(it.files ?? ''), String(it.lines ?? ''),
        String(it.first_seq ?? ''), String(it.last_seq ?? ''), h('code', { title: it.head ?? '' }, String(it.head ?? '').slice(0, 19))])),
      facts([['Position', String(found.position)], ['Let go of up to', found.forgotten ? String(found.forgotten) : undefined],
        ['Checkpoints', String(found.checkpoints.count ?? 0)], ['Vouched for up to', found.checkpoints.vouched_for_up_to ?? undefined]]),
      h('p', { class: 'dim' }, 'All of it in one file, or as CSV:'), copyable('orion audit export'));
  } catch (error) {
    put(into, h('p', { class: 'note' }, `It cannot be checked: ${error.message}`));
  }
}
