/** What a restore is made from: the newest dump and manifest, and whether this program's schema is theirs. */
import type { Bucket } from "../archive/bucket";
import { manifestKey, dumpKey } from "../archive/keys";
import type { Manifest } from "../archive/manifest";
import { newestManifest, newestOf } from "../archive/newest";
import { dumps, type Dump } from "../dump/manifest";
import type { Migration } from "../migrate/files";
import { Failure } from "../program";

export interface Source {
  dump: Dump;
  manifest: Manifest;
}

export async function readSource(bucket: Bucket, migrations: readonly Migration[]): Promise<Source> {
  // In this order: whoever archives meanwhile adds no dump that goes with a later manifest.
  const dump = (await newestOf(bucket, dumps))?.manifest;
  const manifest = (await newestManifest(bucket))?.manifest;
  if (!manifest)
    throw new Failure(`there is no manifest in the bucket ${bucket.name}: nothing can be restored from it`);
  if (!dump)
    throw new Failure(
      `there is no dump in the bucket ${bucket.name}: receipts are there (${manifestKey(manifest.archive.number)}), and policies, keys and budgets are not`,
    );
  const { number } = manifest.archive;
  if (dump.manifest > number)
    throw new Failure(
      `${dumpKey(dump.number)} goes with ${manifestKey(dump.manifest)}, and the newest in the bucket ${bucket.name} is ${number}: manifests were removed`,
    );
  assertOurs(manifestKey(number), manifest.archive.schema, migrations, migrations.at(-1)?.number ?? 0);
  // A dump may be of the version before: its rows then go through the migrations that came since.
  assertOurs(dumpKey(dump.number), dump.schema, migrations, dump.schema.number);
  return { dump, manifest };
}

/** Fails where a schema is not the one that these migrations make, up to a number. */
function assertOurs(
  key: string,
  schema: { number: number; sha256: string },
  migrations: readonly Migration[],
  expected: number,
): void {
  const ours = migrations.find(({ number }) => number === schema.number);
  if (schema.number === expected && ours?.sha256 === schema.sha256) return;
  const newest = migrations.at(-1)?.number ?? 0;
  const what =
    schema.number > newest
      ? `newer: its newest migration is ${schema.number}, and this program's is ${newest}`
      : schema.number < expected
        ? `older: its newest migration is ${schema.number}, and this program's is ${newest}`
        : `another one: its migration ${schema.number} is not this program's`;
  throw new Failure(`the schema of ${key} is ${what}; nothing was changed`, [
    "restore with the version of this project that was deployed when it was written, then deploy the newer one over it",
  ]);
}
