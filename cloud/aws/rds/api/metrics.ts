/** What RDS publishes of each instance by the minute, whether its server runs or not. To add a metric, add it here. */
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { publish, type Measured } from "../../cloudwatch/ofServices";
import { freeStorage } from "../freeStorage";
import { list, type Known } from "./known";

const metrics: Readonly<Record<string, (instance: Known) => number | undefined>> = {
  FreeStorageSpace: ({ directory, storageGib }) => freeStorage(join(directory, "data"), storageGib),
};

/** @param rds the API's own directory */
export function measure(rds: string, now = Date.now()): Measured[] {
  return list(rds).flatMap((instance) =>
    Object.entries(metrics).flatMap(([name, of]) => {
      const value = of(instance);
      const { region, identifier } = instance;
      const dimensions = { DBInstanceIdentifier: identifier };
      return value === undefined ? [] : [{ region, namespace: "AWS/RDS", name, dimensions, at: now / 1000, value }];
    }),
  );
}

/** At the beginning of each minute, so that each has one value. */
export async function publishForEver(rds: string, signal: AbortSignal): Promise<never> {
  for (;;) {
    try {
      await publish(dirname(rds), measure(rds));
    } catch (error) {
      // Also of measuring: an instance can go while it is looked at.
      console.error(`metrics of this minute are lost: ${(error as Error).message}`);
    }
    await sleep(60_000 - (Date.now() % 60_000), undefined, { signal });
  }
}
