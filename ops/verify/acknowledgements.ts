/** Findings that somebody has looked into: kept in a file, under review and with its history, never in the database. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as z from "zod/mini";
import { Failure } from "../program";
import type { Finding } from "./findings";

const text = z.string().check(z.minLength(1));
const schema = z.array(
  z.strictObject({
    /** `id` of the finding, as the report has it. */
    finding: z.string().check(z.regex(/^[0-9a-f]{16}$/)),
    by: text,
    at: z.string().check(z.refine((value) => !Number.isNaN(Date.parse(value)))),
    reason: text,
  }),
);

export type Acknowledgement = z.infer<typeof schema>[number];

/** The same for the same place, kind and content in every run; by its words where it has no place. An import's place is no agent's. */
export function findingId({ kind, message, agent, seq, lastSeq, receipt, columns, found }: Finding): string {
  const what =
    agent === undefined && seq === undefined ? [kind, message] : [kind, agent, seq, lastSeq, receipt, columns, found];
  return createHash("sha256").update(JSON.stringify(what)).digest("hex").slice(0, 16);
}

export function readAcknowledgements(file: string): Acknowledgement[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Failure(`cannot read acknowledgements from ${file}: ${(error as Error).message}`, [], 2);
  }
  const parsed = schema.safeParse(content);
  if (parsed.success) return parsed.data;
  const example =
    '[{"finding": "0123456789abcdef", "by": "name", "at": "2026-11-25", "reason": "why it is no tampering"}]';
  throw new Failure(
    `${file} is no list of acknowledgements; expected ${example}`,
    z.prettifyError(parsed.error).split("\n"),
    2,
  );
}
