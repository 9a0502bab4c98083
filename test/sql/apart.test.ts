/** Two deployments that agents are divided over: an agent that began a second chain in the other one is found, by either. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { readAnchors, type Anchor } from "../../ops/anchorFormat";
import { Bucket } from "../../ops/archive/bucket";
import { manifestKey } from "../../ops/archive/keys";
import { archive } from "../../ops/archive/run";
import { silentLog } from "../../ops/log";
import { roles } from "../../ops/roles";
import { takeAnchor } from "../../ops/takeAnchor";
import { apartFindings } from "../../ops/verify/apart";
import type { Head } from "../../ops/verify/chainHeads";
import { ofEachChain } from "../../ops/verify/chainKinds";
import type { Checkpoint } from "../../ops/verify/checkpoints";
import type { Finding } from "../../ops/verify/findings";
import { Progress } from "../../ops/verify/progress";
import { failure, makeReport } from "../../ops/verify/report";
import type { Request } from "../../ops/verify/request";
import { verify } from "../../ops/verify/verification";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { inLane, newReceipt, storeReceipts } from "../receipts";
import { lockedBucket, makeBucket, testRegion, testS3, type TestS3 } from "../s3";
import { runOps } from "./programs";

// Read and hashed each time, and altered by none of these tests: verifyCatalog.test.ts.
vi.mock("../../ops/verify/builtIns", async (importActual) => ({
  ...(await importActual<object>()),
  builtInFindings: () => Promise.resolve([]),
}));

const { signal } = new AbortController();
const dir = mkdtempSync(join(tmpdir(), "apart-"));
let servers: TestPostgres[];
let s3: TestS3;
let [one, other]: TestDatabase[] = [];
let files = 0;

beforeAll(async () => {
  [s3, ...servers] = await Promise.all([testS3({}), startPostgres(), startPostgres()]);
});
afterAll(async () => {
  await Promise.all([s3.close(), ...servers.map((server) => server.stop())]);
  rmSync(dir, { recursive: true, force: true });
});

/** As two stacks have them: databases of one name, each on its own server; and here the servers are copies of one that was prepared. */
beforeEach(async () => {
  [one, other] = await Promise.all(
    servers.map((server) => server.createDatabase({ migrated: true, name: `authensor_${files}` })),
  );
  await store(one!, { "agent-1": 3, hot: 2 });
  await store(other!, { "agent-10": 4, agent: 1 });
});

async function as<T>(database: TestDatabase, role: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await database.connect(role);
  return work(client).finally(() => client.end());
}

/** So many receipts of each agent; of "" they name none. */
async function store(database: TestDatabase, agents: Record<string, number>, lane?: number): Promise<void> {
  const client = lane === undefined ? await database.connect(roles.app) : await inLane(database, lane);
  const receipts = Object.entries(agents).flatMap(([actor_id, count]) =>
    Array.from({ length: count }, () => newReceipt({ actor_id })),
  );
  await storeReceipts(client, receipts).finally(() => client.end());
}

const fileOf = (...lines: object[]): string => {
  const file = join(dir, `${++files}.json`);
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return file;
};

const anchorOf = (database: TestDatabase) => as(database, roles.auditor, takeAnchor);

const anchorFile = async (database: TestDatabase) => fileOf(await anchorOf(database));

const check = (of: TestDatabase, apartFrom: string[], more: Partial<Request> = {}) =>
  verify({
    ...{ url: of.url(roles.auditor), signal, anchors: [], connections: 1, chunk: 1000, allowEmpty: false },
    ...{ apartFrom: readAnchors(apartFrom), ...more },
  });

const kinds = async (...of: Parameters<typeof check>) =>
  (await check(...of)).findings.map(({ kind, agent }) => [kind, agent]);

const headOf = (agent: string, seq: number): Head => ({
  ...{ agent, seq, seal: Buffer.alloc(32), hash: null, clock: undefined },
});

/** Of a database that has these heads. */
async function compare(
  client: pg.Client,
  heads: readonly Head[],
  chains: Anchor["chains"],
  points: Checkpoint[] = [],
): Promise<[Request, Finding[]]> {
  const apartFrom = [{ ...(await anchorOf(other!)), chains, source: "f" }];
  const request = { url: "", signal, anchors: [], apartFrom, connections: 1, chunk: 1, allowEmpty: false };
  const ofHeads = new Map(heads.map((head) => [head.agent, head]));
  const checkpoints = new Map(points.map((point) => [point.agent, [point]]));
  const snapshot = {
    heads: { ...ofEachChain(() => new Map<string, Head>()), receipts: ofHeads },
    checkpoints: { ...ofEachChain(() => new Map<string, Checkpoint[]>()), receipts: checkpoints },
  };
  return [request, await apartFindings(client, new Progress(true), snapshot, request)];
}

const program = (of: TestDatabase, ...args: string[]) =>
  runOps("verify", args, { DATABASE_URL: of.url(roles.auditor) });

describe("an agent that has receipts in two deployments", () => {
  it("is found from either of them, whatever its lanes, where each of the two databases is whole", async () => {
    await store(other!, { "agent-1": 1 });
    await store(one!, { crawler: 2 }, 1);
    await store(other!, { crawler: 1 }, 2);
    // Its changes are in the chain of its own name, in which it has no receipt.
    await as(other!, roles.app, (app) =>
      app.query("update receipts set rekor_entry_id = 'x' where actor_id = 'crawler'"),
    );
    for (const database of [one!, other!]) expect(await program(database)).toMatchObject({ code: 0 });

    const file = await anchorFile(other!);
    const { code, stderr, lines } = await program(one!, "--apart-from", file);
    expect(code).toBe(1);
    expect(stderr).toContain("verify: 2 findings; the first: not-apart: ");
    const { as_of } = JSON.parse(readFileSync(file, "utf8")) as Anchor;
    expect(lines[0]).toMatchObject({
      ok: false,
      scope: { apartFrom: { [file]: as_of } },
      findings: [
        {
          kind: "not-apart",
          agent: "agent-1",
          message: `receipts of agent "agent-1" are in more than one deployment, each with a chain of its own: 3 in this one, 1 in that of ${file} (${as_of}). Let these requests go to one deployment again; every chain stays true, and only sealed_at says which of two receipts in them came first. Then acknowledge this finding (docs/scaling.md)`,
        },
        { kind: "not-apart", agent: "crawler" },
      ],
    });
    const back = await check(other!, [await anchorFile(one!)]);
    expect(
      back.findings.map(({ id }) => id),
      "one acknowledgement will do for both",
    ).toEqual((lines[0] as { findings: { id: string }[] }).findings.map(({ id }) => id));
  });

  it("is found among those of several deployments, in files of their own or in one", async () => {
    const third = await servers[0]!.createDatabase({ migrated: true });
    await store(third, { "agent-1": 7, "agent-10": 1 });
    await store(other!, { hot: 1 });
    const anchors = [await anchorOf(other!), await anchorOf(third)];
    const both = [
      ["not-apart", "agent-1"],
      ["not-apart", "hot"],
    ];
    expect(await kinds(one!, [fileOf(...anchors)])).toEqual(both);
    const two = anchors.map((anchor) => fileOf(anchor));
    expect(await kinds(one!, two)).toEqual(both);
    await store(one!, { "agent-10": 1 });
    expect((await check(one!, two, { agent: "agent-10" })).first?.message).toContain(
      `: 1 in this one, 4 in that of ${two[0]} (${anchors[0]!.as_of}), 1 in that of ${two[1]} (${anchors[1]!.as_of}). Let`,
    );
    expect(await program(one!, "--apart-from", two[0]!, "--apart-from", two[1]!)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("3 findings") as string,
    });
  });

  it("is found where it has no name: receipts that name no agent share a chain", async () => {
    await store(one!, { "": 2 });
    await store(other!, { "": 5 });
    const { findings } = await check(one!, [await anchorFile(other!)]);
    expect(findings).toMatchObject([
      { agent: "", message: expect.stringMatching(/^receipts of no agent .*: 2 in this one, 5 in that of /) as string },
    ]);
  });

  it("is another finding once more than its longest chain goes on, whoever acknowledged it", async () => {
    await store(other!, { "agent-1": 1 });
    const found = async () => (await check(one!, [await anchorFile(other!)])).findings;
    const [{ id: finding } = { id: "" }] = await found();
    await store(one!, { "agent-1": 1 });
    expect(
      (await found()).map(({ id }) => id),
      "it goes to one of them again",
    ).toEqual([finding]);
    const acknowledgements = [{ finding, by: "test", at: "2026-11-29", reason: "looked into" }];
    expect(await check(one!, [await anchorFile(other!)], { acknowledgements })).toMatchObject({ ok: true });
    await store(other!, { "agent-1": 1 });
    const again = await check(one!, [await anchorFile(other!)], { acknowledgements });
    expect(again.findings).toMatchObject([{ kind: "not-apart", agent: "agent-1" }]);
  });

  it("is another finding in whichever deployment of one file it goes on", async () => {
    const third = await servers[0]!.createDatabase({ migrated: true });
    await store(third, { "agent-1": 1 });
    await store(other!, { "agent-1": 2 });
    const found = async (acknowledgements: Request["acknowledgements"] = []) =>
      (await check(one!, [fileOf(await anchorOf(other!), await anchorOf(third))], { acknowledgements })).findings;
    const [{ id: finding, message } = { id: "", message: "" }] = await found();
    expect(message).toMatch(/: 3 in this one, 2 in that of .*, 1 in that of /);
    const acknowledged = [{ finding, by: "test", at: "2026-11-30", reason: "looked into" }];
    expect(await found(acknowledged)).toEqual([]);
    await store(other!, { "agent-1": 1 });
    await store(one!, { "agent-1": 5 });
    expect(await found(acknowledged)).toMatchObject([{ kind: "not-apart", agent: "agent-1" }]);
  });

  it("is looked for alone where --agent names it, in all its lanes", async () => {
    await store(other!, { hot: 1 }, 3);
    await store(other!, { "agent-1": 1 });
    const file = await anchorFile(other!);
    expect(await kinds(one!, [file], { agent: "hot" })).toEqual([["not-apart", "hot"]]);
    await store(one!, { cold: 1 });
    expect(await kinds(one!, [file], { agent: "cold" })).toEqual([]);
    // What bounds the time bounds receipts, and no chain.
    expect(await kinds(one!, [file], { since: "2020-01-01", agent: "hot" })).toEqual([["not-apart", "hot"]]);
  });

  it("is found by a manifest of the other's archive as well, together with --archived", async () => {
    const [mine, theirs] = ["one", "other"].map((name) => {
      makeBucket(s3.root, name, lockedBucket);
      return new Bucket(s3.client({ forcePathStyle: true }), name, signal, { mode: "GOVERNANCE", days: 30 });
    });
    const archived = (database: TestDatabase, bucket: Bucket) =>
      as(database, roles.archiver, (client) =>
        archive({ client, bucket, environment: "test", told: 0, log: silentLog, mostRows: 1000 }),
      );
    await archived(one!, mine!);
    await archived(other!, theirs!);
    const bytes = await theirs!.read(manifestKey(1), undefined);
    const file = fileOf(JSON.parse(bytes.toString()) as object);
    const run = () =>
      runOps("verify", ["--archived", "--apart-from", file], {
        ...{ DATABASE_URL: one!.url(roles.auditor), BACKUP_BUCKET: "one", BACKUP_REGION: testRegion },
        ...{ AWS_ENDPOINT_URL_S3: s3.url, ...s3.environment },
      });
    const apart = await run();
    expect(apart.stderr).toContain(`; its agents were compared with those of ${file} (`);
    expect(apart).toMatchObject({ code: 0 });
    await store(one!, { "agent-10": 1 });
    expect(await run()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('not-apart: receipts of agent "agent-10"') as string,
    });
    // Its own, which is given easily.
    const own = fileOf(JSON.parse((await mine!.read(manifestKey(1), undefined)).toString()) as object);
    expect((await check(one!, [own])).first?.message).toContain("is of this deployment, or of a copy of it");
  });
});

describe("a file that says nothing of another deployment", () => {
  it("is told as this deployment's own, of now or of before, or as a copy's: it would name every agent", async () => {
    const own = await anchorFile(one!);
    const says = async (of: TestDatabase) =>
      (await check(of, [own])).findings.map(({ kind, message }) => [kind, message]);
    const expected = [
      [
        "not-apart",
        expect.stringMatching(
          / is of this deployment, or of a copy of it: receipt \d+ of agent .* the same in both\. .*give --apart-from an anchor or manifest of the other deployment$/,
        ),
      ],
    ];
    expect(await says(one!)).toEqual(expected);
    await store(one!, { "agent-1": 2, hot: 1 });
    expect(await says(one!)).toEqual(expected);
    const copy = await servers[0]!.createDatabase({ copyOf: one! });
    await store(copy, { hot: 1 });
    expect(await says(copy)).toEqual(expected);
    expect(await kinds(one!, [own], { agent: "hot" })).toEqual([["not-apart", undefined]]);
    // Also where it does not name that agent, which began later.
    await store(one!, { late: 1 });
    expect(await kinds(one!, [own], { agent: "late" })).toEqual([["not-apart", undefined]]);
    // By the end of a month that has left, of which no row is here any more.
    const last = { agent: "gone", last: 4, seal: Buffer.alloc(32, 1) } as Checkpoint;
    const chain = { agent: "gone", seq: 4, seal: last.seal.toString("hex"), history_seq: 0, history_seal: "" };
    const [, [found]] = await as(one!, roles.auditor, (client) =>
      compare(client, [headOf("gone", 9)], [chain], [last]),
    );
    expect(found?.message).toContain("is of this deployment, or of a copy of it");
    // By the chain of those that name no agent, too.
    const nameless = await servers[1]!.createDatabase({ migrated: true });
    await store(nameless, { "": 2 });
    const before = await anchorFile(nameless);
    await store(nameless, { "": 2 });
    expect(await kinds(nameless, [before])).toEqual([["not-apart", undefined]]);
  });

  it("is refused where it is no anchor, and is a finding where it was altered or names nothing", async () => {
    const month = join(dir, "month.json");
    await runOps("anchor", ["--month", "2026-11", "--output", month], { DATABASE_URL: other!.url(roles.auditor) });
    const empty = join(dir, "empty.json");
    writeFileSync(empty, "");
    for (const [file, reason] of [
      [empty, /empty\.json holds no anchor/],
      [month, /month\.json: item 1 is not an anchor/],
      [join(dir, "missing.json"), /cannot read anchors from .*missing\.json/],
    ] as const)
      expect(await program(one!, "--apart-from", file)).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(reason) as string,
      });

    const nothing = await servers[0]!.createDatabase({ migrated: true });
    const none = await anchorFile(nothing);
    expect(await kinds(one!, [none])).toEqual([["nothing-verified", undefined]]);
    expect(await check(one!, [none], { allowEmpty: true })).toMatchObject({ ok: true });

    await store(other!, { hot: 1 });
    const kept = await anchorOf(other!);
    const altered = fileOf({ ...kept, chains: kept.chains.filter(({ agent }) => agent !== "hot") });
    expect(await kinds(one!, [altered])).toEqual([["altered-anchor", undefined]]);
  });

  it("is not enough where it is a manifest that did not reach every chain: exit code 3", async () => {
    const kept = await anchorOf(other!);
    const partly = fileOf({ ...kept, archive: { complete: false } });
    const { code, stderr } = await program(one!, "--apart-from", partly);
    expect(stderr).toContain(`agents that ${partly} (${kept.as_of}) may not name: it did not reach every chain`);
    expect(code).toBe(3);
    const whole = { ...(await anchorOf(other!)), archive: { complete: true } };
    expect(
      await check(one!, [fileOf({ ...kept, archive: { complete: false } }, whole)]),
      "a later one of the same file did",
    ).toMatchObject({ ok: true, unverified: [] });
  });
});

describe("agents that are apart", () => {
  it("are whole, and the line for people says what they were compared with, and of when that is", async () => {
    const file = await anchorFile(other!);
    const { as_of } = JSON.parse(readFileSync(file, "utf8")) as Anchor;
    const { code, stderr } = await program(one!, "--apart-from", file);
    expect(stderr).toMatch(/^the trail is whole: /);
    expect(stderr).toContain(`; its agents were compared with those of ${file} (${as_of})`);
    expect(code).toBe(0);
  });

  it("may be very many: a hundred thousand are compared in seconds, and not all of them are listed", async () => {
    const agents = 100_000;
    const heads: Head[] = [];
    const chains: Anchor["chains"] = [];
    for (let n = 0; n < agents; n++) {
      const agent = `agent-${n}\u001f1`;
      heads.push(headOf(agent, 10));
      chains.push({ agent, seq: 1 + (n % 9), seal: "ab".repeat(32), history_seq: 0, history_seal: "" });
    }
    const progress = new Progress(true);
    await as(one!, roles.auditor, async (client) => {
      const asked = vi.spyOn(client, "query");
      const before = process.cpuUsage();
      const [request, findings] = await compare(client, heads, chains);
      const report = makeReport(request, progress, undefined, findings, 0, 0);
      const { user, system } = process.cpuUsage(before);
      expect((user + system) / 1e6, "seconds of a core").toBeLessThan(10);
      expect(asked.mock.calls.length).toBeLessThanOrEqual(20);
      expect([report.findings.length, report.more]).toEqual([100, agents - 100]);
      expect(failure(report)?.details).toHaveLength(9);
      expect(JSON.stringify(report).length).toBeLessThan(100_000);
    });
  }, 120_000);
});
