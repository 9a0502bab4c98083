import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "../../ops/log";
import { migrateUp } from "../../ops/migrate/up";
import { roles } from "../../ops/roles";
import { makeAnew } from "../../ops/verify/searchIndex";
import { month, monthName } from "../months";
import { TestDatabase, migrationsDir, startPostgres, superuser, type TestPostgres } from "../postgres";
import { insertReceipts, newReceipt, storeReceipts, type NewReceipt } from "../receipts";
import { runOps } from "./programs";

let server: TestPostgres;
let database: TestDatabase;
let app: pg.Client;
let auditor: pg.Client;
let owner: pg.Client;

beforeAll(async () => {
  server = await startPostgres();
  // Letters beyond ASCII are letters only where the database's locale says so, as RDS' default does.
  const admin = await server.connect(server.url(superuser));
  await admin.query(`create database search owner ${roles.owner} template template0 locale 'C.UTF-8'`);
  await admin.end();
  database = new TestDatabase(server, "search");
  await migrateUp(await database.connect(roles.owner), { dir: migrationsDir, log: silentLog });
  app = await database.connect(roles.app);
  auditor = await database.connect(roles.auditor);
  owner = await database.connect(roles.owner);
});
afterAll(() => server.stop());

interface Found {
  id: string;
  rank: number;
  snippet: string;
  tool_name: string;
  resource: string;
}

const search = async (
  query: string,
  more: { since?: string; until?: string; most?: number } = {},
): Promise<Found[]> => {
  const { rows } = await auditor.query<Found>("select * from search_receipts($1, $2, $3, $4)", [
    query,
    more.since ?? "-infinity",
    more.until ?? "infinity",
    more.most ?? 1000,
  ]);
  return rows;
};

/** Nothing is indexed, and nobody has drawn a line. */
const forget = () =>
  owner.query(`begin; truncate audit.search_chunks; select setval('audit.search_line', -99999999999);
    update audit.search_index set indexed_until = '-infinity', line = '-infinity', awaited = '{}'; commit`);

/** One run, as the monitor's. */
const runIndex = async (lag: string, most = 3200) => {
  const { rows } = await owner.query<{ more: boolean }>("select audit.index_receipts($1, $2) as more", [most, lag]);
  return rows[0]?.more;
};

/** Indexes all that is there: what comes afterwards, dated within the next hour, is late. */
const index = async () => {
  await forget();
  await runIndex("-1 hour");
  while (await runIndex("-1 hour"));
};

const indexedUntil = async () =>
  (await auditor.query<{ at: string }>("select indexed_until::text as at from audit.search_index")).rows[0]?.at;

const countIndexed = async () => {
  const { rows } = await auditor.query<{ indexed: number; stored: number }>(
    `select (select sum(receipts)::int from audit.search_chunks) as indexed,
            (select count(*)::int from receipts where created_at < indexed_until) as stored from audit.search_index`,
  );
  return rows[0];
};

const found = async (query: string): Promise<string[]> => (await search(query)).map(({ id }) => id);

const receipt = (parameters: unknown, more: Partial<NewReceipt> & { resource?: string; metadata?: unknown } = {}) => {
  const { resource, metadata, ...values } = more;
  return newReceipt({
    envelope: {
      action: { type: more.tool_name ?? "http.request", resource: resource ?? "nowhere", parameters },
      context: { metadata },
    },
    ...values,
  });
};

const add = async (...receipts: NewReceipt[]): Promise<string[]> =>
  (await insertReceipts(app, receipts)).map(({ id }) => id);

describe("a receipt is found by", () => {
  it.each<[what: string, query: string]>([
    ["its action", "zeta.invoices.create"],
    ["a part of its action", "invoices"],
    ["its resource", "https://api.example.com/v2/tenants/te_81hG?full=1"],
    ["a part of its resource", "te_81hG"],
    ["its agent", "billing-bot"],
    ["a description among its parameters", '"order of twelve pumps"'],
    ["a value deep in its parameters", "deepest"],
    ["a number in its parameters", "48151.62"],
    ["an address in its parameters", "carol@example.org"],
    ["a path in its parameters", "/var/log/zeta.log"],
    ["a date in its parameters", "2026-11-05"],
    ["a word after a line break or a backslash", "secondline newbackslash"],
    ["text in tags", "insidetag"],
    ["its metadata", "ticket OPS-4711"],
    ["words in another case", "PUMPS Deepest ÜBERGRÖßE"],
    ["words of other scripts", "退款请求 возврат"],
    ["one word or another", "nosuchword or deepest"],
    ["words but not others", "deepest -nosuchword -not.there"],
    ["a word with the signs of a pattern", "te_81hg 100%_sure"],
  ])("%s", async (_what, query) => {
    const [id] = await add(
      receipt(
        {
          description: "Order of twelve pumps, übergröße — “quoted”",
          a: [{ b: { c: "deepest" } }],
          amount: 48151.62,
          email: "carol@example.org",
          path: "/var/log/zeta.log",
          when: "2026-11-05",
          sure: "100%_sure",
          text: "firstline\nsecondline\tC:\\newbackslash <b onclick=insidetag>x</b>",
          scripts: "退款请求，订单 возврат",
        },
        {
          tool_name: "zeta.invoices.create",
          actor_id: "billing-bot",
          resource: "https://api.example.com/v2/tenants/te_81hG?full=1",
          metadata: { ticket: "OPS-4711" },
        },
      ),
    );
    expect(await found(query)).toContain(id);
    expect(await found(`${query} absentword`)).not.toContain(query.includes(" or ") ? undefined : id);
  });

  it("none of the words it does not have, or that were excluded", async () => {
    const [id] = await add(receipt({ text: "alpha beta.gamma delta" }));
    for (const query of ["alpha -beta", "alpha -beta.gamma", 'alpha -"gamma delta"', '"alpha gamma"', "alph"])
      expect(await found(query)).not.toContain(id);
    for (const query of ["alpha -gamma.beta", 'alpha -"delta gamma"', "-nothing alpha", '"beta gamma"'])
      expect(await found(query)).toContain(id);
  });

  it("any word of letters and digits in it, as long as its text is not longer than what is indexed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ maxDepth: 3, noUnicodeString: false }), async (value) => {
        const parameters = withoutNul(value);
        const [id] = await add(receipt(parameters));
        const words = strings(parameters)
          .flatMap((text) => text.match(/(?<![\p{L}\p{N}\p{M}])[A-Za-z0-9]+(?![\p{L}\p{N}\p{M}])/gu) ?? [])
          // Operators of the query language, where they stand alone.
          .filter((word) => !/^or$/i.test(word));
        for (const word of words.slice(0, 5)) expect(await found(`"${word}"`)).toContain(id);
      }),
      { numRuns: 150, seed: 4711 },
    );
  });
});

describe("however far the index has come", () => {
  const minutesAgo = (n: number) => new Date(Date.now() - n * 60_000).toISOString();

  it("a search finds the same, in the same order: nothing indexed, all of it, and what came late", async () => {
    const words = ["amber", "basalt", "cedar", "dune", "ember"];
    const receipts = Array.from({ length: 100 }, (_, i) =>
      receipt(
        { note: words.filter((_, n) => (i + 1) % (n + 2) === 0).join(" "), number: `n${i}` },
        { created_at: new Date(month(0).getTime() + (i % 70) * 1000).toISOString() },
      ),
    );
    const queries = [
      "amber",
      '"amber basalt"',
      "amber cedar ember",
      "basalt or dune",
      "amber -basalt",
      "-amber",
      "n77",
    ];
    const answers = async () => {
      const all: string[][] = [];
      for (const query of queries) all.push(await found(query));
      return all;
    };
    await forget();
    await add(...receipts.slice(0, 80));
    const unindexed = await answers();
    await index();
    expect(await answers()).toEqual(unindexed);
    await add(...receipts.slice(80));
    const late = await answers();
    expect(late.flat().length).toBeGreaterThan(unindexed.flat().length);
    await forget();
    expect(await answers()).toEqual(late);
    await index();
    expect(await answers()).toEqual(late);
    expect((await countIndexed())?.indexed).toBe((await countIndexed())?.stored);
  });

  it.each(["read committed", "repeatable read"])(
    "a receipt is found whose transaction (%s) was open while a line was drawn, and it is waited for",
    async (isolation) => {
      await forget();
      const writer = await database.connect(roles.app);
      await writer.query(`begin isolation level ${isolation}`);
      await storeReceipts(writer, [receipt({ note: "none" })]);
      await runIndex("0 seconds");
      const [{ id } = { id: "" }] = await storeReceipts(writer, [
        receipt({ note: "okapi" }, { created_at: minutesAgo(5) }),
      ]);
      await runIndex("0 seconds");
      expect(await indexedUntil()).toBe("-infinity");
      await writer.query("commit");
      expect(await found("okapi")).toContain(id);
      await runIndex("0 seconds");
      expect(await indexedUntil()).not.toBe("-infinity");
      expect(await found("okapi")).toContain(id);
      expect(await countIndexed()).toMatchObject({ indexed: (await countIndexed())?.stored });
      await writer.end();
    },
  );

  it("a receipt is found of a transaction that began to read before the line was drawn, and wrote after it", async () => {
    await forget();
    const writer = await database.connect(roles.app);
    await writer.query("begin isolation level repeatable read; select count(*) from policies");
    await runIndex("0 seconds");
    await runIndex("0 seconds");
    const stored = await storeReceipts(writer, [receipt({ note: "tapir" }, { created_at: minutesAgo(5) })]);
    await writer.query("commit");
    await writer.end();
    expect(await found("tapir")).toEqual(stored.map(({ id }) => id));
  });

  it("a receipt is found that was stored after the server's clock was set back", async () => {
    await forget();
    // As if this were written an hour earlier.
    await runIndex("-1 hour");
    await runIndex("-2 hours");
    const [id] = await add(receipt({ note: "narwhal" }));
    expect(await found("narwhal")).toEqual([id]);
    await runIndex("0 seconds");
    expect(await indexedUntil()).not.toBe("-infinity");
    expect(await found("narwhal")).toEqual([id]);
    expect(await countIndexed()).toMatchObject({ indexed: (await countIndexed())?.stored });
  });

  it("a run that was killed changed nothing, and what came meanwhile is found", async () => {
    await forget();
    await owner.query("begin");
    await runIndex("0 seconds");
    await owner.query("rollback");
    const [id] = await add(receipt({ note: "axolotl" }, { created_at: minutesAgo(5) }));
    expect(await found("axolotl")).toEqual([id]);
    await runIndex("0 seconds");
    await runIndex("0 seconds");
    expect(await found("axolotl")).toEqual([id]);
    expect(await countIndexed()).toMatchObject({ indexed: (await countIndexed())?.stored });
  });

  it("a second run at once does nothing, and one of another isolation is refused", async () => {
    await forget();
    const second = await database.connect(roles.monitor);
    await owner.query("begin");
    await runIndex("0 seconds");
    await second.query("select audit.index_receipts()");
    await owner.query("commit");
    await second.query("begin isolation level repeatable read");
    await expect(second.query("select audit.index_receipts()")).rejects.toThrow(/under READ COMMITTED/);
    await second.end();
  });

  it("the monitor may not choose where the line is", async () => {
    const second = await database.connect(roles.monitor);
    await expect(second.query("select audit.index_receipts(1, '-1 year')")).rejects.toThrow(/permission denied/);
    await second.end();
  });

  it("few at a time, and those of one time together, come to the same", async () => {
    await index();
    const before = await countIndexed();
    await forget();
    await runIndex("-1 hour");
    while (await runIndex("-1 hour", 7));
    expect(await countIndexed()).toEqual(before);
  });

  it("so many of one time that a run would not end are found without their words being indexed", async () => {
    await forget();
    const same = { created_at: minutesAgo(5) };
    const ids = await add(...Array.from({ length: 24 }, () => receipt({ note: "quetzal" }, same)));
    await runIndex("-1 hour");
    while (await runIndex("-1 hour", 7));
    const { rows } = await owner.query("select from audit.search_chunks where words is null");
    expect(rows).not.toEqual([]);
    expect((await found("quetzal")).sort()).toEqual(ids.sort());
    expect(await countIndexed()).toMatchObject({ indexed: (await countIndexed())?.stored });
  });

  it("no receipts are too long to be indexed together", async () => {
    const words = Array.from({ length: 1000 }, (_, i) => String.fromCodePoint(0x20000 + i).repeat(3)).join(" ");
    const at = "2026-10-05T00:00:00Z";
    await forget();
    await add(
      ...Array.from({ length: 32 }, (_, i) => receipt([words, i], { resource: "Ⱥ".repeat(512), created_at: at })),
    );
    await index();
    expect((await search(String.fromCodePoint(0x20007).repeat(3), { since: at })).length).toBe(32);
  });

  it("a receipt is found by who began to read before the index was made anew, as verification says, and afterwards", async () => {
    const [id] = await add(receipt({ note: "pangolin" }));
    await index();
    await auditor.query("begin isolation level repeatable read; select count(*) from policies");
    await owner.query(makeAnew);
    expect(await found("pangolin")).toEqual([id]);
    await auditor.query("commit");
    expect(await found("pangolin")).toEqual([id]);
  });

  it("a month that is taken out takes its words along", async () => {
    await index();
    const owner = await database.connect(roles.owner);
    await owner.query(
      "begin; select audit.archive_month((select min(month) from audit.partitions where kind = 'month'))",
    );
    const { rows } = await owner.query("select from audit.search_chunks where newest >= $1 and newest < $2", [
      month(0),
      month(1),
    ]);
    await owner.query("rollback");
    expect(rows).toEqual([]);
  });
});

describe("results", () => {
  it("come best first, what was done to what before with which parameters, then newest, with what was found marked", async () => {
    const at = (minute: number) => new Date(Date.UTC(2026, 10, 1, 0, minute)).toISOString();
    const ids = await add(
      receipt({ note: "quokka" }, { created_at: at(1) }),
      receipt({ note: "none" }, { tool_name: "quokka.feed", created_at: at(2) }),
      receipt({ note: "quokka" }, { created_at: at(3) }),
    );
    const results = await search("quokka");
    expect(results.map(({ id }) => id)).toEqual([ids[1], ids[2], ids[0]]);
    expect(results[0]).toMatchObject({ tool_name: "quokka.feed", resource: "nowhere" });
    expect(results[0]?.snippet).toMatch(/«quokka» feed/);
    expect(await search("quokka", { most: 1 })).toHaveLength(1);
  });

  it("are bounded by time, from the first moment to just before the last", async () => {
    const at = "2026-10-03T04:05:06.000Z";
    const [id] = await add(receipt({ note: "numbat" }, { created_at: at }));
    const ids = async (since: string, until: string) => (await search("numbat", { since, until })).map((row) => row.id);
    expect(await ids(at, "2026-10-03T04:05:06.001Z")).toEqual([id]);
    expect(await ids("2026-10-01", at)).toEqual([]);
    expect(await ids("2026-10-03T04:05:06.000001Z", "infinity")).toEqual([]);
  });

  it("are the newest of a word found very often, and never fewer than asked for", async () => {
    for (let i = 0; i < 3; i++) {
      const many = Array.from({ length: 700 }, (_, j) =>
        receipt({ note: "wombat" }, { created_at: new Date(month(0).getTime() + i * 3_600_000 + j).toISOString() }),
      );
      await add(...many);
    }
    expect(await search("wombat", { most: 2000 })).toHaveLength(2000);
    const newest = await auditor.query<{ id: string }>(
      "select id from receipts where envelope::text like '%wombat%' order by created_at desc limit 1",
    );
    expect(await found("wombat")).toContain(newest.rows[0]?.id);
  });

  it("come from the months in question alone, indexed or not", async () => {
    const superuserClient = await database.connect(superuser);
    await superuserClient.query(`load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on;
      set auto_explain.log_timing = off; set auto_explain.log_nested_statements = on; set client_min_messages = log`);
    for (const state of [forget, index]) {
      await state();
      const plans: string[] = [];
      const listen = (notice: { message?: string }) => plans.push(notice.message ?? "");
      superuserClient.on("notice", listen);
      await superuserClient.query("select * from search_receipts('wombat', $1, $2)", [month(0), month(1)]);
      superuserClient.off("notice", listen);
      const read = plans
        .join("\n")
        .split("\n")
        .filter((line) => /Scan .*on receipts_(past|future|\d+_\d+)\b/.test(line) && !line.includes("never executed"));
      expect(new Set(read.map((line) => /on receipts_(past|future|\d{4}_\d{2})/.exec(line)?.[1]))).toEqual(
        new Set([monthName(0).replace("-", "_")]),
      );
    }
    await superuserClient.end();
  });

  it.each<[string, unknown[], RegExp]>([
    ["no word", ["…", "-infinity", "infinity", 5], /no word to search for/],
    ["no query", [null, "-infinity", "infinity", 5], /no word to search for/],
    ["a time that ends before it begins", ["x", "2026-11-02", "2026-11-01", 5], /must begin before it ends/],
    ["no limit", ["x", "-infinity", "infinity", 0], /must be 1 to 10000/],
  ])("are refused, with the reason, for %s", async (_what, parameters, reason) => {
    await expect(auditor.query("select * from search_receipts($1, $2, $3, $4)", parameters)).rejects.toThrow(reason);
  });

  it("answer any query, however it is written", async () => {
    await index();
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 60 }), async (query) => {
        const text = query.replaceAll("\0", "");
        await search(text).catch((error: unknown) => {
          if (!(error instanceof pg.DatabaseError) || error.code !== "22023") throw error;
        });
      }),
      { numRuns: 300, seed: 4711 },
    );
  });
});

describe("no payload keeps a receipt from being stored", () => {
  const words = (n: number) => Array.from({ length: n }, (_, i) => `w${i.toString(36)}`).join(" ");
  const nested = (depth: number) => JSON.parse("[".repeat(depth) + '"x"' + "]".repeat(depth)) as unknown;
  const hostile: Record<string, unknown> = {
    "half a megabyte of distinct words, twice": words(80_000),
    "a word of half a megabyte, twice": "x".repeat(500_000),
    "words at the limit of a tsvector's": [2045, 2046, 2047, 2048, 3000].map((n) => "y".repeat(n)).join(" "),
    "letters that grow when lower-cased": `${"Ⱥ".repeat(700)} ${"Ⱥ".repeat(1000)} ${"Ⱥ".repeat(1024)} ${"İ".repeat(1023)}`,
    "1,000 levels": nested(1000),
    "30,000 keys, twice": Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`k${i}`, i])),
    "control characters": Array.from({ length: 31 }, (_, i) => String.fromCharCode(i + 1)).join(""),
    base64: Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7919) % 256)).toString("base64"),
    "every plane of Unicode": Array.from({ length: 0x10ffff / 97 }, (_, i) => i * 97 + 1)
      .filter((point) => point < 0xd800 || point > 0xdfff)
      .map((point) => String.fromCodePoint(point))
      .join(""),
    "tags, entities and URLs": "<".repeat(5000) + "&lt;&#1;&amp ".repeat(1000) + "http://a.b/c?d=e&f ".repeat(1000),
    "the parser's own marks": `${"'\\:*&|!()<->".repeat(500)} ${"a-".repeat(2000)} ${"a.b@c.d/".repeat(1000)} 1e${"9".repeat(3000)}`,
    "huge numbers": [1e300, -1e-300, Number.MAX_SAFE_INTEGER, 5e-324],
    nothing: null,
  };

  it.each(Object.entries(hostile))("%s", async (_what, parameters) => {
    const started = performance.now();
    const [id] = await add(receipt(parameters, { resource: "hostilething", metadata: parameters }));
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(await found("hostilething")).toContain(id);
  });

  it.each<[string, unknown]>([
    ["an envelope that is a text", "text"],
    ["an envelope that is a number", 12.5],
    ["an envelope that is a list", [{ action: { resource: "x" } }]],
    ["an empty envelope", {}],
    [
      "parts that are not what they should be",
      { action: { type: 1, resource: { a: ["b"] }, parameters: "x" }, context: [] },
    ],
    ["an action that is null", { action: null, principal: null, context: null }],
  ])("%s", async (_what, envelope) => {
    const text =
      "insert into receipts (id, envelope_id, status, decision_outcome, envelope, decision) values (gen_random_uuid(), gen_random_uuid(), 'pending', 'allow', $1, '{}')";
    expect((await app.query(text, [JSON.stringify(envelope)])).rowCount).toBe(1);
  });

  it("any JSON at all", async () => {
    await fc.assert(
      fc.asyncProperty(fc.json({ stringUnit: "binary", maxDepth: 6 }), async (json) => {
        const value = withoutNul(JSON.parse(json));
        const { rows } = await app.query<{ ok: boolean }>(
          "select audit.receipt_words($1, $1, $2) is not null and audit.receipt_words(null, null, jsonb_build_object('action', jsonb_build_object('parameters', $2::jsonb, 'resource', $2::jsonb))) is not null as ok",
          [withoutNul(json), JSON.stringify(value)],
        );
        expect(rows[0]?.ok).toBe(true);
      }),
      { numRuns: 500, seed: 4711 },
    );
  });

  it("but a NUL in a JSON text, which jsonb itself refuses, index or not", async () => {
    const refused = (query: string, parameters: unknown[]) =>
      app.query(query, parameters).then(
        () => "stored",
        (error: unknown) => (error as pg.DatabaseError).code,
      );
    expect(await refused("select $1::jsonb", ['"\\u0000"'])).toBe("22P05");
    const [id] = await add(receipt({ text: "a literal backslash: \\u0000 nulword" }));
    expect(await found("nulword")).toContain(id);
  });

  it("and of none more than a few kilobytes are indexed", async () => {
    const { rows } = await auditor.query<{ most: number }>(
      "select max(octet_length(audit.receipt_text(tool_name, actor_id, envelope))) as most from receipts",
    );
    // 4096 characters of at most four bytes.
    expect(rows[0]?.most).toBeLessThanOrEqual(4 * 4200);
  });
});

describe("ops/search", () => {
  const run = (...args: string[]) => runOps("search", args, { DATABASE_URL: database.url(roles.auditor) });

  it("prints a table for people", async () => {
    const [id] = await add(
      receipt(
        { note: "bilby\u001b[31m" },
        { tool_name: "zoo.feed", actor_id: "keeper\u001b]0;x", created_at: new Date().toISOString() },
      ),
    );
    const { code, stdout } = await run("bilby");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^TIME \(UTC\) +RECEIPT +AGENT +ACTION +DECISION +STATUS +FOUND\n/);
    expect(stdout).toContain(`${id}  keeper·]0;x  zoo.feed  allow     pending`);
    expect(stdout).toContain("«bilby»");
    expect(stdout).toMatch(/\n1 receipt from .* until now\n$/);
    // What an agent wrote must not reach the terminal as a command to it.
    expect(stdout).not.toContain("\u001b");
  });

  it("prints JSON for programs", async () => {
    await add(receipt({ note: "dugong" }, { created_at: "2026-02-03T00:00:00Z" }));
    const { code, lines } = await run("dugong", "--since", "2026-02-01", "--until", "2026-03-01", "--json");
    expect(code).toBe(0);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      query: "dugong",
      since: "2026-02-01T00:00:00.000Z",
      found: [{ tool_name: "http.request" }],
    });
  });

  it("finds a receipt by its id, whatever its month", async () => {
    const [id = ""] = await add(
      receipt({}, { resource: "https://api.example.com/quokka", created_at: "2019-07-01T00:00:00Z" }),
    );
    const { code, stdout } = await run(id.toUpperCase());
    expect(code).toBe(0);
    expect(stdout).toContain(id);
    expect(stdout).toContain("quokka");
    expect(stdout).toMatch(/\n1 receipt with this id\n$/);
    const mentioned = randomUUID();
    const [other] = await add(receipt({ order: mentioned }, { created_at: new Date().toISOString() }));
    expect((await run(mentioned)).stdout).toContain(`${other} `);
    const unknown = randomUUID();
    expect((await run(unknown)).stdout).toMatch(
      new RegExp(`^No receipt here has the id ${unknown} .* none from .* mentions it`),
    );
    expect((await run(id, "--limit", "1")).stdout).toMatch(/\n1 receipt with this id\n$/);
    expect((await run(id, "--json")).lines[0]).toMatchObject({ by: "id", found: [{ id }] });
  });

  it("shows the latest, when asked to", async () => {
    const at = (second: number) => `2024-03-01T00:00:0${second}Z`;
    const ids = await add(
      receipt({}, { created_at: at(1) }),
      receipt({}, { created_at: at(3) }),
      receipt({}, { created_at: at(2) }),
    );
    const time = ["--latest", "--since", "2024-03-01", "--until", "2024-04-01"];
    const { lines } = await run(...time, "--limit", "2", "--json");
    expect((lines[0] as { found: { id: string }[] }).found.map(({ id }) => id)).toEqual([ids[1], ids[2]]);
    expect((await run(...time)).stdout).toMatch(/\n3 receipts from 2024-03-01.* until 2024-04-01/);
    expect((await run("--latest", "--since", "2024-05-01", "--until", "2024-06-01")).stdout).toMatch(
      /^There is no receipt from/,
    );
  });

  it("says when nothing was found, and what would find more", async () => {
    const { code, stdout } = await run("thylacine");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^No receipt from .* matches thylacine\. Fewer words/);
  });

  it("exits 2 with a clear line for wrong usage, 1 when it cannot search", async () => {
    for (const [args, reason] of [
      [["…"], /no word to search for/],
      [["x", "--since", "yesterday"], /--since is not a time: "yesterday"/],
      [["x", "--since", "1d", "--until", "2d"], /must be before/],
      [["x", "--limit", "0"], /--limit must be/],
      [[], /nothing to search for/],
      [[""], /no word to search for/],
      [["x", "--latest"], /--latest takes no words/],
    ] as const) {
      const { code, stderr } = await run(...args);
      expect(stderr).toMatch(reason);
      expect(code).toBe(2);
    }
    const denied = await runOps("search", ["x"], { DATABASE_URL: database.url(roles.monitor) });
    expect(denied.code).toBe(1);
    expect(denied.stderr).toMatch(/permission denied/);
  });
});

/** JSON without what jsonb cannot hold: NUL, and surrogates without their other half. */
function withoutNul(value: unknown): unknown {
  if (typeof value === "string")
    return value
      .replaceAll("\0", "")
      .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "");
  if (Array.isArray(value)) return value.map(withoutNul);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [withoutNul(key), withoutNul(inner)]));
}

function strings(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(strings);
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...strings(inner)]);
}
