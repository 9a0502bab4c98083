import { Failure } from "../program";
import type { Server } from "../verify/server";
import type { Manifest } from "./manifest";

/** Pages at once: what is accepted here is accepted beside another primary. */
export class LeftBehind extends Failure {}

/**
 * Fails on a server in whose place another one was promoted: its rows would be woven into that one's chains in the
 * bucket.
 */
export function assertNotLeftBehind(here: Server, newest: Manifest | undefined): void {
  if (!newest || here.timeline === 0 || here.system !== newest.server.system) return;
  const { timeline } = newest.server;
  if (here.timeline >= timeline) return;
  throw new LeftBehind(
    `this server is of timeline ${here.timeline}, and manifest ${newest.archive.number} of timeline ${timeline}: another one was promoted in its place`,
    [
      "Nothing was archived. What this one accepts is in no other: fence it (docs/failover.md, When the region comes back).",
    ],
  );
}
