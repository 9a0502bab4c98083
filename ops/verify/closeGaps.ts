/** After everything was read: what is missing is looked for once more, then reported as gone. */
import type pg from "pg";
import type { StretchRow } from "./chain";
import { chainNames, type ChainName } from "./chainKinds";
import { isAgents } from "./chainName";
import { differsFromManifest, vouchFor, type Manifest } from "../manifest";
import type { Finding } from "./findings";
import { gapFinding, gapsOf, type Gap } from "./gaps";
import { goneBeforeRange, headFindings, type HeadsAround } from "./heads";
import type { Progress } from "./progress";
import { stretchesInGaps, type Range } from "./queries";
import type { Snapshot } from "./snapshot";
import type { Witness } from "./witness";

export interface Resolution {
  /** Up to where chains are expected: their heads, or in a range with an end one row beyond it. */
  upTo: "head" | "next";
  /** Chains are expected whole, each from its beginning. */
  everyAgent: boolean;
  /** What is known of archived months from elsewhere. */
  manifests: readonly Manifest[];
  witness?: Witness | undefined;
  /** The only agent asked for. */
  agent: string | undefined;
}

/** Closes what can be closed; what stays open is returned as findings. */
export async function closeGaps(
  client: pg.Client,
  progress: Progress,
  around: HeadsAround,
  { checkpoints }: Snapshot,
  how: Resolution,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  let lookedUp = 0;
  for (const name of chainNames) {
    if (how.everyAgent) {
      for (const agent of around.before[name].keys()) if (isAgents(how.agent, agent)) progress.chain(name, agent);
    }
    for (const [agent, chain] of progress.chains[name]) {
      const seq = around.before[name].get(agent)?.seq ?? 0;
      // The row after a range is there if the head says so: that the range's own last rows are not gone is seen by it.
      const head = how.upTo === "head" ? seq : Math.min(seq, (chain.stretches.at(-1)?.last ?? 0) + 1);
      let gaps = gapsOf(chain, head);
      if (gaps.length > 0) {
        for (const point of checkpoints[name].get(agent) ?? []) {
          if (!gaps.some((gap) => gap.first <= point.first && point.last <= gap.last) && !endsBeforeFirst(gaps, point))
            continue;
          progress.compare(name, agent, point.last, point.seal);
          chain.add({
            first: point.first,
            last: point.last,
            end: { seal: point.seal, hash: point.hash },
            endAt: "archived",
          });
          const vouched = vouchFor(point, how.manifests);
          if (vouched === false) findings.push(differsFromManifest(point));
          else if (vouched === undefined && how.witness?.vouches(point) === undefined)
            (!how.witness || how.witness.hasLost(point) ? progress.left : progress.unverified).add(point.source);
        }
        gaps = gapsOf(chain, head);
      }
      // Outside of the time that was read, or, since it was read, moved to another partition or written into it.
      if (gaps.length > 0 && lookedUp++ < mostLookedUp) {
        await lookUp(client, progress, name, agent, gaps, head);
        gaps = gapsOf(chain, head);
      }
      findings.push(...gaps.map((gap) => gapFinding(name, agent, gap, gap.after === undefined && how.upTo === "head")));
      if (how.upTo === "head") findings.push(...headFindings(name, agent, chain, around, progress));
    }
  }
  if (how.upTo === "head" && !how.everyAgent)
    for (const name of chainNames)
      findings.push(...(await goneBeforeRange(client, name, progress, around, checkpoints, how.agent)));
  return findings;
}

/** In a time range only the row before the first one is wanted: the checkpoint that ends there will do. */
const endsBeforeFirst = (gaps: readonly Gap[], { last }: { last: number }) =>
  gaps.some((gap) => gap.before === undefined && gap.last === last);

const day = 86_400_000;
/** Chains with missing rows that are looked for once more; where more chains are broken, those are told as they were found. */
const mostLookedUp = 2000;

/** Looks for an agent's missing rows where they most likely are, then everywhere. */
async function lookUp(
  client: pg.Client,
  progress: Progress,
  name: ChainName,
  agent: string,
  missing: readonly Gap[],
  head: number,
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
  const chain = progress.chain(name, agent);
  for (const range of [near, { since: "-infinity", until: "infinity" }]) {
    const gaps = gapsOf(chain, head);
    if (range === undefined || gaps.length === 0) continue;
    const [firsts, lasts] = [gaps.map((gap) => gap.first), gaps.map((gap) => gap.last)];
    const bounds = [Math.min(...firsts), Math.max(...lasts)];
    const text = stretchesInGaps(name, agent);
    const { rows } = await client.query<StretchRow>(text, [range.since, range.until, agent, ...bounds, firsts, lasts]);
    progress.take(name, rows);
    // The row in front of a time range is only followed from; its own predecessor was not asked for.
    const [first] = chain.stretches;
    if (first && gaps[0]?.before === undefined && first.first === gaps[0]?.first) first.start = undefined;
  }
}
