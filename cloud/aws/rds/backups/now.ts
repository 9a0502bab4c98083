/** Has what was written by now in the backups and their copies. By itself that takes up to five minutes, as on RDS. */
import { waitUntil } from "../../../host/wait";
import { find } from "../api/known";
import { serverBehind } from "../api/servers";
import { listBackups, placeOf } from "./automated";
import { listBases } from "./base";
import { listSegments } from "./segments";

/** Until a base backup was taken, and a round of the keeper has copied all. */
const timeoutMs = 60_000;

/** Of every instance that archives; those that have no backup yet are waited for. */
export async function backUpNow(rds: string, signal: AbortSignal): Promise<void> {
  const own = listBackups(rds).filter(({ copyOf, endedAt }) => copyOf === undefined && endedAt === undefined);
  for (const backup of own) {
    const known = find(rds, backup.region, backup.instance.identifier);
    const server = known && serverBehind(known, signal);
    if (!server?.alive) continue;
    const options = { timeoutMs, everyMs: 200, signal };
    const place = placeOf(rds, backup);
    const [row] = await server.query<{ standby: boolean }>("select pg_is_in_recovery() as standby");
    if (row?.standby !== false) continue;
    const begun = () => listBases(place).length > 0;
    await waitUntil(`a base backup of ${server.name}`, begun, options);
    const [switched] = await server.query<{ name: string }>("select pg_walfile_name(pg_switch_wal()) as name");
    const places = listBackups(rds).filter(({ copyOf }) => copyOf?.id === backup.id && copyOf.region === backup.region);
    for (const { wal } of [place, ...places.map((copy) => placeOf(rds, copy))]) {
      const there = () => listSegments(wal).some(({ name }) => name === switched?.name);
      await waitUntil(`the write-ahead log of ${server.name} in ${wal}`, there, options);
    }
  }
}
