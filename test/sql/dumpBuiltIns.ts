/** Adds what a server's PostgreSQL brings to ops/verify/builtInDigests.json: `PG_BIN_DIR=… npm run built-ins`, for the first and the last minor version of each major. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeBuiltIns, type BuiltIns } from "../../ops/verify/builtIns";
import { inSnapshot } from "../../ops/verify/session";
import { startPostgres } from "../postgres";

const file = join(__dirname, "../../ops/verify/builtInDigests.json");

async function main(): Promise<void> {
  const known = JSON.parse(readFileSync(file, "utf8")) as BuiltIns;
  const server = await startPostgres();
  try {
    const client = await (await server.createDatabase()).connect();
    const { version, minor, kinds } = await inSnapshot(client, describeBuiltIns);
    const released = (known[version] ??= { lastMinor: minor, digests: {} });
    released.lastMinor = Math.max(released.lastMinor, minor);
    for (const { noun, digest } of kinds)
      released.digests[noun] = [...new Set([...(released.digests[noun] ?? []), digest])].sort();
  } finally {
    await server.stop();
  }
  writeFileSync(file, `${JSON.stringify(known, null, 2)}\n`);
}

void main();
