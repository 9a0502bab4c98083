/**
 * From when on rows can have been sealed that a segment adds: a complete manifest shows all of the database, so what it does not
 * know was sealed later. A row that says otherwise was made up for the past, with whatever right seals.
 */
import { earliestUnseen } from "../unseen";
import { nameOf, type ArchivedChain } from "./chains";
import type { Manifest } from "./manifest";

/**
 * Undefined where the manifest before does not show it: it had no room for all rows, or had not all of that chain itself.
 * @param forks those that the segment's own manifest accepts: what the other branch brings was left out for a while
 */
export function sealedSince(
  before: Manifest | undefined,
  chain: ArchivedChain,
  forks: readonly ArchivedChain[] = [],
): string | undefined {
  if (!before?.archive.complete) return undefined;
  const lacking = before.archive.flaws.filter(({ kind }) => kind === "fork" || kind === "missing");
  if ([...forks, ...lacking].some((other) => nameOf(other) === nameOf(chain))) return undefined;
  return earliestUnseen(before.as_of);
}
