// A real Chromium, on a desk and as a phone, in the light and in the dark; and what must hold of whatever it shows.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { getuid } from 'node:process';

// As CommonJS has it: by NODE_PATH, since what is installed for tests lies in no folder above this one.
const require = createRequire(import.meta.url);
const { chromium } = require('playwright-core');
const AXE = require.resolve('axe-core/axe.min.js');

/** How long anything may take that is waited for. Far more than it ever takes. */
export const PATIENCE_MILLIS = 60_000;

const DESK = { viewport: { width: 1360, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
export const LOOKS = [
  ['desk, light', { ...DESK, colorScheme: 'light' }], ['desk, dark', { ...DESK, colorScheme: 'dark' }],
  ['phone, light', { ...PHONE, colorScheme: 'light' }], ['phone, dark', { ...PHONE, colorScheme: 'dark', reducedMotion: 'reduce' }],
];

/** A browser, until `use` is done with it. */
export async function withBrowser(use) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = ['chromium', 'chromium-browser'].flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
  assert(found, 'there is no program `chromium`: cargo xtask setup installs it');
  // Chromium has no sandbox of its own for the root of a container.
  const browser = await chromium.launch({ executablePath: found, args: getuid?.() === 0 ? ['--no-sandbox'] : [] });
  try {
    return await use(browser);
  } finally {
    await browser.close();
  }
}

/** A page of the console. What must hold of every one is seen to until it is left. */
export async function withPage(browser, base, look, use) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', ...look });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MILLIS);
  const [wrong, allowed] = [[], []];
  page.on('pageerror', (error) => wrong.push(`an error: ${error.stack}`));
  page.on('dialog', (dialog) => wrong.push(`a dialog: ${dialog.message()}`));
  page.on('console', (message) => message.type() === 'error' && !allowed.some((one) => message.text().includes(one)) && wrong.push(`said: ${message.text()}`));
  page.on('request', (request) => request.url().startsWith(new URL(base).origin) || wrong.push(`asked elsewhere: ${request.url()}`));
  page.allow = (text) => allowed.push(text);
  try {
    try {
      await use(page);
    } catch (error) {
      console.error([page.url(), ...wrong, await page.evaluate(() => document.body.innerText).catch(String)].join('\n'));
      throw error;
    }
    assert.equal(await page.evaluate(() => globalThis.hit), undefined, 'a text of the data ran');
    assert.deepEqual(wrong, []);
  } finally {
    await context.close();
  }
}

/** What people with and without a screen meet: the rules of WCAG 2.2 AA that a program can check, and nothing beside the screen. */
export async function check(page, what) {
  if (!(await page.evaluate(() => 'axe' in globalThis))) {
    // Around the policy of contents, which lets no test in either.
    const source = require('node:fs').readFileSync(AXE, 'utf8');
    await page.evaluate(source);
  }
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const { violations } = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }), tags);
  const told = violations.map((it) => `${it.id}: ${it.help}: ${it.nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join('\n')}`);
  assert.deepEqual(told, [], what);
  const [wide, has] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert(wide <= has, `${what}: ${wide} pixels wide on ${has}`);
}
