/**
 * Whether the database holds what the migrations made and nothing else. sql/catalog.json is the list of all that a migrated database
 * holds (`npm run schema` writes it); whatever is there and not on it, is gone, or differs, is a finding.
 */
import type pg from "pg";
import list from "../../sql/catalog.json";
import { catalogQuery } from "./catalogQuery";
import type { Finding } from "./findings";
import { mayBe, mayBeRelation } from "./platform";

export interface CatalogRow {
  scope: string;
  key: string;
  fact: string;
}

/** What each thing is, by its name; `<table>_*` stands for every partition of a monthly table, '' holds what is in no relation. */
export type Catalog = Readonly<Record<string, Readonly<Record<string, string>>>>;

const partition = /_(past|future|\d{4}_\d{2})$/;
/**
 * What archiving takes out and not yet dropped, and what a drain is filling (sql/015, 004): tables of their own, which
 * no query reads.
 */
const inTransit = /_(\d{4}_\d{2}|future_next|drained|changes)$/;
/** Compared with the partition's bounds in partitions.ts. */
const pastBound = /^constraint past_bound /;

/** The trigger by which a drain hears of changes, on the partition that it empties: with the key of the table (audit.drain_start). */
function drainTrigger(table: string, expected: Catalog): string {
  const facts = Object.entries(expected[table] ?? {});
  const primary = facts.flatMap(([key]) => /^constraint \S+ PRIMARY KEY \((.*)\)$/.exec(key)?.[1] ?? [])[0];
  const byTime = /partitioned by RANGE \((\w+)\)/.exec(expected[table]?.["relation"] ?? "")?.[1];
  const columns = (primary ?? `id, ${byTime}`).split(", ").map((column) => `$1.${column}`);
  const changes = `audit.${table.replace(/^\w+\./, "")}_changes`;
  return `CREATE TRIGGER audit_drain AFTER INSERT OR DELETE OR UPDATE ON ${table}_* FOR EACH ROW EXECUTE FUNCTION audit.record_change('${changes}', '${columns.join(", ")}'); enabled O`;
}

export async function readCatalog(client: pg.Client): Promise<CatalogRow[]> {
  return (await client.query<CatalogRow>(catalogQuery)).rows;
}

/** By scope and key, with what differs from partition to partition and from version to version written alike. */
function group(rows: readonly CatalogRow[]): Map<string, Map<string, string>> {
  const scopes = new Map<string, Map<string, string>>();
  for (const { scope, key, fact } of rows) {
    const monthly = partition.test(scope) ? scope.replace(partition, "_*") : scope;
    const alike = (text: string) => text.replaceAll(scope, monthly);
    const things = scopes.get(scope) ?? new Map<string, string>();
    scopes.set(scope, things);
    // From 16 on a view of one source is written without its name.
    const said = key === "rule _RETURN" ? fact.replace(/\blist_partitions\./g, "") : fact;
    things.set(scope === "" ? key : alike(key), scope === "" ? said : alike(said));
  }
  return scopes;
}

/** The list that a freshly migrated database makes. */
export function toList(rows: readonly CatalogRow[]): Catalog {
  const scopes: Record<string, Record<string, string>> = {};
  for (const [scope, things] of [...group(rows)].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const name = isAttached(things) ? scope.replace(partition, "_*") : scope;
    scopes[name] ??= Object.fromEntries(
      [...things]
        .filter(([key, fact]) => !mayBe(key, fact) && !pastBound.test(key))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }
  return scopes;
}

const isAttached = (things: ReadonlyMap<string, string>) => /; partition;/.test(things.get("relation") ?? "");

export function compareCatalog(rows: readonly CatalogRow[], expected: Catalog = list): Finding[] {
  const scopes = group(rows);
  const findings: Finding[] = [];
  const found = (scope: string, key: string, message: string) =>
    findings.push({
      kind: "guard-off",
      message: `${scope === "" ? key : key === "relation" ? scope : `${key} of ${scope}`} ${message}`,
    });
  for (const scope of Object.keys(expected)) {
    if (!scope.endsWith("_*") && !scopes.has(scope)) found(scope, "relation", "is missing");
    if (scope.endsWith("_*") && ![...scopes.keys()].some((name) => name.replace(partition, "_*") === scope))
      found(scope, "relation", "is missing: no partition is there");
  }
  // A drain keeps the changes of a table in schema audit, whatever the table's is.
  const monthlyNames = new Set(Object.keys(expected).flatMap((name) => [name, name.replace(/^\w+/, "audit")]));
  for (const [scope, things] of scopes) {
    const monthly = expected[scope.replace(partition, "_*")];
    const wanted = expected[scope] ?? (isAttached(things) ? monthly : undefined);
    const future = /^(.*)_future$/.exec(scope)?.[1];
    if (wanted)
      compareThings(scope, things, wanted, found, future === undefined ? undefined : drainTrigger(future, expected));
    else if (inTransit.test(scope) && monthlyNames.has(scope.replace(inTransit, "_*")))
      compareInTransit(scope, things, expected[scope.replace(inTransit, "_*")], found);
    else if (mayBeRelation(scope, things, scopes.get(""))) continue;
    else
      found(
        scope,
        "relation",
        `is not on the list of what the migrations make (${things.get("relation") ?? "a relation"})`,
      );
  }
  return findings;
}

type Found = (scope: string, key: string, message: string) => void;

function compareThings(
  scope: string,
  things: ReadonlyMap<string, string>,
  wanted: Readonly<Record<string, string>>,
  found: Found,
  drain: string | undefined,
): void {
  for (const [key, fact] of Object.entries(wanted)) {
    const is = things.get(key);
    if (is === undefined) found(scope, key, "is missing");
    else if (is !== fact && !mayBe(key, is))
      found(scope, key, `is not as the migrations make it: ${differences(fact, is)}`);
  }
  for (const [key, fact] of things) {
    if (key in wanted || mayBe(key, fact)) continue;
    if (/_past$/.test(scope) && pastBound.test(key)) continue;
    if (key === "trigger audit_drain" && fact === drain) continue;
    found(scope, key, `is not on the list of what the migrations make${fact === "" ? "" : ` (${fact})`}`);
  }
}

/** @param monthly what is known of the table's partitions: the table itself has what they have, and its changes others */
function compareInTransit(
  scope: string,
  things: ReadonlyMap<string, string>,
  monthly: Readonly<Record<string, string>> | undefined,
  found: Found,
): void {
  const ofRows = monthly && !/_changes$/.test(scope);
  for (const [key, fact] of things) {
    if (/^(rule|policy|trigger) /.test(key)) found(scope, key, "is not on the list of what the migrations make");
    if (/^column /.test(key) && (ofRows ? fact !== monthly[key] : / may /.test(fact)))
      found(scope, key, `is not one of a table that is taken out of its own or to be put in (${fact})`);
    if (
      key === "relation" &&
      !/^kind r; owner authensor_owner; persistence p; (?!.*\bchild of ).*; no one else$/.test(fact)
    )
      found(scope, key, `is a table taken out of its own or to be put in, and not as the migrations make it (${fact})`);
  }
}

/** The parts of two facts that the other does not have. */
function differences(expected: string, actual: string): string {
  const [parts, others] = [expected.split("; "), actual.split("; ")];
  const only = (of: string[], without: string[]) =>
    of.filter((part) => !without.includes(part)).join("; ") || "nothing more";
  return `it is "${only(others, parts)}" instead of "${only(parts, others)}"`;
}
