// What a person sees of an evaluation. `node evaluation.mjs ADDRESS`; ends with 0 when everything was as it should be.

import assert from 'node:assert/strict';
import { argv } from 'node:process';

import { LOOKS, check, withBrowser, withPage } from './browser.mjs';

const [, , address] = argv;

await withBrowser(async (browser) => {
  for (const [name, look] of LOOKS) {
    await withPage(browser, address, look, async (page) => {
      await page.goto(address);
      await page.locator('section svg circle.right').first().waitFor();
      assert.equal(await page.locator('script, img, iframe, link').count(), 0, 'nothing is there that could load or run');
      const [drawn, tables] = [await page.locator('section svg').count(), await page.locator('section table').count()];
      assert.deepEqual([drawn, tables], [2, 2], 'beside each drawing is a table');
      await page.getByText('<script>globalThis.hit=1</script>').first().waitFor();
      const back = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      assert.equal(back === 'rgb(255, 255, 255)', look.colorScheme === 'light', `${name}: ${back}`);
      await check(page, name);
    });
  }
});
