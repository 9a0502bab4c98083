/** What is kept in the bucket as JSON: read, and checked to be what it is taken for. */
import * as z from "zod/mini";
import { Failure } from "../program";

export const count = z.int().check(z.minimum(0));
export const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/));

/** @param noun what it is taken for, in messages */
export function decode<Schema extends z.ZodMiniType>(
  schema: Schema,
  bytes: Buffer,
  noun: string,
  where: string,
): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new Failure(`${where} is no ${noun}: it is not JSON`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Failure(
    `${where} is no ${noun} that this program reads`,
    z.prettifyError(parsed.error).split("\n").slice(0, 5),
  );
}
