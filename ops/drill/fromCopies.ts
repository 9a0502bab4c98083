/** The first way back: RDS' copies of its own backups, in the backup region. */
import { databaseName } from "../roles";
import { usingOf, type Means } from "./means";
import { newPassword, takeOver } from "./usable";
import { begin, measureRpo, type RestoredDatabase, type Way } from "./way";

export interface FromCopies extends Way {
  /** Of the copies. */
  arn: string;
  newestRestorable?: string;
  /** The newest write that was restored. */
  newestWrite?: string;
}

/** A server from the newest moment of the copies, and who owns it. */
export async function fromCopies(way: FromCopies, means: Means): Promise<RestoredDatabase & { owner: string }> {
  const { scratch, caFile, log } = means;
  const { identifier, region } = scratch;
  way.newestRestorable = (await scratch.newestRestorable()).toISOString();
  const seconds = await begin(way, means);
  await scratch.restore();
  const { arn, newestRestorable } = way;
  log.info("the newest moment of the copies is restored", { instance: identifier, region, arn, newestRestorable });
  const { host, port, master: owner } = await scratch.available();
  way.seconds.available = seconds();

  const password = newPassword();
  await scratch.setMasterPassword(password);
  const restored = { host, port, caFile, passwords: { [owner]: password } };
  const { server, moment } = await takeOver(restored, owner, usingOf(means));
  way.seconds.restored = seconds();
  way.newestWrite = moment;
  measureRpo(way, moment);
  return { server, owner, database: databaseName, upTo: { moment }, seconds };
}
