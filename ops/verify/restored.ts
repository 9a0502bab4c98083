/**
 * A restored database against the archive: it shows the trail as of a moment, and up to there it must have each row that the bucket
 * has, and no other. What was archived later is no finding: it is what a loss at that moment would have cost.
 */
import type pg from "pg";
import type { ArchivedName } from "../archive/chains";
import type { Line } from "../archive/lines";
import type { Manifest } from "../archive/manifest";
import { manifestKey } from "../archive/keys";
import { readLedger } from "../migrate/ledger";
import { receiptChain } from "./chainName";
import { named, type Finding } from "./findings";
import { inSnapshot } from "./session";

/** Of receipts, by agent and month: "2026-11". */
type Counts = Map<string, Map<string, number>>;

/** How far a database was restored: to a moment, or to a manifest of the bucket that it was made of. */
export type UpTo = { moment: string } | { manifest: number };

export interface RestoredReport {
  /** The newest moment that the database shows. */
  moment: string;
  /** The newest manifest from before it: what the database was compared with. */
  manifest?: number;
  /** Receipts that were archived after that manifest. */
  archivedLater: number;
  months: { month: string; inBucket: number; restored: number }[];
}

/** The clock of a commit is read a moment before others see it. */
const marginMs = 5000;

/** The newest write that it shows: of the monitor, each second, or of a receipt or a change. */
export async function newestMoment(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ moment: Date | null }>(
    `select greatest((select max(at) from audit.heartbeat), (select max(sealed_at) from audit.chain_heads),
                     (select max(changed_at) from audit.history_heads)) as moment`,
  );
  return (rows[0]?.moment ?? new Date(0)).toISOString();
}

/** A restored database beside the bucket: what must be in it, and what each month has. */
export class RestoredTrail {
  /** The newest manifest from before the moment. */
  reached: Manifest | undefined;
  readonly #counts: Counts = new Map();
  /** Of the manifests since the one that was reached. */
  #later: { counts: Counts; forked: string[] } = { counts: new Map(), forked: [] };
  /** Where the bucket's part of each chain begins. */
  readonly #first = new Map<string, number>();
  /** The bucket has two branches of these, and the database one. */
  readonly #forked = new Set<string>();

  constructor(readonly upTo: UpTo) {}

  /** A row of the segment of the manifest that comes next. */
  take(chain: ArchivedName, { agent, month }: Line): void {
    if (chain === "receipts") add(this.#later.counts, agent, month, 1);
  }

  next(manifest: Manifest): void {
    const { pieces, forks = [] } = manifest.archive;
    for (const { chain, agent, first } of pieces)
      if (chain === "receipts" && !this.#first.has(agent)) this.#first.set(agent, first);
    this.#later.forked.push(...forks.filter(({ chain }) => chain === "receipts").map(({ agent }) => agent));
    if (this.#isLater(manifest)) return;
    this.reached = manifest;
    for (const [agent, months] of this.#later.counts)
      for (const [month, count] of months) add(this.#counts, agent, month, count);
    for (const agent of this.#later.forked) this.#forked.add(agent);
    this.#later = { counts: new Map(), forked: [] };
  }

  #isLater({ as_of, archive: { number } }: Manifest): boolean {
    const { upTo } = this;
    return "manifest" in upTo ? number > upTo.manifest : Date.parse(as_of) > Date.parse(upTo.moment) - marginMs;
  }

  async compare(client: pg.Client): Promise<{ findings: Finding[]; report: RestoredReport }> {
    const archivedLater = sum([...this.#later.counts.values()].flatMap((months) => [...months.values()]));
    const { reached, upTo } = this;
    const moment = "moment" in upTo ? upTo.moment : (reached?.as_of ?? "");
    if (!reached) {
      const until =
        "moment" in upTo
          ? `from ${marginMs / 1000} s before ${moment}, the newest that the restored database shows, or older`
          : `${upTo.manifest} or older`;
      const message = `no manifest in the bucket is ${until}: there is nothing to compare it with`;
      return {
        findings: [{ kind: "nothing-verified", message }],
        report: { moment, archivedLater, months: [] },
      };
    }
    return inSnapshot(client, async () => {
      const found = await this.#count(client, reached);
      const gone = await archivedMonths(client);
      const findings = [
        ...(await schemaFindings(client, reached)),
        ...differences(this.#counts, found, gone, manifestKey(reached.archive.number)),
      ];
      const months = [...new Set([...monthsOf(this.#counts), ...monthsOf(found)])].filter((month) => !gone.has(month));
      return {
        findings,
        report: {
          moment,
          manifest: reached.archive.number,
          archivedLater,
          months: months.sort().map((month) => ({
            month,
            inBucket: ofMonth(this.#counts, month),
            restored: ofMonth(found, month),
          })),
        },
      };
    });
  }

  /** What the database has of the places that the bucket has, up to the manifest. */
  async #count(client: pg.Client, { chains }: Manifest): Promise<Counts> {
    const counts: Counts = new Map();
    for (const agent of this.#forked) this.#counts.delete(agent);
    const ends = chains.filter(({ agent, seq }) => seq > 0 && this.#first.has(agent) && !this.#forked.has(agent));
    const { rows } = await client.query<{ agent: string; month: string; count: string }>(
      `select a.agent, to_char(r.created_at at time zone 'UTC', 'YYYY-MM') as month, count(*) as count
         from unnest($1::text[], $2::int8[], $3::int8[]) as a(agent, first, last)
         join public.receipts r on ${receiptChain("r")} = a.agent and r.chain_seq between a.first and a.last
        group by 1, 2`,
      [ends.map(({ agent }) => agent), ends.map(({ agent }) => this.#first.get(agent)), ends.map(({ seq }) => seq)],
    );
    for (const { agent, month, count } of rows) add(counts, agent, month, Number(count));
    return counts;
  }
}

function add(counts: Counts, agent: string, month: string, count: number): void {
  const months = counts.get(agent) ?? new Map<string, number>();
  counts.set(agent, months.set(month, (months.get(month) ?? 0) + count));
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const monthsOf = (counts: Counts) => [...counts.values()].flatMap((months) => [...months.keys()]);
const ofMonth = (counts: Counts, month: string) => sum([...counts.values()].map((months) => months.get(month) ?? 0));

/** Months whose rows have left the database for the archive; checkpoints stand for them. */
export async function archivedMonths(client: pg.Client): Promise<Set<string>> {
  const { rows } = await client.query<{ source: string }>("select distinct source from audit.checkpoints");
  return new Set(rows.flatMap(({ source }) => /^receipts_(\d{4})_(\d\d)$/.exec(source)?.slice(1).join("-") ?? []));
}

/** The ledger of migrations is the one of the manifest's time. */
async function schemaFindings(client: pg.Client, { archive: { number, schema } }: Manifest): Promise<Finding[]> {
  const applied = (await readLedger(client)).find((row) => row.number === schema.number);
  if (applied?.sha256 === schema.sha256) return [];
  const what = applied ? "another content" : "not applied";
  return [
    {
      kind: "not-restored",
      message: `migration ${schema.number} is ${what} in the restored database; ${manifestKey(number)} was written with it`,
    },
  ];
}

function differences(inBucket: Counts, restored: Counts, gone: ReadonlySet<string>, manifest: string): Finding[] {
  return [...new Set([...inBucket.keys(), ...restored.keys()])].flatMap((agent) => {
    const [expected, found] = [inBucket.get(agent), restored.get(agent)];
    const months = new Set([...(expected?.keys() ?? []), ...(found?.keys() ?? [])]);
    return [...months].sort().flatMap((month): Finding[] => {
      const [want, have] = [expected?.get(month) ?? 0, found?.get(month) ?? 0];
      if (want === have || gone.has(month)) return [];
      const message = `of ${named(agent)} the bucket has ${want} receipts of ${month} up to ${manifest}, and the restored database ${have}`;
      return [{ kind: "not-restored", message, agent }];
    });
  });
}
