// What a person does with the console. `node console.mjs STORY ADDRESS [ARGUMENT…]`; says what was measured, and ends with 0 when
// everything was as it should be.

import assert from 'node:assert/strict';

import { LOOKS, check, withBrowser, withPage } from './browser.mjs';
import { between } from './proxy.mjs';

const [DESK] = LOOKS;
const open = '.row:not(.over)';

/** A whole id: the beginning of one would do, and might be that of an incident. */
const NOBODY = '0'.repeat(32);
const rows = (page) => page.locator('.row').count();

/** Waits until the list has more than so many entries, drawn or not. */
async function grows(page, than) {
  await page.waitForFunction((count) => Number(document.querySelector('[role=listitem]')?.ariaSetSize) > count, than);
}

const entries = async (page) => Number(await page.locator('[role=listitem]').first().getAttribute('aria-setsize'));

/** An outage comes and goes while somebody looks: all of it is there without a reload, and by the keyboard. */
async function live(browser, base) {
  await withPage(browser, base, DESK[1], async (page) => {
    await page.goto(`${base}/`);
    assert.match(page.url(), /\/console\/$/);
    await page.locator(`${open} b`, { hasText: 'is out' }).first().waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    const out = await page.locator(open, { hasText: 'is out' }).first().getAttribute('href');
    await page.locator(`.row.over[href="${out}"] .none`).waitFor();
    await grows(page, await entries(page));
    // What looks like markup is text.
    const first = page.locator('.row', { hasText: '<script>globalThis.hit=1</script> is out' }).filter({ hasText: 'NO_ACTION — N0; ' }).first();
    await page.locator('.row', { hasText: '<img src=x onerror=globalThis.hit=1> works hard' }).first().waitFor();
    assert.match(await first.locator('time').getAttribute('title'), /^\d{4}-\d\d-\d\dT.*Z \(UTC\)$/);
    assert.match(await page.title(), /^(\(\d+\) )?Feed · Orion$/);
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('k');
    assert.equal(await page.evaluate(() => document.activeElement.className.split(' ')[0]), 'row');
    const went = await page.evaluate(() => document.activeElement.search);
    await page.keyboard.press('Enter');
    await page.locator('.subject h1').waitFor();
    assert.equal(new URL(page.url()).search, went);
    for (const tab of ['Timeline', 'Why', 'Audit', 'Raw', 'Evidence']) {
      await page.getByRole('link', { name: tab, exact: true }).last().click();
      await page.getByRole('region', { name: tab, exact: true }).waitFor();
      assert.equal(await page.locator('.subject button, .part button:not(:text("Copy"))').count(), 0, 'nothing there acts');
    }
    await page.getByText('Orion has no means to act').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.hero .big').waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Help' }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('/');
    await page.keyboard.type('no such thing');
    await page.getByText('No incident passes these filters.').waitFor();
    assert.match(page.url(), /q=no\+such\+thing/);
    await page.keyboard.press('Control+k');
    await page.keyboard.type('TargetDown');
    await page.getByRole('option', { name: /TargetDown/ }).first().waitFor();
    await page.keyboard.press('Enter');
    await page.locator('.subject h1', { hasText: 'TargetDown' }).waitFor();
  });
}

/** Every page, on a desk and as a phone, in the light and in the dark; with a file that is refused. Two of the four looks have every
 * page, the others those that differ most. */
async function looks(browser, base) {
  for (const [at, [name, look]] of LOOKS.entries()) {
    const isWhole = at % 3 === 0;
    await withPage(browser, base, look, async (page) => {
      await page.goto(`${base}/console/`);
      const href = await page.locator(open).first().getAttribute('href');
      await page.locator('#banner .refused', { hasText: 'broken.yaml' }).waitFor();
      assert.match(await page.locator('#banner .refused').innerText(), /\b1:\d+|line 1/, 'the banner says where');
      await check(page, `${name}, feed`);
      for (const [search, shows] of [
        [href, '.part table'], [`${href}&tab=timeline`, '.lanes'], [`${href}&tab=why`, '.tree'], [`${href}&tab=audit`, '.verdict'], [`${href}&tab=raw`, '.part pre'],
        ['?page=rules', '.row.rule'], ['?page=rule&id=targets.yaml/targets/TargetDown', '.subject'], ['?page=plugins', '.card'],
        ['?page=audit', '.verdict'], ['?page=audit&kind=decisions', 'tbody .none'], ['?page=system', '.verdict'], [`?page=incident&id=${NOBODY}`, '.card'],
      ].filter((_, page) => isWhole || page % 3 === 0)) {
        if (search.endsWith(NOBODY)) page.allow('404');
        await page.goto(`${base}/console/${search}`);
        await page.locator(shows).first().waitFor();
        await check(page, `${name}, ${search}`);
      }
      await page.locator('.help').click();
      await check(page, `${name}, help`);
    });
  }
}

/** Ten thousand incidents and two thousand rules. */
async function crowd(browser, base, incidents, rules) {
  await withPage(browser, base, DESK[1], async (page) => {
    await page.goto(`${base}/console/`);
    await page.locator('.row').first().waitFor();
    const painted = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
    console.log(`first contentful paint: ${Math.round(painted)} ms`);
    const searched = await timed(async () => {
      await page.keyboard.press('/');
      await page.keyboard.type('service-9876');
      await page.waitForFunction(() => document.querySelectorAll('.row').length === 1 && document.querySelector('.row').textContent.includes('service-9876'));
    });
    console.log(`a search through ${incidents} incidents, typed: ${searched} ms`);
    await page.getByRole('searchbox').fill('');
    await grows(page, 1);
    const scrolled = await timed(() => page.waitForFunction((all) => {
      scrollTo(0, document.body.scrollHeight);
      const last = [...document.querySelectorAll('[role=listitem]')].at(-1);
      return Number(last?.ariaSetSize) >= all;
    }, Number(incidents), { polling: 20 }));
    console.log(`scrolled through ${incidents} incidents: ${scrolled} ms`);
    // Who looks at one and comes back is where they were.
    await page.evaluate(() => scrollTo(0, 9_000));
    // In one step: rows are drawn anew while the list is scrolled.
    const clicks = () => {
      const isSeen = (row) => row.getBoundingClientRect().top > innerHeight / 4 && row.getBoundingClientRect().bottom < innerHeight;
      const seen = [...document.querySelectorAll('.row')].find(isSeen);
      const top = scrollY;
      seen?.click();
      return seen && { top };
    };
    const { top } = await (await page.waitForFunction(clicks)).jsonValue();
    await page.locator('.subject h1').waitFor();
    await page.keyboard.press('Escape');
    await page.waitForFunction((there) => Math.abs(scrollY - there) < innerHeight / 2, top);
    const drawn = await rows(page);
    assert(drawn < 200, `${drawn} rows are drawn at once`);
    await page.goto(`${base}/console/?page=rules`);
    const listed = await timed(() => page.getByText(`all ${rules}`, { exact: true }).waitFor());
    console.log(`${rules} rules listed: ${listed} ms`);
    assert(await rows(page) < 200);
    await page.keyboard.press('/');
    await page.keyboard.type('Rule1234');
    await page.getByText('all 1', { exact: true }).waitFor();
    await page.locator('.row').first().click();
    await page.locator('.subject h1', { hasText: 'Rule1234' }).waitFor();
  });
}

async function timed(run) {
  const began = performance.now();
  await run();
  return Math.round(performance.now() - began);
}

/** Behind a proxy, at a path of its own, over connections that break. */
async function proxied(browser, base) {
  const proxy = await between(base, '/watch/orion');
  await withPage(browser, proxy.url, DESK[1], async (page) => {
    page.allow('ERR_');
    await page.goto(`${proxy.url}/`);
    await page.locator('.row').first().waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByRole('link', { name: 'Rules', exact: true }).click();
    await page.locator('.row.rule').first().waitFor();
    await page.goBack();
    await page.locator('.row').first().waitFor();
    const before = await entries(page);
    await proxy.close();
    await page.getByText('Reconnecting', { exact: true }).waitFor();
    await proxy.open();
    await page.getByText('Live', { exact: true }).waitFor();
    await grows(page, before);
    assert.match(page.url(), /\/watch\/orion\/console\//);
  });
  await proxy.close();
}

/** Where a token is needed. */
async function guarded(browser, base, token) {
  await withPage(browser, base, DESK[1], async (page) => {
    page.allow('401');
    await page.goto(`${base}/`);
    await page.getByLabel('Token').waitFor();
    await check(page, 'login');
    await page.getByLabel('Token').fill('nothing that holds');
    await page.keyboard.press('Enter');
    await page.getByText('the token does not hold').waitFor();
    await page.getByLabel('Token').fill(token);
    await page.getByRole('button', { name: 'Enter' }).click();
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByText('All quiet').waitFor();
    const kept = await page.evaluate(() => [Object.keys(localStorage), document.cookie]);
    assert.deepEqual(kept, [[], ''], 'the token is in this tab alone');
    assert(!page.url().includes(token));
  });
}

/** A rule as it is written, and an edit that is refused. */
async function source(browser, base) {
  for (const [name, look] of [LOOKS[0], LOOKS[3]]) {
    await withPage(browser, base, look, async (page) => {
      await page.goto(`${base}/console/?page=rule&id=a.yaml/g/Second`);
      const text = page.getByRole('region', { name: 'Lines 5 to 10 of a.yaml' });
      await text.getByText('<script>globalThis.hit=1</script>').waitFor();
      const own = await text.locator('.own').allInnerTexts();
      assert.deepEqual(own.map((line) => line.split(/\s+/)[0]), ['8', '9', '10']);
      const changed = page.getByRole('region', { name: 'What the last edit changed in a.yaml' });
      const lines = await changed.locator('.added code, .removed code').allTextContents();
      assert.deepEqual(lines.map((line) => line.trim()), [
        '- alert: Second #', '- alert: Second # <script>globalThis.hit=1</script>', 'with: { above: 1 }', 'with: { above: 2 }']);
      await page.getByText('2 lines added, 2 removed').waitFor();
      await page.getByText('All 10 lines of').click();
      await page.getByRole('region', { name: 'All of a.yaml' }).waitFor();
      const banner = await page.locator('#banner .refused').innerText();
      for (const says of ['Generation 2 runs on', 'a.yaml:5:9', 'Its last good version runs']) assert(banner.includes(says), banner);
      await page.getByText('What is shown here runs').waitFor();
      // What lies half below the bar is scrolled there, and not too small.
      await page.evaluate(() => scrollTo(0, 0));
      await check(page, `${name}, source`);
    });
  }
}

/** The series behind an incident, and the line in its row. */
async function series(browser, base, load, gone) {
  for (const [name, look] of [LOOKS[1], LOOKS[2]]) {
    await withPage(browser, base, look, async (page) => {
      await page.goto(`${base}/console/`);
      const row = page.locator(`.row[href*="${load}"]`);
      await row.locator('.spark').waitFor();
      assert.match(await row.innerText(), /Peak 7, fires > 2/);
      assert.equal(await row.getByText('7 against 2').isVisible(), !look.isMobile);
      await check(page, `${name}, sparklines`);
      await row.click();
      const drawing = page.getByRole('img', { name: /The series around .* samples, 1 events, fires > 2/ });
      await drawing.waitFor();
      assert.equal(await drawing.locator('.bound text').innerHTML(), '&gt; 2');
      assert.equal(await drawing.locator('circle.point').count(), 1, 'where it fired');
      assert((await drawing.locator('.series-line').getAttribute('d')).startsWith('M'));
      const query = page.getByRole('link', { name: 'The query in Prometheus' });
      assert.match(await query.getAttribute('href'), /^http:.*g0\.expr=load/);
      assert.equal(await query.getAttribute('rel'), 'noreferrer noopener');
      await page.getByText('As a table').first().click();
      const table = page.getByRole('region', { name: /The series around/ });
      await table.getByText('firing').waitFor();
      assert(await table.locator('tbody tr').count() > 40);
      await page.locator('.around .labels', { hasText: 'job=<script>globalThis.hit=1</script>' }).waitFor();
      await check(page, `${name}, series`);
      await page.goto(`${base}/console/?page=incident&id=${gone}`);
      await page.getByRole('img', { name: /no bound/ }).waitFor();
    });
  }
}

/** What was thought of an incident and withdrawn: its head says nothing of it, and its timeline all. */
async function withdrawn(browser, base, id) {
  await withPage(browser, base, DESK[1], async (page) => {
    await page.goto(`${base}/console/?page=incident&id=${id}&tab=timeline`);
    const told = page.getByRole('region', { name: 'What happened, in order' });
    await told.getByText('withdrawn noise').waitFor();
    await told.getByText('marked noise').waitFor();
    await told.getByText('by bob: it was the disk after all').waitFor();
    assert.equal(await page.locator('.subject').getByText('Marked').count(), 0, 'it counts no more');
  });
}

/** A plugin that is left alone. */
async function quarantine(browser, base) {
  for (const [name, look] of [LOOKS[0], LOOKS[3]]) {
    await withPage(browser, base, look, async (page) => {
      await page.goto(`${base}/console/?page=plugins`);
      const table = page.getByRole('region', { name: 'What is held against plugins' });
      await table.getByText('quarantined until').waitFor();
      const row = await table.locator('tbody tr').innerText();
      for (const says of ['mixed.yaml/mixed/Trapping', 'mine', '2 of 3', 'trapped', 'inputs']) assert(row.includes(says), row);
      await table.locator('summary').click();
      await table.getByText('answer to load').first().waitFor();
      const card = page.locator('.card', { has: page.getByRole('heading', { name: /^threshold/ }) });
      await card.getByText('Certificate').click();
      const ceilings = page.getByRole('region', { name: 'Ceilings of threshold' });
      assert.match(await ceilings.innerText(), /64 MiB/);
      await check(page, `${name}, quarantine`);
    });
  }
}

const stories = { live, looks, crowd, proxied, guarded, source, series, withdrawn, quarantine };
const [story, base, ...given] = process.argv.slice(2);
await withBrowser((browser) => stories[story](browser, base, ...given));
