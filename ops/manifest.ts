/** Manifests of months: where each chain stood in them, kept elsewhere before they are archived. They vouch for checkpoints. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type pg from "pg";
import * as z from "zod/mini";
import { Failure } from "./program";
import { chainKinds, chainNames, type ChainName } from "./verify/chainKinds";
import type { Checkpoint } from "./verify/checkpoints";
import { named, type Finding } from "./verify/findings";
import { inSnapshot } from "./verify/session";
import { assertReadable } from "./verify/snapshot";

const place = z.int().check(z.minimum(1));
const hex = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const schema = z.object({
  version: z.literal(1),
  /** The partition's name: `receipts_2026_09`. */
  manifest: z.string(),
  stretches: z.array(z.object({ agent: z.string(), first: place, last: place, seal: hex })),
  digest: hex,
});

export type Manifest = z.infer<typeof schema>;

const digestOf = ({ manifest, stretches }: Pick<Manifest, "manifest" | "stretches">): string => {
  const hash = createHash("sha256").update(`${manifest}\n`);
  for (const { agent, first, last, seal } of stretches)
    hash.update(`${JSON.stringify(agent)} ${first} ${last} ${seal}\n`);
  return hash.digest("hex");
};

/** One for the receipts of a month and one for their history. Parameters of the query: since, until. */
export async function takeManifests(client: pg.Client, month: string): Promise<Manifest[]> {
  return inSnapshot(client, async () => {
    const [unreadable] = await assertReadable(client);
    if (unreadable) throw new Failure(unreadable.message);
    const manifests: Manifest[] = [];
    for (const name of chainNames) {
      const { rows } = await client.query<{ agent: string; first: string; last: string; seal: string }>(
        stretchesOf(name),
        [`${month}-01`],
      );
      const content = {
        manifest: `${chainKinds[name].table.replace(/^\w+\./, "")}_${month.replace("-", "_")}`,
        stretches: rows.map(({ agent, first, last, seal }) => ({
          agent,
          first: Number(first),
          last: Number(last),
          seal,
        })),
      };
      manifests.push({ version: 1, ...content, digest: digestOf(content) });
    }
    return manifests;
  });
}

const stretchesOf = (name: ChainName): string => {
  const { table, chainOf, seq, seal, time } = chainKinds[name];
  return `
    select agent, seq - rows + 1 as first, seq as last, encode(seal, 'hex') as seal
      from (select *, place - lag(place, 1, 0::int8) over (partition by agent order by seq) as rows
              from (select *, row_number() over chain as place, lead(seq) over chain as next
                      from (select ${chainOf()} collate "C" as agent, ${seq} as seq, ${seal} as seal from ${table}
                             where ${time} >= $1::timestamptz and ${time} < $1::timestamptz + interval '1 month') r
                    window chain as (partition by agent order by seq)) places
             where next is distinct from seq + 1) ends
     order by agent, first`;
};

export function readManifests(files: readonly string[]): Manifest[] {
  return files.flatMap((file) => {
    let lines: unknown[];
    try {
      const text = readFileSync(file, "utf8");
      lines = text.split("\n").flatMap((line): unknown[] => (line.trim() === "" ? [] : [JSON.parse(line)]));
    } catch (error) {
      throw new Failure(`cannot read manifests from ${file}: ${(error as Error).message}`, [], 2);
    }
    return lines.map((line, i) => {
      const parsed = schema.safeParse(line);
      if (!parsed.success)
        throw new Failure(`${file}: line ${i + 1} is no manifest`, z.prettifyError(parsed.error).split("\n"), 2);
      if (digestOf(parsed.data) !== parsed.data.digest)
        throw new Failure(`${file}: the manifest of ${parsed.data.manifest} is not what its digest says`);
      return parsed.data;
    });
  });
}

/** Whether a manifest has a checkpoint's stretch; undefined where none is of its month. */
export function vouchFor(point: Checkpoint, manifests: readonly Manifest[]): boolean | undefined {
  const found = manifests.find(({ manifest }) => manifest === point.source);
  return found?.stretches.some(
    ({ agent, first, last, seal }) =>
      agent === point.agent && first === point.first && last === point.last && seal === point.seal.toString("hex"),
  );
}

export const differsFromManifest = ({ chain, agent, first, last, source }: Checkpoint): Finding => ({
  kind: "altered-checkpoint",
  message: `${chainKinds[chain].noun}s ${first} to ${last} of ${named(agent)}: the checkpoint of ${source} is not what its manifest says`,
});
