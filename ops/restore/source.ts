/** What a restore is made from: the newest dump and manifest, and whether this program's schema is theirs. */
import type { Bucket } from "../archive/bucket";
import { dumpFolder, dumpKey, manifestFolder, manifestKey } from "../archive/keys";
import type { Manifest } from "../archive/manifest";
import { manifestNumbered, newestManifest, newestNumber, newestOf, numbered, readableFrom } from "../archive/newest";
import { dumps, type Dump } from "../dump/manifest";
import type { Migration } from "../migrate/files";
import { months, type Month } from "../months/manifest";
import { Failure } from "../program";

export interface Source {
  dump: Dump;
  manifest: Manifest;
  /** What is in the bucket, and is left out as it was asked for; one sentence each. */
  leftOut: string[];
}

/** Numbers of what is to be restored where somebody else wrote a newer one; undefined: the newest. */
export interface Asked {
  manifest?: number | undefined;
  dump?: number | undefined;
}

export async function readSource(bucket: Bucket, migrations: readonly Migration[], asked: Asked): Promise<Source> {
  // In this order: whoever archives meanwhile adds no dump and no month that goes with a later manifest.
  const dump = await dumpOf(bucket, asked);
  const month = await newestMonth(bucket, asked);
  const manifest =
    asked.manifest === undefined
      ? (await newestManifest(bucket))?.manifest
      : await manifestNumbered(bucket, asked.manifest);
  if (!manifest)
    throw new Failure(`there is no manifest in the bucket ${bucket.name}: nothing can be restored from it`);
  if (!dump)
    throw new Failure(
      `there is no dump${asked.manifest === undefined ? "" : ` of that time`} in the bucket ${bucket.name}: receipts are there (${manifestKey(manifest.archive.number)}), and policies, keys and budgets are not`,
    );
  const { number } = manifest.archive;
  if (dump.manifest > number)
    throw new Failure(
      `${dumpKey(dump.number)} goes with ${manifestKey(dump.manifest)}, and ${asked.manifest === undefined ? `the newest in the bucket ${bucket.name} is ${number}: manifests were removed` : `--manifest is ${number}: name an older dump, or none`}`,
    );
  const beyond = month && month.manifests.last > number ? month : undefined;
  if (beyond && asked.manifest === undefined)
    throw new Failure(
      `${beyond.object.key} goes up to ${manifestKey(beyond.manifests.last)}, and the newest in the bucket ${bucket.name} is ${number}: manifests were removed. What is left is restored by --manifest ${number}`,
    );
  assertOurs(manifestKey(number), manifest.archive.schema, migrations, migrations.at(-1)?.number ?? 0);
  // A dump may be of the version before: its rows then go through the migrations that came since.
  assertOurs(dumpKey(dump.number), dump.schema, migrations, dump.schema.number);
  return { dump, manifest, leftOut: await leftOutOf(bucket, dump, manifest, asked, beyond) };
}

/** Who asks for an older manifest may do so since a month's cannot be read. */
async function newestMonth(bucket: Bucket, asked: Asked): Promise<Month | undefined> {
  if (asked.manifest === undefined) return (await newestOf(bucket, months))?.manifest;
  for await (const month of readableFrom(bucket, months)) return month;
  return undefined;
}

/** With a manifest that is not the newest goes the newest dump that was there by then and can be read. */
async function dumpOf(bucket: Bucket, asked: Asked): Promise<Dump | undefined> {
  if (asked.dump !== undefined) return numbered(bucket, dumps, asked.dump);
  if (asked.manifest === undefined) return (await newestOf(bucket, dumps))?.manifest;
  for await (const dump of readableFrom(bucket, dumps)) if (dump.manifest <= asked.manifest) return dump;
  return undefined;
}

async function leftOutOf(
  bucket: Bucket,
  dump: Dump,
  { archive, as_of }: Manifest,
  asked: Asked,
  beyond: Month | undefined,
): Promise<string[]> {
  if ((asked.manifest ?? asked.dump) === undefined) return [];
  const [named, dumped] = [await newestNumber(bucket, manifestFolder), await newestNumber(bucket, dumpFolder)];
  const manifests = Math.max(named, beyond?.manifests.last ?? 0);
  const after = (key: string, at: string, newest: number) =>
    `after ${key} (${at}) is not restored; the newest that the bucket ${bucket.name} knows is ${newest}`;
  return [
    ...(manifests > archive.number
      ? [`what was archived of receipts and changes ${after(manifestKey(archive.number), as_of, manifests)}`]
      : []),
    ...(dumped > dump.number
      ? [`what was dumped of policies, keys and all else ${after(dumpKey(dump.number), dump.as_of, dumped)}`]
      : []),
  ];
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
