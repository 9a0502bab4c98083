import { setTimeout as sleep } from "node:timers/promises";
import { roles } from "../ops/roles";
import { insertScript } from "./payload";
import { compare, pgbench, printTable, type Case, type Lab, type PgbenchOptions } from "./lab";

const indexes = (table: string) => `
  create index on ${table} (created_at);
  create index on ${table} (actor_id, created_at);
  create index on ${table} (tool_name, created_at);
  create index on ${table} (status, created_at);
  create index on ${table} (created_at) where decision_outcome = 'deny';
  create index on ${table} (parent_receipt_id) where parent_receipt_id is not null;`;

/** The control plane's own two rules, and NOT NULL and defaults as it has them. */
export const shape = (table: string) => `
  create table ${table} (like receipts including defaults,
    constraint claim_requires_expiry check (claim_id is null or claim_expires_at is not null),
    constraint expiry_requires_claimed_at check (claim_expires_at is null or claimed_at is not null))`;

export const unsealed = (table: string) => `
  alter table ${table} drop column chain_seq, drop column chain_seal, drop column lane, drop column sealed_at, alter column receipt_hash drop not null;
  grant select, insert on ${table} to ${roles.app};`;

/** The indexes that Authensor's own migrations make. */
export const vendorsIndexes = (table: string) => `
  create index on ${table} (created_at desc); create index on ${table} (status, created_at desc); create index on ${table} (envelope_id);
  create index on ${table} (actor_id); create index on ${table} (tool_name); create index on ${table} (decision_outcome);
  create index on ${table} (claim_id); create index on ${table} (receipt_hash);
  create index on ${table} (status, claim_expires_at) where status = 'pending';
  create index on ${table} (rekor_entry_id) where rekor_entry_id is not null;
  create index on ${table} (parent_receipt_id) where parent_receipt_id is not null;`;

/** Meanwhile words are indexed, as the monitor does it, but at once: what that takes of the same cores is counted. */
const indexed = ({ owner }: Lab, { name, measure }: Case): Case => ({
  name,
  measure: async () => {
    let ended = false;
    const indexing = (async () => {
      while (!ended) {
        await owner.whole.query("select audit.index_receipts(3200, '1 second')");
        await sleep(200);
      }
    })();
    return measure().finally(() => {
      ended = true;
      return indexing;
    });
  },
});

async function prepare({ owner: { bare } }: Lab): Promise<void> {
  await bare.query(
    `${shape("plain")}; alter table plain add primary key (id); ${indexes("plain")} ${unsealed("plain")}`,
  );
  await bare.query(`${shape("vendors")}; ${unsealed("vendors")}
    alter table vendors add primary key (id);
${vendorsIndexes("vendors")}`);
  await bare.query(`${shape("monthly")} partition by range (created_at); ${unsealed("monthly")}
    alter table monthly add primary key (id, created_at); ${indexes("monthly")} select audit.partition_by_month('monthly')`);
  // The same sealing function, with one chain for everybody.
  const { rows } = await bare.query<{ source: string }>(
    "select pg_get_functiondef('audit.seal_receipt()'::regprocedure) as source",
  );
  const source = (rows[0]?.source ?? "")
    .replace("seal_receipt", "seal_global")
    .replaceAll("coalesce(chain, '')", "''")
    .replaceAll(/perform audit\.check_identity\(new\).*;/g, "null;"); // they take rows of receipts, and none here fails them
  await bare.query(`${shape("global_chain")} partition by range (created_at);
    alter table global_chain add primary key (id, created_at); ${indexes("global_chain")} select audit.partition_by_month('global_chain');
    ${source};
    create trigger seal before insert on global_chain for each row execute function audit.seal_global();
    grant select, insert on global_chain to ${roles.app};`);
}

export async function inserts(lab: Lab): Promise<void> {
  await prepare(lab);
  const seconds = lab.quick ? 2 : 4;
  const bare = lab.bare.url(roles.app);
  const at = (clients: number, agents: number, mode: PgbenchOptions["mode"]): Case[] => {
    const on = (name: string, url: string, table: string): Case => ({
      name,
      measure: () => pgbench(lab, url, insertScript(table, agents, mode === "prepared"), { clients, seconds, mode }),
    });
    return [
      on("plain table, same indexes", bare, "plain"),
      on("plain table, the vendor's indexes", bare, "vendors"),
      on("partitioned", bare, "monthly"),
      on("**sealed**", bare, "receipts"),
      ...(agents < clients
        ? [on("sealed, 16 lanes of each agent", `${bare}?options=-c%20audit.lanes%3D16`, "receipts")]
        : []),
      // Which the oldest PgBouncer that is tried, 1.18, cannot.
      ...(mode === "prepared"
        ? []
        : [on("sealed, through PgBouncer", lab.pooler.url(roles.app, lab.bare.name), "receipts")]),
      indexed(lab, on("sealed and searchable (production)", lab.whole.url(roles.app), "receipts")),
      on("sealed, one global chain", bare, "global_chain"),
    ];
  };
  const empty = async () => {
    await lab.owner.bare.query("truncate plain, vendors, monthly, receipts, global_chain, audit.receipt_history");
    await lab.owner.whole.query("truncate receipts, audit.receipt_history");
    const root = await lab.bare.connect();
    // As autovacuum does once a minute where there are writers.
    await root.query("vacuum analyze audit.chain_heads");
    await root.query("checkpoint");
    await root.end();
  };
  const settings: [number, number, PgbenchOptions["mode"]?][] = lab.quick
    ? [
        [16, 64],
        [16, 64, "prepared"],
        [16, 1, "prepared"],
      ]
    : [
        [16, 64],
        [16, 64, "prepared"],
        [16, 1, "prepared"],
        [1, 64],
        [64, 64],
        [16, 8],
        [16, 1],
        [64, 8],
      ];
  for (const [clients, agents, mode = "simple"] of settings) {
    const rounds = lab.quick ? 3 : clients === 16 && agents === 64 ? 7 : 3;
    const measured = await compare(at(clients, agents, mode), rounds, empty);
    printTable(
      `Inserts, ${clients} clients, ${agents} agents, ${mode === "simple" ? "parsed and planned each time" : "prepared"}`,
      ["", "inserts/s", "ratio to plain"],
      measured.map(({ name, median, ratio }) => [name, median, ratio]),
    );
  }
}
