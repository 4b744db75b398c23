// Look at pages in a real browser, from file://: what axe finds, what they fetch, what they log,
// whether they are wider than the screen, and whether the archive's search finds.
//
//   node look.mjs CHROMIUM SITE < JSON list of pages   prints JSON
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [executablePath, site] = process.argv.slice(2);
const pages = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const screens = {
  "desktop, light": { viewport: { width: 1280, height: 900 }, colorScheme: "light" },
  "phone, dark": { viewport: { width: 390, height: 844 }, colorScheme: "dark", isMobile: true, hasTouch: true },
};
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const found = { problems: [], looked: 0, hits: [] };

for (const [screen, options] of Object.entries(screens)) {
  const context = await browser.newContext(options);
  await context.route(/^(?!file:)/, (route) => {
    found.problems.push(`${screen}: fetched ${route.request().url()}`);
    return route.abort();
  });
  for (const name of pages) {
    const where = `${screen}, ${name}`;
    const page = await context.newPage();
    page.on("console", (message) => {
      if (message.type() === "error") found.problems.push(`${where}: ${message.text()}`);
    });
    page.on("pageerror", (error) => found.problems.push(`${where}: ${error}`));
    page.on("dialog", (dialog) => {
      found.problems.push(`${where}: a dialog, ${dialog.message()}`);
      return dialog.dismiss();
    });
    await page.goto(pathToFileURL(`${site}/${name}`).href);
    await page.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
    await page.evaluate(axe);
    const result = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"], preload: false }));
    for (const { id, help, nodes } of result.violations) {
      const one = nodes[0].html.slice(0, 200).replaceAll("\n", " ");
      found.problems.push(`${where}: ${id}: ${help} (${nodes.length}, as ${one})`);
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (wide > 0) found.problems.push(`${where}: ${wide} pixels wider than the screen`);
    if (name === "log.html") found.hits.push(await searched(page));
    found.looked += 1;
    await page.close();
  }
  await context.close();
}
await browser.close();
console.log(JSON.stringify(found));

async function searched(page) {
  await page.fill("#words", "zebra unterubung");
  await page.waitForFunction(() => /^1 entry$/.test(document.getElementById("told").textContent), null, { timeout: 10_000 }).catch(() => null);
  const titles = await page.$$eval("#found a", (links) => links.map((link) => link.textContent));
  await page.evaluate(() => globalThis.axe.run(document, { preload: false })).then(({ violations }) => {
    for (const { id } of violations) found.problems.push(`search: ${id}`);
  });
  return titles;
}
