/** By what a restored database is known that a deployment has made its own. */
import type pg from "pg";
import { commentOf } from "../databaseComment";

const begin = (from: string) => `authensor: restored from ${from};`;
const end = (bucket: string) => `against the bucket ${bucket}`;

export const markOf = (from: string, asOf: string, bucket: string) => `${begin(from)} verified ${asOf} ${end(bucket)}`;

export const isAdopted = async (client: pg.Client, from: string): Promise<boolean> =>
  (await commentOf(client))?.startsWith(begin(from)) ?? false;

/** Whether this bucket is not the database's own, but that of what it was restored from. */
export const isOfSource = async (client: pg.Client, bucket: string): Promise<boolean> =>
  (await commentOf(client))?.endsWith(` ${end(bucket)}`) ?? false;
