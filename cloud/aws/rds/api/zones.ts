/** What a Multi-AZ instance does when its zone fails. */
import { stopAll } from "../../../host/process";
import { sleep } from "../../../host/wait";
import type { Server } from "../server";

/**
 * RDS mirrors the storage of such an instance into another zone, commit by commit, and has PostgreSQL start from it
 * there, at the same address. Who was served hears nothing more, and what starts recovers as from a crash. Here it is
 * the same storage: what the old server had written and not flushed is there too.
 * https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.MultiAZSingleStandby.html
 * @param awayMs until the standby is started
 */
export async function failOver(server: Server, awayMs: number): Promise<void> {
  await stopAll(server.directory, { signal: "SIGKILL", graceMs: 0 });
  await sleep(awayMs, server.signal);
  await server.start();
}
