import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { verify } from "../../ops/verify/verification";
import { roles } from "../../ops/roles";
import { TestPooler } from "../pgbouncer";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { chainFaults, insertReceipts, newReceipt } from "../receipts";

const writers = 24;
const kills = 6;

let server: TestPostgres;
let database: TestDatabase;
let pooler: TestPooler;

beforeAll(async () => {
  server = await startPostgres({ durable: true });
  database = await server.createDatabase({ migrated: true });
  pooler = await TestPooler.start(server);
});
afterAll(async () => {
  await pooler.stop();
  await server.stop();
});

interface Told {
  /** Receipts whose insert was acknowledged. */
  receipts: string[];
  /** Receipts of transactions whose outcome nobody told: all of one are there, or none. */
  unknown: string[][];
  /** Claims that were acknowledged: receipt and claim. */
  claims: { id: string; claim: string }[];
  interruptions: number;
}

/** Writes what the control plane writes, and now and then a batch, until told to end; connects again whenever it is cut off. */
async function write(agent: string, told: Told, ended: () => boolean): Promise<void> {
  while (!ended()) {
    const client = new pg.Client({ connectionString: pooler.url(roles.app, database.name) });
    client.on("error", () => undefined);
    let batch: string[] = [];
    try {
      await client.connect();
      for (let i = 0; !ended(); i++) {
        const receipts = Array.from({ length: i % 5 === 4 ? 3 : 1 }, (_, n) =>
          newReceipt({ actor_id: n ? `${agent}-${n}` : agent, decision_outcome: i % 7 ? "allow" : "require_approval" }),
        );
        batch = receipts.map((receipt) => receipt.id);
        if (receipts.length === 1) {
          await insertReceipts(client, receipts);
        } else {
          await client.query("begin");
          for (const receipt of receipts) await insertReceipts(client, [receipt]);
          await client.query("commit");
        }
        told.receipts.push(...batch);
        const [id] = batch;
        batch = [];
        if (id !== undefined && i % 3 === 0) {
          const claim = randomUUID();
          const text =
            "update receipts set claim_id = $2, claimed_at = now(), claim_expires_at = now() + interval '1 h' where id = $1";
          await client.query(text, [id, claim]);
          told.claims.push({ id, claim });
        }
      }
    } catch {
      told.interruptions++;
      if (batch.length > 0) told.unknown.push(batch);
      await sleep(100);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

it(
  "keeps every acknowledged receipt and claim, whole and chained, however often the server is killed",
  { timeout: 240_000 },
  async () => {
    const told: Told = { receipts: [], unknown: [], claims: [], interruptions: 0 };
    let ended = false;
    const writing = Array.from({ length: writers }, (_, w) => write(`agent-${w % 8}`, told, () => ended));
    for (let kill = 0; kill < kills; kill++) {
      const before = told.receipts.length;
      // Killed at another moment each time, but never before it has served again.
      for (const until = Date.now() + 15_000; told.receipts.length < before + 100 && Date.now() < until;)
        await sleep(20);
      await sleep(150 + 120 * kill);
      await server.crash();
      await server.start();
    }
    await sleep(1000);
    ended = true;
    await Promise.all(writing);

    const auditor = await database.connect(roles.auditor);
    const { rows } = await auditor.query<{ id: string; claim_id: string | null }>("select id, claim_id from receipts");
    const stored = new Map(rows.map((row) => [row.id, row.claim_id]));
    expect(told.receipts.length).toBeGreaterThan(100 * kills);
    expect(told.interruptions).toBeGreaterThanOrEqual(kills);
    expect(told.receipts.filter((id) => !stored.has(id))).toEqual([]);
    expect(told.claims.filter(({ id, claim }) => stored.get(id) !== claim)).toEqual([]);
    const half = told.unknown.filter((batch) => new Set(batch.map((id) => stored.has(id))).size > 1);
    expect(half).toEqual([]);
    // Nothing came from nowhere either.
    const sent = new Set([...told.receipts, ...told.unknown.flat()]);
    expect([...stored.keys()].filter((id) => !sent.has(id))).toEqual([]);

    expect(await chainFaults(auditor)).toEqual([]);
    const report = await verify({
      url: database.url(roles.auditor),
      signal: new AbortController().signal,
      anchors: [],
      connections: 2,
      chunk: 5000,
      allowEmpty: false,
    });
    expect(report.findings).toEqual([]);
    expect(report.verified.receipts).toBe(stored.size);
  },
);
