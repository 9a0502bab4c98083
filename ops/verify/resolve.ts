/** After everything was read: what is missing between runs and at the ends, looked for once more, then found to be gone. */
import type pg from "pg";
import type { Catalog } from "./catalog";
import { named, type Finding } from "./findings";
import { historyRunsIn, receiptRunsIn, type Range } from "./queries";
import type { Chain, ChainName, Run, RunRow } from "./runs";
import { names, type Trail } from "./trail";

export interface Resolution {
  /** Up to where chains are expected: their heads, or in a range with an end one row beyond it. */
  upTo: "head" | "next";
  /** Chains are expected whole, each from its beginning. */
  everyAgent: boolean;
  /** Missing rows may lie outside of what was read: another time range, or written since. */
  lookElsewhere: boolean;
  /** The only agent asked for. */
  agent: string | undefined;
}

interface Gap {
  first: number;
  last: number;
  before: Run | undefined;
  after: Run | undefined;
}

/** Closes what can be closed; what stays open is returned as findings. */
export async function resolveGaps(
  client: pg.Client,
  trail: Trail,
  catalog: Catalog,
  how: Resolution,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of names) {
    if (how.everyAgent) {
      for (const agent of catalog.heads[name].keys())
        if (how.agent === undefined || how.agent === agent) trail.chain(name, agent);
    }
    for (const [agent, chain] of trail.chains[name]) {
      const seq = catalog.heads[name].get(agent)?.seq ?? 0;
      // The row after a range is there if the head says so: that the range's own last rows are not gone is seen by it.
      const head = how.upTo === "head" ? seq : Math.min(seq, (chain.runs.at(-1)?.last ?? 0) + 1);
      let gaps = gapsOf(chain, head);
      if (gaps.length > 0) {
        for (const point of catalog.checkpoints[name].get(agent) ?? []) {
          if (!gaps.some((gap) => gap.first <= point.first && point.last <= gap.last) && !endsBeforeFirst(gaps, point))
            continue;
          trail.compare(name, agent, point.last, point.seal);
          chain.add({
            first: point.first,
            last: point.last,
            end: { seal: point.seal, hash: point.hash },
            endAt: "archived",
          });
        }
        gaps = gapsOf(chain, head);
      }
      if (gaps.length > 0 && how.lookElsewhere) {
        await lookUp(client, trail, name, agent, gaps);
        gaps = gapsOf(chain, head);
      }
      findings.push(...gaps.map((gap) => gapFinding(name, agent, gap, how.upTo)));
      if (how.upTo === "head") findings.push(...headFindings(name, agent, chain, catalog, trail));
    }
  }
  if (how.upTo === "head" && !how.everyAgent)
    for (const name of names) findings.push(...(await goneBeforeRange(client, name, trail, catalog, how.agent)));
  return findings;
}

/** Agents of whom nothing was found in a range without an end: the row that the head names lies before it, or is gone. */
async function goneBeforeRange(
  client: pg.Client,
  name: ChainName,
  trail: Trail,
  catalog: Catalog,
  only: string | undefined,
): Promise<Finding[]> {
  const unseen = [...catalog.heads[name].values()].filter(
    ({ agent, seq }) =>
      seq > 0 &&
      (only === undefined || agent === only) &&
      (trail.chains[name].get(agent)?.runs.length ?? 0) === 0 &&
      !catalog.checkpoints[name].get(agent)?.some(({ last }) => last === seq),
  );
  const exists =
    name === "receipts"
      ? "exists (select from public.receipts r where r.actor_id = h.agent and r.chain_seq = h.seq) or (h.agent = '' and exists (select from public.receipts r where r.actor_id is null and r.chain_seq = h.seq))"
      : "exists (select from audit.receipt_history r where r.agent = h.agent and r.seq = h.seq)";
  const { rows } = await client.query<{ agent: string; seq: string }>(
    `select h.agent, h.seq from unnest($1::text[], $2::int8[]) h (agent, seq) where not (${exists})`,
    [unseen.map(({ agent }) => agent), unseen.map(({ seq }) => seq)],
  );
  return rows.map(({ agent, seq }) => ({
    kind: name === "history" ? "altered-history" : "cut-off-tail",
    message: `${name === "history" ? "change" : "receipt"} ${seq} of ${named(agent)} is missing: its head names it`,
    agent,
    seq: Number(seq),
  }));
}

/** In a time range only the row before the first one is wanted: the checkpoint that ends there will do. */
const endsBeforeFirst = (gaps: readonly Gap[], { last }: { last: number }) =>
  gaps.some((gap) => gap.before === undefined && gap.last === last);

function gapsOf({ runs }: Chain, head: number): Gap[] {
  const gaps: Gap[] = [];
  const [first] = runs;
  // A run without a start stands on its own: what it follows from is known.
  if (first?.start && first.first > 1)
    gaps.push({ first: first.first - 1, last: first.first - 1, before: undefined, after: first });
  for (const [i, before] of runs.entries()) {
    const after = runs[i + 1];
    if (after) gaps.push({ first: before.last + 1, last: after.first - 1, before, after });
    else if (before.last < head) gaps.push({ first: before.last + 1, last: head, before, after: undefined });
  }
  return gaps;
}

const day = 86_400_000;

/** Looks for an agent's missing rows where they most likely are, then everywhere. */
async function lookUp(
  client: pg.Client,
  trail: Trail,
  name: ChainName,
  agent: string,
  missing: readonly Gap[],
): Promise<void> {
  const times = missing.flatMap(({ before, after }) => [before?.endAt, after?.start?.at, after?.endAt]);
  const known = times.map((time) => Date.parse(time ?? "")).filter((time) => !Number.isNaN(time));
  const near: Range | undefined =
    known.length === 0
      ? undefined
      : {
          since: new Date(Math.min(...known) - day).toISOString(),
          until: new Date(Math.max(...known) + day).toISOString(),
        };
  const chain = trail.chain(name, agent);
  const head = missing.at(-1)?.after === undefined ? (missing.at(-1)?.last ?? 0) : 0;
  for (const range of [near, { since: "-infinity", until: "infinity" }]) {
    const gaps = gapsOf(chain, head);
    if (range === undefined || gaps.length === 0) continue;
    const [firsts, lasts] = [gaps.map((gap) => gap.first), gaps.map((gap) => gap.last)];
    const bounds = [Math.min(...firsts), Math.max(...lasts)];
    const text = name === "receipts" ? receiptRunsIn(agent) : historyRunsIn(agent);
    const { rows } = await client.query<RunRow>(text, [range.since, range.until, agent, ...bounds, firsts, lasts]);
    const found = trail.take(name, rows);
    if (name === "receipts") trail.receipts += found;
    else trail.changes += found;
    // The row in front of a time range is only followed from; its own predecessor was not asked for.
    const [first] = chain.runs;
    if (first && gaps[0]?.before === undefined && first.first === gaps[0]?.first) first.start = undefined;
  }
}

function gapFinding(
  name: ChainName,
  agent: string,
  { first, last, before, after }: Gap,
  upTo: Resolution["upTo"],
): Finding {
  const count = last - first + 1;
  const places = count === 1 ? `${first}` : `${first} to ${last}`;
  const at = before && !Number.isNaN(Date.parse(before.endAt)) ? before.endAt : after?.start?.at;
  const place = { agent, seq: first, ...(count > 1 ? { lastSeq: last } : {}), ...(at === undefined ? {} : { at }) };
  const tail = after === undefined && upTo === "head";
  if (name === "history") {
    const message = `${count === 1 ? "change" : "changes"} ${places} of ${named(agent)} ${count === 1 ? "is" : "are"} missing${tail ? " at the end" : ""}`;
    return { kind: "altered-history", message, ...place };
  }
  const message = `${count === 1 ? "receipt" : "receipts"} ${places} of ${named(agent)} ${count === 1 ? "is" : "are"} missing`;
  return tail
    ? { kind: "cut-off-tail", message: `${message}: its head has place ${last}`, ...place }
    : { kind: "removed-row", message, ...place };
}

function headFindings(name: ChainName, agent: string, { runs }: Chain, catalog: Catalog, trail: Trail): Finding[] {
  const head = catalog.heads[name].get(agent);
  const end = runs.at(-1);
  if (!end || end.last === 0) return [];
  const kind = name === "history" ? "altered-history" : undefined;
  const what = name === "history" ? "change" : "receipt";
  const anchored = trail.anchored[name].get(agent) ?? 0;
  if (anchored > 0 && (head?.seq ?? 0) < anchored) {
    const message = `the chain of ${named(agent)} ends at ${what} ${head?.seq ?? 0}; at ${trail.base?.as_of} it reached ${anchored}`;
    return [{ kind: kind ?? "cut-off-tail", message, agent, seq: (head?.seq ?? 0) + 1, lastSeq: anchored }];
  }
  if (!head)
    return [
      {
        kind: kind ?? "altered-head",
        message: `the head of ${named(agent)} is gone: its last ${what} is ${end.last}`,
        agent,
        seq: end.last,
      },
    ];
  if (end.last > head.seq) {
    const message = `${what} ${head.seq + 1} of ${named(agent)} lies beyond its head: it was not put there by the database`;
    return [{ kind: kind ?? "inserted-row", message, agent, seq: head.seq + 1, lastSeq: end.last, at: end.endAt }];
  }
  if (end.last < head.seq) return [];
  const same =
    end.end.seal.equals(head.seal) && (name === "history" || end.end.hash === undefined || end.end.hash === head.hash);
  if (!same && end.last === anchored) {
    const message = `the head of ${named(agent)} is not the ${what} ${anchored} that was anchored at ${trail.base?.as_of}`;
    return [{ kind: kind ?? "rewritten", message, agent, seq: anchored }];
  }
  const known = trail.suspects.some((suspect) => suspect.chain === name && suspect.agent === agent);
  if (same || known) return [];
  return [
    {
      kind: kind ?? "altered-head",
      message: `the head of ${named(agent)} is not its last ${what}, ${end.last}`,
      agent,
      seq: end.last,
    },
  ];
}
