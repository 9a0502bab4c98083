/** Ends that the bucket has from an earlier server, and the one that archives now was not seen to have. */
import { timelineOf } from "../anchorFormat";
import type { Server } from "../verify/server";
import { archivedNames, type ArchivedChain } from "./chains";
import type { Place } from "./follow";
import type { Manifest } from "./manifest";
import type { Ends } from "./plan";

export type OfBefore = NonNullable<Manifest["archive"]["ofBefore"]>;

/**
 * What a promotion left behind stays of the earlier timeline until its fork is accepted; all else is of this server from
 * the first manifest on that has seen it here, so that what is cut off later is nobody's failover.
 * @param isHere whether this server has a chain up to its end
 */
export function ofBefore(
  previous: Manifest | undefined,
  here: Server,
  ends: Ends,
  isHere: (of: ArchivedChain, end: Place) => boolean,
): OfBefore | undefined {
  if (!previous) return undefined;
  const named: OfBefore = [];
  for (const chain of archivedNames)
    for (const [agent, end] of ends[chain]) {
      if (isHere({ chain, agent }, end)) continue;
      const timeline = previous.server.system === here.system ? timelineOf(previous, { chain, agent }) : 0;
      if (timeline !== here.timeline) named.push({ chain, agent, timeline });
    }
  return named.length > 0 ? named : undefined;
}
