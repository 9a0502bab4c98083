/** A copy of the database, as a dump makes it: TEMP is open to everyone there, and who made the copy may have opened more. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createdRoles, roles } from "../../ops/roles";
import { startPostgres, type TestDatabase, type TestPostgres } from "../postgres";
import { month } from "../months";
import { insertReceipts, newReceipt } from "../receipts";
import { type Bait, layBaits } from "./baits";

let server: TestPostgres;
let dump: string;

beforeAll(async () => {
  server = await startPostgres({ parameters: { track_functions: "all" } });
  const database = await server.createDatabase({ migrated: true });
  const app = await database.connect(roles.app);
  await insertReceipts(app, [newReceipt(), newReceipt({ decision_outcome: "require_approval" })]);
  dump = join(server.dir, "dump");
  execFileSync(join(server.bin, "pg_dump"), ["-Fc", "-f", dump, database.ownerUrl]);
});
afterAll(() => server.stop());

/** Restored by the owner into an empty database, with the privileges that PostgreSQL gives to a new one. */
async function restore(): Promise<TestDatabase> {
  const database = await server.createDatabase();
  execFileSync(join(server.bin, "pg_restore"), ["--exit-on-error", "-d", database.ownerUrl, dump]);
  return database;
}

/** Everyone may write, call every function, and create in public: the worst that careless privileges could leave open. */
async function open(database: TestDatabase): Promise<void> {
  const owner = await database.connect(roles.owner);
  await openDoors(database);
  await owner.query(`
    grant select, insert, update on all tables in schema public, audit to public;
    grant execute on all functions in schema audit to public`);
}

/** Those of the database and its schemas, which audit.repair_roles closes when an attacker calls it. */
async function openDoors(database: TestDatabase): Promise<void> {
  const owner = await database.connect(roles.owner);
  await owner.query(`
    grant temporary on database ${database.name} to public;
    grant usage on schema audit, public to public;
    grant create on schema public to public`);
}

interface Definer {
  oid: string;
  name: string;
  types: string[];
  trigger: boolean;
}

const definers = async (client: pg.Client): Promise<Definer[]> =>
  (
    await client.query<Definer>(
      `select oid, oid::regproc::text as name, prorettype = 'trigger'::regtype as trigger,
              array(select format_type(t, null) from unnest(proargtypes) t) as types
         from pg_proc where prosecdef and pronamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
        order by proname`,
    )
  ).rows;

/** What a function of ours may be called with, by the type of its argument. */
const values: Readonly<Record<string, readonly string[]>> = {
  regclass: ["public.receipts", "pg_temp.receipts"],
  date: [month(1).toISOString()],
  integer: ["2"],
  bigint: ["1"],
  text: ["x"],
};

function* combinations([type, ...others]: readonly string[]): Generator<(string | null)[]> {
  if (type === undefined) yield [];
  else for (const value of values[type] ?? [null]) for (const rest of combinations(others)) yield [value, ...rest];
}

/** Calls every function that runs as its owner, as the role, in a session full of baits. Says as whom a bait was taken. */
async function attack(database: TestDatabase, role: string, bait: Bait): Promise<Set<string>> {
  const client = await database.connect(role);
  const taken = new Set<string>();
  client.on("notice", ({ message = "" }) => {
    const as = /^BAIT taken as (\w+)/.exec(message)?.[1];
    if (as !== undefined) taken.add(as);
  });
  const call = (sql: string, args: unknown[] = []) => client.query(sql, args).catch(() => undefined);
  const functions = (await definers(client)).filter(({ trigger }) => !trigger);
  // What its role is limited by, a session may lift: the time that laying all baits takes on a busy machine, too.
  await client.query("set default_transaction_read_only = off; set statement_timeout = 0");
  await client.query(layBaits("pg_temp", bait));
  await call(layBaits("public", bait));
  // The attacker's own statements are to succeed; what is attacked has a search path of its own.
  await client.query("set search_path = pg_catalog, public, pg_temp");
  const writeReceipts = async (write: (work: () => Promise<unknown>) => Promise<unknown>) => {
    const age = { created_at: month(2).toISOString() };
    for (const receipt of [newReceipt({ actor_id: null }), newReceipt(age), newReceipt({ status: "cancelled" })])
      await write(() => insertReceipts(client, [receipt]));
    await write(() =>
      client.query("update receipts set status = 'cancelled', updated_at = now() where status = 'pending'"),
    );
  };
  await writeReceipts((work) => work());
  // In the order of a drain first, so that each finds something to do; then each with everything it can be called with.
  await call("select audit.drain_start('public.receipts', 2)");
  const { rows: targets } = await client
    .query<{ name: string }>("select target::pg_catalog.text as name from audit.drain_targets")
    .catch(() => ({ rows: [] }));
  await writeReceipts((work) => work().catch(() => undefined));
  for (const { name } of targets) await call("select audit.drain_copy($1)", [name]);
  for (const { name, types } of functions)
    for (const args of combinations(types))
      await call(`select ${name}(${args.map((_, i) => `$${i + 1}`).join(", ")})`, args);
  await writeReceipts((work) => work().catch(() => undefined));
  await client.end();
  return taken;
}

describe.each<Bait>(["domains", "enums"])(
  "on a copy where everything is open, in sessions full of baits (%s),",
  (bait) => {
    let copy: TestDatabase;
    beforeAll(async () => {
      copy = await restore();
      await open(copy);
    });

    it.each(createdRoles)("%s gets no code of its own run as the owner", async (role) => {
      await openDoors(copy);
      expect([...(await attack(copy, role, bait))]).toEqual([]);
    });

    it("each function that runs as its owner was reached", async () => {
      const owner = await copy.connect(roles.owner);
      const unreached = `
      select oid::regproc::text as name from pg_proc
       where oid = any ($1) and not exists (select from pg_stat_user_functions where funcid = pg_proc.oid) order by 1`;
      const all = (await definers(owner)).map(({ oid }) => oid);
      await expect
        .poll(async () => (await owner.query<{ name: string }>(unreached, [all])).rows.map(({ name }) => name), {
          timeout: 10_000,
        })
        .toEqual([]);
    });
  },
);

it("that code would have run, were pg_temp searched first", async () => {
  const copy = await restore();
  await open(copy);
  const owner = await copy.connect(roles.owner);
  for (const { oid } of await definers(owner)) {
    const path = "select format('alter function %s set search_path = %L', $1::regprocedure, '') as sql";
    await owner.query((await owner.query<{ sql: string }>(path, [oid])).rows[0]!.sql);
  }
  // Whether its writes then succeed is not the question.
  const taken = await attack(copy, roles.app, "domains");
  expect([...taken]).toEqual([roles.owner]);
});
