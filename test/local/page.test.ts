/** The page's server: who is let in, and what it answers. */
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ChartWidget, DashboardNow, ReceiptNow, Searched, VerificationEvents } from "../../local/page/answers";
import { eventsIn } from "../../local/page/client/events";
import { superuser } from "../postgres";
import { hostile, startPageFixture, token, type PageFixture } from "./pageFixture";

let page: PageFixture;
let cookie: string;
beforeAll(async () => {
  page = await startPageFixture();
  const entered = await fetch(`${page.url}/session`, { method: "POST", body: token });
  cookie = entered.headers.getSetCookie()[0]!.split(";")[0]!;
});
afterAll(() => page.stop());

const get = (path: string, headers: Record<string, string> = { cookie }) => fetch(`${page.url}${path}`, { headers });
const ask = async <Answer>(path: string) => (await (await get(path)).json()) as Answer;

/** As it is, without what a client's library makes of the path. */
const raw = (path: string, headers: Record<string, string> = {}) =>
  new Promise<{ status: number; body: string }>((resolve, reject) => {
    const { hostname, port, host } = new URL(page.url);
    const sent = request({ hostname, port, path, headers: { host, cookie, ...headers } }, (response) => {
      let body = "";
      response.on("data", (part) => (body += String(part)));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on("error", reject).end();
  });

describe("nobody is let in", () => {
  test.each(["/api/dashboard", "/api/search", "/api/receipt", "/api/verification", "/nothing"])(
    "without a session: %s",
    async (path) => expect((await get(path, {})).status).toBe(401),
  );

  test("with a wrong token, one too long, or a cookie that somebody made up", async () => {
    const enter = async (body: string) => (await fetch(`${page.url}/session`, { method: "POST", body })).status;
    expect([await enter("wrong"), await enter(""), await enter("x".repeat(5000))]).toEqual([401, 401, 413]);
    const [name] = cookie.split("=");
    expect((await get("/api/search", { cookie: `${name}=${token}` })).status).toBe(401);
    expect((await get("/api/search", { cookie: `${name}=` })).status).toBe(401);
  });

  test("by another name of this machine, which is how DNS rebinding comes, or from another site's page", async () => {
    expect((await raw("/", { host: "attacker.example" })).status).toBe(403);
    expect((await raw("/api/search", { host: "attacker.example:80" })).status).toBe(403);
    expect((await raw("/api/search", { origin: "http://attacker.example" })).status).toBe(403);
    expect((await raw("/api/search", { "sec-fetch-site": "cross-site" })).status).toBe(403);
    expect((await raw("/api/search", { "sec-fetch-site": "same-origin" })).status).toBe(200);
  });
});

test("an address that is none is refused, and the server goes on", async () => {
  expect((await raw("//", {})).status).toBe(400);
  expect((await raw("/", {})).status).toBe(200);
});

test("the token is exchanged for a cookie that is not the token, and that no script and no other site can use", async () => {
  const entered = await fetch(`${page.url}/session`, { method: "POST", body: token });
  expect(entered.status).toBe(204);
  const [set] = entered.headers.getSetCookie();
  expect(set).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);
  expect(set).not.toContain(encodeURIComponent(token));
});

test("every answer forbids scripts and styles of others, inline ones, frames, referrers and guesses of its type", async () => {
  for (const path of ["/", "/app.js", "/api/search", "/nothing"]) {
    const { headers } = await get(path);
    const policy = headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain("unsafe-inline");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  }
});

test.each([
  "/../page.json",
  "/%2e%2e/page.json",
  "/docs/../../auditor.url",
  "//etc/passwd",
  "/..%2f..%2fetc/passwd",
  "/__proto__",
  "/api/constructor",
])("no file but its own is read: %s", async (path) => {
  const { status, body } = await raw(path);
  expect([status, body]).toEqual([404, '{"error":"there is nothing here"}']);
});

describe("a search", () => {
  test("without words finds the newest, by words the best, by id the one", async () => {
    const newest = await ask<Searched>("/api/search");
    expect([newest.by, newest.rows.length, newest.more]).toEqual(["time", 21, false]);
    const words = await ask<Searched>("/api/search?q=findable");
    expect([words.by, words.rows.map(({ id }) => id)]).toEqual(["words", [page.receipt]]);
    expect(words.rows[0]?.actor_id).toBe(hostile);
    expect((await ask<Searched>(`/api/search?q=${page.receipt}`)).by).toBe("id");
  });

  test("that cannot be is refused in words: no word in it, no time", async () => {
    const refused = async (path: string) => {
      const response = await get(path);
      return [response.status, ((await response.json()) as { error: string }).error];
    };
    expect(await refused("/api/search?q=%3B--")).toEqual([400, expect.stringContaining("no word to search for")]);
    expect(await refused("/api/search?since=yesterday")).toEqual([400, expect.stringContaining("not a time")]);
  });
});

describe("one receipt", () => {
  test("comes with its proof and its history", async () => {
    const receipt = await ask<ReceiptNow>(`/api/receipt?id=${page.receipt}`);
    expect(receipt.checks.map(({ of, holds }) => [of, holds])).toEqual([
      ["seal", true],
      ["link", true],
      ["state", true],
    ]);
    expect(receipt.columns["actor_id"]).toBe(hostile);
    expect(receipt.changes.map(({ holds }) => holds)).toEqual([true]);
  });

  test("that is not there is not found, and what is no id is refused before the database hears of it", async () => {
    expect((await get("/api/receipt?id=00000000-0000-0000-0000-000000000000")).status).toBe(404);
    expect((await get("/api/receipt?id=1'; drop table receipts")).status).toBe(400);
  });
});

describe("a verification", () => {
  const report = async (query = "") => {
    const { events } = eventsIn(await (await get(`/api/verification${query}`)).text());
    const last = events.at(-1)!;
    return [last.name, JSON.parse(last.data) as VerificationEvents["report"]] as const;
  };

  test("reports that the trail is whole, or one agent's chain", async () => {
    const [name, whole] = await report();
    expect([name, whole.ok, whole.verified.receipts]).toEqual(["report", true, 21]);
    expect(whole.summary).toContain("the trail is whole");
    expect((await report("?agent=billing-bot"))[1].verified.receipts).toBe(20);
  });

  test("runs once at a time, and ends when nobody listens any more", async () => {
    // It cannot end by itself.
    const root = await page.database.connect(superuser);
    await root.query("begin; lock table receipts in access exclusive mode");
    const listeners: AbortController[] = [];
    const begin = async () => {
      const listener = new AbortController();
      listeners.push(listener);
      return (await fetch(`${page.url}/api/verification`, { headers: { cookie }, signal: listener.signal })).status;
    };
    try {
      expect([await begin(), await begin()]).toEqual([200, 409]);
      listeners[0]?.abort();
      await expect.poll(begin, { timeout: 5000 }).toBe(200);
    } finally {
      for (const listener of listeners) listener.abort();
      await root.query("rollback");
      await root.end();
    }
    await expect.poll(async () => (await get("/api/verification")).status, { timeout: 5000 }).toBe(200);
  });
});

describe("the dashboard", () => {
  const lag = { region: "eu-central-1", namespace: "Authensor/Postgres", name: "ReplicationLagSeconds" };

  test("is the deployed one, with the values and the alarms that CloudWatch has now", async () => {
    const minute = Math.floor(Date.now() / 60_000) * 60 - 120;
    const value = { count: 1, sum: 42, minimum: 42, maximum: 42 };
    page.store.add({ ...lag, dimensions: { Environment: "test" } }, minute, value, 1);
    page.enter("replication-lag", "ALARM");
    const { widgets, times } = await ask<DashboardNow>("/api/dashboard?seconds=900");
    expect(times).toHaveLength(15);
    const chart = widgets.find((one): one is ChartWidget => one.kind === "chart" && /behind/.test(one.title))!;
    expect([chart.unit, chart.lines[0]?.values[times.indexOf(minute)]]).toEqual(["seconds", 42]);
    expect(chart.thresholds[0]).toMatchObject({ label: "replication-lag", value: 10, fill: "above" });
    const alarming = widgets
      .flatMap((one) => (one.kind === "alarms" ? one.alarms : []))
      .filter(({ state }) => state === "ALARM");
    expect(alarming).toMatchObject([{ name: "authensor-test-replication-lag", runbook: "replication-lag" }]);
    expect(alarming[0]?.says).toMatch(/^The replica has been more than 10 s behind/);
    page.enter("replication-lag", "OK");
  });

  test("of a time that makes no sense is refused; without CloudWatch there is no answer that looks like one", async () => {
    expect((await get("/api/dashboard?seconds=-5")).status).toBe(400);
    expect((await get("/api/dashboard?seconds=x")).status).toBe(400);
    page.cloudWatchAnswers = false;
    expect((await get("/api/dashboard")).status).toBe(500);
    page.cloudWatchAnswers = true;
    expect((await get("/api/dashboard")).status).toBe(200);
  });
});
