/**
 * The second way back: the bucket alone, by the program that an operator would run, into an empty database of the same server. What belongs to a server and
 * not to a database, the login roles, is there already: a new server's are made by the same migrations (test/sql/fromBucket).
 */
import * as z from "zod/mini";
import { withConnection } from "../database";
import { Failure } from "../program";
import { databaseName } from "../roles";
import { jsonOf, runHelper } from "./helper";
import { usingOf, type Means } from "./means";
import { urlOf, type Server } from "./usable";
import { begin, measureRpo, type RestoredDatabase, type Way } from "./way";

export interface FromBucket extends Way {
  name: string;
  /** What it was put together from. */
  made?: Made;
}

const madeSchema = z.object({
  message: z.literal("restored"),
  /** Numbers of the dump, and of the oldest and newest manifests of segments. */
  dump: z.number(),
  oldest: z.number(),
  newest: z.number(),
  /** What is in the bucket is of this moment. */
  until: z.string(),
  receipts: z.number(),
  changes: z.number(),
  rowsOfDump: z.number(),
});

export type Made = z.infer<typeof madeSchema>;

const database = `${databaseName}_from_bucket`;

/** @returns what was restored, and what is wrong with it */
export async function fromBucket(
  way: FromBucket,
  server: Server,
  owner: string,
  means: Means,
): Promise<RestoredDatabase & { problems: string[] }> {
  const { programs, scratch, signal } = means;
  const asOwner = { ...usingOf(means), url: urlOf(server, owner) };
  const used = "select pg_database_size(current_database()) as bytes";
  const { rows } = await withConnection(asOwner, (client) => client.query<{ bytes: string }>(used));
  await scratch.makeRoom(Number(rows[0]?.bytes));
  const seconds = await begin(way, means);
  // What somebody has put into template1 is no part of an empty database.
  await withConnection(asOwner, (client) => client.query(`create database ${database} template template0`));
  let made: Made | undefined;
  const { code, failure } = await runHelper({
    program: programs.restore,
    url: urlOf(server, owner, database),
    signal,
    onLine: (line) => {
      // How far it is.
      process.stdout.write(`${line}\n`);
      made = madeSchema.safeParse(jsonOf(line)).data ?? made;
    },
  });
  if (!made) throw new Failure("the database could not be restored", failure);
  way.made = made;
  way.seconds.restored = seconds();
  measureRpo(way, made.until);
  const whole = code === 0 || code === 3;
  return { server, database, upTo: { manifest: made.newest }, seconds, problems: whole ? [] : failure };
}
