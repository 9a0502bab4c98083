/**
 * Whether the database says of the archives of months what the bucket says: it decides, with the bucket, which months may leave
 * (audit.retire_month), and from where on the archiver goes on.
 */
import type pg from "pg";
import type { Bucket } from "../archive/bucket";
import { monthFolder, monthKey } from "../archive/keys";
import { newestNumber, numberedOrGone } from "../archive/newest";
import { isUnreadable } from "../archive/unreadable";
import { months, type Month } from "../months/manifest";
import { chainKinds, chainNames, type ChainName } from "./chainKinds";
import { named, type Finding } from "./findings";

export interface ToldMonths {
  /** Of the newest archive. */
  number: number;
  ends: readonly End[];
}

interface End {
  chain: ChainName;
  agent: string;
  seq: number;
  seal: string;
}

/** To be asked for before the bucket is read: the archiver may go on meanwhile. */
export async function readToldMonths(client: pg.Client): Promise<ToldMonths> {
  const { rows } = await client.query<End & { number: string }>(
    `select m.number, a.chain, a.agent, a.last_seq::float8 as seq, encode(a.last_seal, 'hex') as seal
       from audit.months m left join audit.archived_chains a on true`,
  );
  return { number: Number(rows[0]?.number ?? 0), ends: rows.filter(({ chain }) => chain !== null) };
}

export async function toldMonthFindings(bucket: Bucket, { number, ends }: ToldMonths): Promise<Finding[]> {
  const newest = await newestNumber(bucket, monthFolder);
  if (number > newest) {
    const message = `the database was told of archive ${number} of a month, and the newest in the bucket ${bucket.name} is ${newest}: what was written later was removed, this is another bucket, or audit.months was altered`;
    return [{ kind: "altered-archive", message }];
  }
  const month = number === 0 ? undefined : await readable(bucket, number);
  // What cannot be read, or has expired, is told of as part of the archive.
  if (number > 0 && !month) return [];
  const inBucket = endsIn(month);
  const told = new Map(ends.map((end) => [nameOf(end), end]));
  return [...new Set([...inBucket.keys(), ...told.keys()])].flatMap((name): Finding[] => {
    const [is, wanted] = [told.get(name), inBucket.get(name)];
    if (is?.seq === wanted?.seq && is?.seal === wanted?.seal) return [];
    const { chain, agent } = (is ?? wanted)!;
    const message = `audit.archived_chains has ${place(is)} as the last archived ${chainKinds[chain].noun} of ${named(agent)}, and ${month ? monthKey(month.number) : "a bucket without archives"} has ${place(wanted)}`;
    return [{ kind: "guard-off", message, agent }];
  });
}

const place = (end: End | undefined) => (end ? `${end.seq} (seal ${end.seal.slice(0, 16)})` : "none");

const nameOf = ({ chain, agent }: Pick<End, "chain" | "agent">) => JSON.stringify([chain, agent]);

function endsIn(month: Month | undefined): Map<string, End> {
  const ends = (month?.to.chains ?? []).flatMap((of): End[] =>
    chainNames.map((chain) => ({
      chain,
      agent: of.agent,
      ...(chain === "receipts" ? { seq: of.seq, seal: of.seal } : { seq: of.history_seq, seal: of.history_seal }),
    })),
  );
  return new Map(ends.filter(({ seq }) => seq > 0).map((end) => [nameOf(end), end]));
}

async function readable(bucket: Bucket, number: number): Promise<Month | undefined> {
  try {
    return await numberedOrGone(bucket, months, number);
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  }
}
