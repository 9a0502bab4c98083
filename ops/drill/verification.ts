/** A restored database, verified by the program that verifies the primary's: `verify --archived --restored`. */
import * as z from "zod/mini";
import { Failure } from "../program";
import { forksSchema } from "../archive/manifest";
import type { UpTo } from "../verify/restored";
import { jsonOf, runHelper, type Helper } from "./helper";

const reportSchema = z.object({
  ok: z.boolean(),
  unverified: z.array(z.string()),
  verified: z.object({ receipts: z.number(), changes: z.number(), agents: z.number(), checkpoints: z.number() }),
  findings: z.array(z.object({ kind: z.string(), message: z.string() })),
  more: z.number(),
  archive: z.optional(
    z.object({
      manifests: z.number(),
      rows: z.number(),
      forks: forksSchema,
      restored: z.optional(
        z.object({
          moment: z.string(),
          manifest: z.optional(z.number()),
          archivedLater: z.number(),
          months: z.array(z.object({ month: z.string(), inBucket: z.number(), restored: z.number() })),
        }),
      ),
    }),
  ),
});

export type Verification = z.infer<typeof reportSchema>;

/** What the verifier reports; a Failure where it came to no report. @param verifier its URL is the auditor's */
export async function verifyRestored(verifier: Omit<Helper, "onLine" | "args">, upTo: UpTo): Promise<Verification> {
  let report: unknown;
  const { failure } = await runHelper({
    ...verifier,
    args: ["--archived", "--restored", "moment" in upTo ? upTo.moment : String(upTo.manifest)],
    onLine: (line) => (report = jsonOf(line) ?? report),
  });
  const parsed = reportSchema.safeParse(report);
  if (parsed.success) return parsed.data;
  throw new Failure("the restored database could not be verified", failure);
}
