/** Both restores against each other: what one way back has lost or changed shows in the other. */
import { numbered } from "../archive/newest";
import { withConnection } from "../database";
import { dumps } from "../dump/manifest";
import { roles } from "../roles";
import { inSnapshot } from "../verify/session";
import { compareChains, type ChainsCompared, type Side } from "./compareChains";
import { compareTables, type TablesCompared } from "./compareTables";
import type { Made } from "./fromBucket";
import { usingOf, type Means } from "./means";
import { urlOf } from "./usable";
import type { RestoredDatabase } from "./way";

export interface Comparison extends Omit<ChainsCompared, "differences"> {
  tables: Omit<TablesCompared, "differences">;
  /** One sentence each; the first of them. */
  differences: string[];
  more: number;
}

const mostDifferences = 20;

export async function compareRestored(
  copies: RestoredDatabase,
  bucket: RestoredDatabase,
  { dump, oldest }: Pick<Made, "dump" | "oldest">,
  means: Means,
): Promise<Comparison> {
  const manifest = await numbered(means.bucket, dumps, dump);
  const connected = <T>(
    { server, database }: RestoredDatabase,
    name: string,
    work: (side: Side) => Promise<T>,
  ): Promise<T> =>
    // Who may read what is dumped.
    withConnection({ ...usingOf(means), url: urlOf(server, roles.archiver, database) }, (client) =>
      inSnapshot(client, () => work({ client, name })),
    );
  return connected(copies, "the copies", (here) =>
    connected(bucket, "the bucket", async (there) => {
      const { differences, ...chains } = await compareChains(here, there, oldest === 1);
      const { differences: ofTables, ...tables } = await compareTables(here, there, manifest);
      const all = [...differences, ...ofTables];
      return {
        ...chains,
        tables,
        differences: all.slice(0, mostDifferences),
        more: Math.max(0, all.length - mostDifferences),
      };
    }),
  );
}
