import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pooledDatabase } from "../components/pooling/pgbouncerEntries";
import { maxLocksPerTransaction } from "../components/parameters/lockTable";
import { bundleOps } from "../components/programs/opsBundle";
import { databaseName, roles } from "../ops/roles";
import { credentials } from "../test/credentials";
import { certificate, Pod } from "../test/pod";
import { startPostgres, superuser, type TestPostgres } from "../test/postgres";
import { shape, unsealed, vendorsIndexes } from "./inserts";
import { parameters } from "./lab";
import { fillStatement, imported } from "./payload";
import { keyHash, keys } from "./player";

const passwords = { controlPlane: "c", app: "a", telemetry: "t", auditor: "u", monitor: "m" } as const;
/** Of the role's two logins ours comes by the first. The other one finds the vendor's table under the same name. */
const [ours, vendors] = [credentials(passwords, 1), credentials(passwords, 2)];

const perMonth = 500;

export interface Deployment {
  months: number;
  server: TestPostgres;
  /** The pooler in front of our schema, and one in front of the vendor's. */
  poolers: { ours: Pod; vendors: Pod };
  /** Straight to the server, without TLS. */
  direct: { ours: string; vendors: string };
  /** Follows the server; and the process of the server that sends it the WAL. */
  replica: { server: TestPostgres; sender: number };
  stop(): Promise<void>;
}

/**
 * A server with the trail of so many months, the last of them this one, as production has it; beside it, in a schema of its own, the same
 * receipts in the vendor's table with the vendor's indexes.
 */
export async function deploy(months: number): Promise<Deployment> {
  const tls = await certificate();
  const server = await startPostgres({
    durable: true,
    auth: "scram",
    tls,
    parameters: { ...parameters, max_locks_per_transaction: String(maxLocksPerTransaction) },
  });
  const podOf = (logins: typeof ours) =>
    new Pod({
      server,
      databaseCa: tls.certificate,
      // What 200 connections give one of two pods (connectionBudget.ts); the control plane uses ten of its own.
      config: {
        pools: { controlPlane: 24, app: 6, telemetry: 8, auditor: 4 },
        maxClients: 500,
        preparedStatements: 32,
        lanes: 1,
      },
      logins,
    });
  const poolers = { ours: podOf(ours), vendors: podOf(vendors) };
  const direct = ({ current: { app } }: typeof ours) => server.url(app.user, databaseName, app.password);
  const stop = async () => {
    await Promise.all(Object.values(poolers).map((pooler) => pooler.stop()));
    await replica?.server.stop();
    await server.stop();
  };
  let replica: Deployment["replica"] | undefined;
  try {
    await server.createDatabase({ migrated: true, name: databaseName });
    await fill(server, months);
    await makeVendors(server);
    replica = await follow(server);
    await Promise.all(Object.values(poolers).map((pooler) => pooler.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  return { months, server, poolers, direct: { ours: direct(ours), vendors: direct(vendors) }, replica, stop };
}

async function follow(server: TestPostgres): Promise<Deployment["replica"]> {
  const standby = await server.startStandby();
  const admin = await server.connect(server.url(superuser));
  const following = "select pid from pg_stat_replication where state = 'streaming'";
  for (const until = Date.now() + 30_000; Date.now() < until; await sleep(100)) {
    const { rows } = await admin.query<{ pid: number }>(following);
    if (rows[0] === undefined) continue;
    await admin.end();
    return { server: standby, sender: rows[0].pid };
  }
  throw new Error("the replica does not follow the server within 30 s");
}

export const pooled = (pooler: Pod): string => pooler.url("controlPlane", pooledDatabase.controlPlane);

/** The guard as it is deployed. */
export async function writeGuard(dir: string): Promise<string> {
  const file = join(dir, "guard.cjs");
  writeFileSync(file, (await bundleOps(["guard"], dirname(__dirname))).guard);
  return file;
}

/** The trail of so many months, in place of the months that the migrations have made: in tables as they make them, with those of its changes. */
export async function fill(server: TestPostgres, months: number): Promise<void> {
  const owner = await server.connect(server.url(roles.owner, databaseName));
  const now = new Date();
  const month = (ahead: number) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 1)).toISOString();
  for (const parent of ["receipts", "audit.receipt_history"]) {
    const { rows } = await owner.query<{ partitions: string; options: string[] }>(
      `select string_agg(partition::text, ', ') as partitions, min(reloptions) as options
         from audit.list_partitions() join pg_class c on c.oid = partition where parent = $1::regclass`,
      [parent],
    );
    await owner.query(`drop table ${rows[0]?.partitions}`);
    const first = [parent, month(1 - months), rows[0]?.options];
    await owner.query("select audit.partition_by_month($1, $2::timestamptz::date, $3)", first);
    // Three more, as the daily job keeps them.
    for (let ahead = 2 - months; ahead <= 3; ahead++)
      await owner.query("select audit.make_month($1, $2::timestamptz::date)", [parent, month(ahead)]);
  }
  for (let past = months - 1; past >= 0; past--) {
    const until = past === 0 ? now.toISOString() : month(1 - past);
    await owner.query(imported(fillStatement("receipts", past * perMonth, perMonth, month(-past), until)));
  }
  await owner.end();
}

async function makeVendors(server: TestPostgres): Promise<void> {
  const admin = await server.connect(server.url(superuser, databaseName));
  for (const { user, password } of [ours.current.app, vendors.current.app])
    await admin.query(`alter role ${user} password '${password}'`);
  await admin.query(`
    insert into api_keys (id, name, role, key_hash)
      values ${Array.from({ length: keys }, (_, key) => `(gen_random_uuid(), 'bench', 'ingest', '${keyHash(key)}')`).join(", ")};
    insert into policies (org_id, environment, policy_id, version, policy) values ('default', 'dev', 'p', '1', '{"rules": []}');
    insert into active_policies (org_id, environment, policy_id, version, activated_at) values ('default', 'dev', 'p', '1', now());
    create schema vendor;
    grant usage on schema vendor to ${roles.app};
    alter role ${vendors.current.app.user} in database ${databaseName} set search_path = vendor, public;
    ${shape("vendor.receipts")};
    ${unsealed("vendor.receipts")}
    grant update on vendor.receipts to ${roles.app};
    alter table vendor.receipts add primary key (id);
    ${vendorsIndexes("vendor.receipts")}
    create table vendor.claim_events (like claim_events including defaults, primary key (id));
    grant insert on vendor.claim_events to ${roles.app};`);
  const { rows } = await admin.query<{ list: string }>(
    "select string_agg(quote_ident(attname), ', ') as list from pg_attribute where attrelid = 'vendor.receipts'::regclass and attnum > 0 and not attisdropped",
  );
  await admin.query(
    `insert into vendor.receipts (${rows[0]?.list}) select ${rows[0]?.list} from public.receipts order by created_at`,
  );
  await admin.query("vacuum analyze");
  await admin.end();
}
