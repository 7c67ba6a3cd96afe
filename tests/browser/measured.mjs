// How quick the console is with many incidents, in a real Chromium. `node measured.mjs ADDRESS INCIDENTS OPEN SEARCH…`; says as JSON how many
// milliseconds each thing took, each time it was done. All of it by the clock of the page, from what a person does until the frame in which
// it shows: what it costs to drive the browser is not in it.

import assert from 'node:assert/strict';

import { LOOKS, withBrowser, withPage } from './browser.mjs';

const [DESK] = LOOKS;
const [base, incidents, open, ...searches] = process.argv.slice(2);

/** How often a page is opened anew, by a browser that has nothing of it. */
const OPENED = 7;

/** Places that the list is thrown to, and frames of a scroll through it. */
const JUMPS = 25;
const FRAMES = 240;

/** In the page: when the first row was there, whatever drew it. */
function watchForRows() {
  const told = new MutationObserver(() => {
    if (!document.querySelector('.row')) return;
    told.disconnect();
    requestAnimationFrame(() => requestAnimationFrame((now) => (globalThis.rowsAt = now)));
  });
  told.observe(document, { childList: true, subtree: true });
}

/** In the page: how long it takes until a search shows one row, the one that is meant, from the last letter on. */
async function searched(text) {
  const field = document.querySelector('input[type=search]');
  const began = performance.now();
  field.value = text;
  field.dispatchEvent(new InputEvent('input', { bubbles: true }));
  const isThere = () => {
    const rows = document.querySelectorAll('.row');
    return text ? rows.length === 1 && rows[0].textContent.includes(text) : rows.length > 1;
  };
  while (!isThere()) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}

/** In the page: the list as long as it gets, because who scrolls has more of it asked for. */
async function readWhole(all) {
  const began = performance.now();
  const isWhole = () => Number([...document.querySelectorAll('[role=listitem]')].at(-1)?.ariaSetSize) >= all;
  while (!isWhole()) {
    scrollTo(0, document.body.scrollHeight);
    await new Promise(requestAnimationFrame);
  }
  return performance.now() - began;
}

/** In the page: thrown somewhere, how long until a row is where one looks. */
async function thrown(count) {
  const took = [];
  for (let at = 1; at <= count; at++) {
    const began = performance.now();
    // Far from the place before, and another one each time.
    scrollTo(0, (document.body.scrollHeight - innerHeight) * ((at * 0.618) % 1));
    const isThere = () => document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest('[role=listitem]');
    do await new Promise(requestAnimationFrame);
    while (!isThere());
    took.push(performance.now() - began);
  }
  return took;
}

/** In the page: scrolled by most of what is seen in each frame, how long each frame takes. */
async function frames(count) {
  scrollTo(0, 0);
  const took = [];
  let last = await new Promise(requestAnimationFrame);
  for (let at = 0; at < count; at++) {
    scrollBy(0, innerHeight * 0.8);
    const now = await new Promise(requestAnimationFrame);
    took.push(now - last);
    last = now;
  }
  return took;
}

const told = { painted: [], rows: [], searched: [], cleared: [], whole: [], thrown: [], frames: [] };
await withBrowser(async (browser) => {
  for (let turn = 0; turn < OPENED; turn++) {
    await withPage(browser, base, DESK[1], async (page) => {
      await page.addInitScript(watchForRows);
      await page.goto(`${base}/console/`);
      await page.waitForFunction(() => globalThis.rowsAt);
      const [painted, rows] = await page.evaluate(() => [performance.getEntriesByName('first-contentful-paint')[0].startTime, globalThis.rowsAt]);
      told.painted.push(painted);
      told.rows.push(rows);
    });
  }
  await withPage(browser, base, DESK[1], async (page) => {
    await page.goto(`${base}/console/`);
    await page.locator('.row').first().waitFor();
    await page.locator('.hero .big', { hasText: open }).waitFor();
    for (const text of searches) {
      told.searched.push(await page.evaluate(searched, text));
      told.cleared.push(await page.evaluate(searched, ''));
    }
    told.whole.push(await page.evaluate(readWhole, Number(incidents)));
    told.thrown = await page.evaluate(thrown, JUMPS);
    told.frames = await page.evaluate(frames, FRAMES);
    const drawn = await page.locator('.row').count();
    assert(drawn > 0 && drawn < 200, `${drawn} rows are drawn at once`);
  });
});
console.log(JSON.stringify(told));
