/** The page in a browser: on a desk, on a phone, in the dark, by keyboard, with hostile text, and when nothing answers any more. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import axe from "axe-core";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium } from "../../local/install";
import { startPageFixture, token, type PageFixture } from "./pageFixture";

/** Git ignores it: what the page looked like, for people. */
const screenshots = join(__dirname, "../../screenshots");

let page: PageFixture;
let browser: Browser;
beforeAll(async () => {
  page = await startPageFixture();
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("there is no Chromium: ./authensor prepare installs it");
  // Chromium's own sandbox refuses root; it sees this page alone.
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  mkdirSync(screenshots, { recursive: true });
});
afterAll(async () => {
  await browser?.close();
  await page?.stop();
});

async function open(options: BrowserContextOptions = {}, hash = ""): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const tab = await context.newPage();
  await tab.goto(`${page.url}/#token=${encodeURIComponent(token)}`);
  await tab.locator("#at").filter({ hasText: "As of" }).waitFor();
  if (hash !== "") await tab.goto(`${page.url}/${hash}`);
  return tab;
}

const shot = (tab: Page, name: string) => tab.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
/** What axe-core has against it: of every rule that it knows, best practices among them. */
async function barriers(tab: Page): Promise<string[]> {
  await tab.evaluate(axe.source);
  const { violations } = await tab.evaluate<axe.AxeResults>("axe.run()");
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`),
  );
}

const overflow = (tab: Page) => tab.evaluate<number>("document.documentElement.scrollWidth - innerWidth");

test("the token leaves the address at once, and a later visit needs none; without either the page says what to do", async () => {
  const tab = await open();
  expect(tab.url()).toBe(`${page.url}/`);
  await tab.goto(`${page.url}/`);
  await tab.locator("#at").filter({ hasText: "As of" }).waitFor();
  const stranger = await (await browser.newContext()).newPage();
  await stranger.goto(page.url);
  await stranger.getByRole("heading", { name: "This page needs its token" }).waitFor();
  expect(await stranger.locator("#now").isVisible()).toBe(false);
});

test("all is well is said in two words; an alarm is said with its sentence and its runbook, aloud once", async () => {
  const tab = await open();
  expect(await tab.getByRole("heading", { level: 1 }).textContent()).toBe("No alarm");
  page.enter("replication-lag", "ALARM");
  await tab.getByRole("heading", { name: "Something is wrong now" }).waitFor({ timeout: 15_000 });
  await tab.getByText("The replica has been more than 10 s behind").first().waitFor();
  expect(await tab.locator("#spoken").textContent()).toMatch(/^Alarm authensor-test-replication-lag: The replica/);
  expect(await tab.title()).toContain("Something is wrong now");
  await shot(tab, "alarm-light");
  await tab
    .getByRole("link", { name: /What to do/ })
    .first()
    .click();
  await tab.getByRole("heading", { name: "Mitigation" }).waitFor();
  page.enter("replication-lag", "OK");
});

test("when nothing answers any more, the page does not look as if all were well", async () => {
  const tab = await open();
  page.cloudWatchAnswers = false;
  await tab.getByRole("heading", { name: "Not known: no connection" }).waitFor({ timeout: 15_000 });
  page.cloudWatchAnswers = true;
  await tab.getByRole("heading", { name: "No alarm" }).waitFor({ timeout: 15_000 });
});

describe.each<[string, BrowserContextOptions]>([
  ["light", {}],
  ["dark", { colorScheme: "dark" }],
  ["phone", { viewport: { width: 375, height: 812 }, colorScheme: "dark" }],
])("%s", (name, options) => {
  test("nothing is wider than the screen, and each chart that has values has them as a table", async () => {
    const at = Math.floor(Date.now() / 60_000) * 60 - 60;
    const metric = { region: "eu-central-1", namespace: "Authensor/Postgres", name: "PoolUsedPercent" };
    for (let minute = 0; minute < 15; minute++) {
      const value = 40 + 10 * Math.sin(minute);
      const summary = { count: 1, sum: value, minimum: value, maximum: value };
      page.store.add({ ...metric, dimensions: { Environment: "test" } }, at - 60 * minute, summary, 60);
    }
    const tab = await open(options);
    await tab.getByRole("table", { name: "Fullest pool in use: the latest values" }).waitFor();
    expect(await overflow(tab)).toBeLessThanOrEqual(0);
    expect(await barriers(tab)).toEqual([]);
    await shot(tab, `now-${name}`);
  });

  test("what an agent calls itself is text, in the search and in its receipt, which holds", async () => {
    const tab = await open(options, "#trail");
    const strange: string[] = [];
    tab.on("console", (message) => void (message.type() === "error" && strange.push(message.text())));
    await tab.getByLabel("Words, or a receipt's id").fill("findable");
    await tab.keyboard.press("Enter");
    await tab.getByText("1 receipt, the best matches first.").waitFor();
    await tab.locator("#results a").click();
    await tab.getByText("This receipt is as it was sealed.").waitFor();
    expect(await tab.locator("main img, main script").count()).toBe(0);
    expect(await tab.title()).not.toContain("owned");
    expect(strange).toEqual([]);
    expect(await overflow(tab)).toBeLessThanOrEqual(0);
    expect(await barriers(tab)).toEqual([]);
    await shot(tab, `receipt-${name}`);
  });
});

test("the trail is verified from the page, and the end is said", async () => {
  const tab = await open({}, "#trail");
  await tab.getByRole("button", { name: "Verify the whole trail" }).click();
  await tab.getByText(/The trail is whole: 21 receipts/).waitFor({ timeout: 30_000 });
  expect(await barriers(tab)).toEqual([]);
  await shot(tab, "verified-light");
});

test("the keyboard reaches everything: past the header, to the views, with a focus that is seen", async () => {
  const tab = await open();
  await tab.keyboard.press("Tab");
  const focused = () => tab.evaluate<string>("document.activeElement.textContent.trim()");
  expect(await focused()).toBe("To the content");
  await tab.keyboard.press("Tab");
  expect(await focused()).toBe("Now");
  expect(await tab.evaluate<string>("getComputedStyle(document.activeElement).outlineStyle")).toBe("solid");
  await tab.keyboard.press("Tab");
  await tab.keyboard.press("Enter");
  await tab.getByRole("heading", { name: "The trail", exact: true }).waitFor();
});
