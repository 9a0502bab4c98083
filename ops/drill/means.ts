/** What a drill works with. */
import type { Bucket } from "../archive/bucket";
import type { Log } from "../log";
import type { Lease } from "./lease";
import type { Scratch } from "./scratch";

export interface Means {
  environment: string;
  /** Whose the scratch instance is. */
  lease: Pick<Lease, "renew">;
  scratch: Scratch;
  bucket: Bucket;
  /** Certificates that the restored server's is verified by. */
  caFile: string;
  /** The bundled ops/verify and ops/restore. */
  programs: { verify: string; restore: string };
  /** How long RDS and the new server may take for one step. */
  waitSeconds: number;
  /** The primary's clock. */
  now: () => Promise<Date>;
  log: Log;
  signal: AbortSignal;
}

/** How connections to the restored server are made. */
export const usingOf = ({ signal, waitSeconds }: Means) => ({
  applicationName: "authensor-drill",
  signal,
  waitSeconds,
});
