/** Which server goes first, so that replay never stops: a standby must have as much as its primary of what `directions` names. */
import type { Difference } from "../migrate/difference";
import { directions, rebootAdvice } from "../migrate/reboots";
import { Failure } from "../program";

export type Which = "primary" | "replica";

/**
 * The order for what waits on both servers together. It follows from what is left to do, so that a run which was killed between the
 * two reboots is continued by the next one.
 */
export function rebootOrder(differences: readonly Difference[]): readonly Which[] {
  const { raised, lowered } = directions(differences);
  if (raised.length > 0 && lowered.length > 0)
    throw new Failure(
      "no order of reboots serves all changed parameters; nothing was rebooted",
      rebootAdvice(differences),
    );
  return raised.length > 0 ? ["replica", "primary"] : ["primary", "replica"];
}
