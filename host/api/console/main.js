// The shell: which page is shown, what runs, the stream, and what is told of all of it on every page.

import { address, h, link, put } from './dom.js';
import { get, needsToken } from './api.js';
import { setClock } from './time.js';
import { SEVERITIES, shape, worst } from './severity.js';
import { Stream } from './stream.js';
import { listenToKeys } from './keys.js';
import { openHelp } from './help.js';
import { openPalette } from './palette.js';
import { askForToken } from './token.js';
import { feed } from './pages/feed.js';
import { incident } from './pages/incident.js';
import { rules } from './pages/rules.js';
import { rule } from './pages/rule.js';
import { plugins } from './pages/plugins.js';
import { audit } from './pages/audit.js';
import { system } from './pages/system.js';

const PAGES = { feed, incident, rules, rule, plugins, audit, system };
const MENU = [['feed', 'Feed'], ['rules', 'Rules'], ['plugins', 'Plugins'], ['audit', 'Audit'], ['system', 'System']];
const PARENTS = { incident: 'feed', rule: 'rules' };

/** How often it is asked what runs. */
const SUMMARY_MILLIS = 5_000;

/** And how soon after something happened. */
const SOON_MILLIS = 300;

const at = (id) => document.getElementById(id);
const shell = { summary: undefined, link: 'connecting', params, go, say, refresh };
let shown;

function params() {
  return Object.fromEntries(new URLSearchParams(location.search));
}

/** Goes to a page; `replace` where only a filter changed, so that Back leads to the page before. */
function go(wanted, replace = false) {
  if (replace) history.replaceState(history.state, '', address(wanted));
  else leave(address(wanted));
  show();
}

/** To another entry of the history; where this one was scrolled to is kept with it. */
function leave(search) {
  history.replaceState({ ...history.state, top: scrollY }, '');
  history.pushState({ isInside: true }, '', search);
}

/** Says something to who does not see it. */
function say(text) {
  put(at('said'), text);
}

function show() {
  const wanted = params();
  const name = PAGES[wanted.page] ? wanted.page : 'feed';
  const key = `${name} ${wanted.id ?? ''}`;
  if (shown?.key === key) {
    shown.page.update?.(wanted);
    return;
  }
  shown?.page.end?.();
  const main = put(at('main'));
  const isFirst = !shown;
  shown = { key, name, page: PAGES[name](main, wanted, shell) };
  scrollTo(0, 0);
  if (!isFirst) main.focus({ preventScroll: true });
  drawMenu();
  drawTitle();
}

function drawMenu() {
  const current = PARENTS[shown.name] ?? shown.name;
  put(at('pages'), MENU.map(([page, title]) =>
    link({ page: page === 'feed' ? '' : page }, { 'aria-current': page === current ? 'page' : null }, title)));
}

function drawTitle() {
  const open = count(shell.summary?.incidents?.open);
  const name = shown.page.title ?? MENU.find(([page]) => page === shown.name)?.[1] ?? 'Feed';
  document.title = `${open ? `(${open}) ` : ''}${name} · Orion`;
}

const count = (open) => SEVERITIES.reduce((sum, one) => sum + (open?.[one] ?? 0), 0);

const LINKS = { live: 'Live', lost: 'Reconnecting', connecting: 'Connecting', asleep: 'Paused' };

function drawState() {
  const { summary } = shell;
  const open = summary?.incidents?.open;
  at('bar').dataset.worst = worst(open) ?? 'none';
  put(at('state'),
    open && SEVERITIES.filter((one) => open[one]).map((one) =>
      link({ severity: one, state: 'open' }, { class: `count ${one}`, title: `${open[one]} open, ${one}` },
        shape(one), String(open[one]), h('span', { class: 'unseen' }, ` open, ${one}`))),
    summary && link({ page: 'system' }, { class: `status ${summary.status}` }, h('span', { class: 'lamp', 'aria-hidden': 'true' }), summary.status),
    h('span', { class: `link ${shell.link}` }, h('span', { class: 'lamp', 'aria-hidden': 'true' }), LINKS[shell.link]),
    h('button', { type: 'button', class: 'quiet find', onclick: () => openPalette(shell), 'aria-label': 'Find, Ctrl K' }, 'Find ', h('kbd', null, 'Ctrl K')),
    h('button', { type: 'button', class: 'quiet help', onclick: openHelp, 'aria-label': 'Help' }, '?'));
}

function drawBanner() {
  const refused = shell.summary?.refused ?? [];
  const text = JSON.stringify([refused, shell.summary?.generation]);
  if (at('banner').dataset.text === text) return;
  at('banner').dataset.text = text;
  if (refused.length === 0) return put(at('banner'));
  put(at('banner'), h('section', { class: 'refused', role: 'alert', 'aria-label': 'Refused files' },
    h('strong', null, refused.length === 1 ? 'An edit is refused. ' : `${refused.length} files are refused. `),
    `Generation ${shell.summary.generation} runs on.`,
    h('ul', null, refused.map(refusal))));
}

/** Where and why in one line; the whole of it, with the line itself, below. */
function refusal({ file, reason, last_good_runs: runs }) {
  const [first, ...rest] = reason.trim().split('\n');
  const place = /-->\s*(\S+:\d+:\d+)/.exec(reason)?.[1] ?? file;
  const what = runs === null ? '' : runs ? ' Its last good version runs.' : ' Nothing of it runs.';
  const line = [h('code', null, place), ' ', first.replace(/^error: /, ''), what && h('b', null, what)];
  return h('li', null, rest.length ? h('details', null, h('summary', null, line), h('pre', { tabindex: '0' }, reason.trim())) : line);
}

/** Asks what runs and what is open. */
async function refresh() {
  try {
    shell.summary = await get('summary');
    setClock(shell.summary.time);
    drawState();
    drawBanner();
    drawTitle();
    shown?.page.onSummary?.(shell.summary);
  } catch (error) {
    if (error.status === 0 && shell.link !== 'lost') setLink('lost');
  }
  return shell.summary;
}

function setLink(word, isAgain) {
  shell.link = word;
  drawState();
  // Whatever was missed is in the log, and a list read anew has it whichever way it got lost.
  if (word === 'live' && isAgain) {
    say('Connected again');
    refresh();
    shown?.page.reread?.();
  }
}

function hear(records) {
  shown?.page.onRecords?.(records);
  const opened = records.filter(({ kind, record }) => kind === 'incident' && record.status === 'opened');
  if (opened.length === 1) say(`New incident, ${opened[0].record.severity}: ${opened[0].record.summary}`);
  if (opened.length > 1) say(`${opened.length} new incidents`);
  if (records.some(({ kind }) => kind === 'incident')) refreshSoon();
}

let soon;
/** Once for all records of a moment. */
function refreshSoon() {
  soon ??= setTimeout(() => {
    soon = undefined;
    refresh();
  }, SOON_MILLIS);
}

document.addEventListener('click', (event) => {
  const anchor = event.target.closest?.('a[href^="?"]');
  if (!anchor || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const url = new URL(anchor.href);
  // Of the parts of one page Back knows nothing: it leads to the page before.
  if ('replace' in anchor.dataset) history.replaceState(history.state, '', url.search || '?');
  else if (url.search !== location.search) leave(url.search || '?');
  show();
});
history.scrollRestoration = 'manual';
addEventListener('popstate', () => {
  shell.top = history.state?.top;
  show();
  shell.top = undefined;
});

needsToken.tell = (why) => askForToken(why, () => location.reload());
listenToKeys({
  help: openHelp,
  find: () => openPalette(shell),
  walk: (step) => shown.page.walk?.(step),
  search: () => document.querySelector('main input[type=search]')?.focus(),
  back: () => {
    if (document.activeElement?.closest('main input')) document.activeElement.blur();
    else if (PARENTS[shown.name] && history.state?.isInside) history.back();
    else if (PARENTS[shown.name]) go({ page: PARENTS[shown.name] === 'feed' ? '' : PARENTS[shown.name] });
  },
});
drawState();
show();
const first = await refresh();
const position = first?.position ?? (await untilAnswered()).position;
new Stream(position, hear, setLink);
setInterval(() => document.hidden || refresh(), SUMMARY_MILLIS);

/** While Orion starts there is no summary. */
async function untilAnswered() {
  for (;;) {
    await new Promise((on) => setTimeout(on, 2_000));
    const summary = await refresh();
    if (summary) {
      shown?.page.reread?.();
      return summary;
    }
  }
}

