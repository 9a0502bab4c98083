/** The restored database, verified by the program that verifies the primary's: `verify --archived --restored`, as a process of its own. */
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import * as z from "zod/mini";
import { Failure } from "../program";

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

export interface Verifier {
  /** The bundled ops/verify. */
  program: string;
  /** The auditor's URL of the restored database. */
  url: string;
  /** The newest write that was restored: what the drill itself has written since is none. */
  moment: string;
  signal: AbortSignal;
}

/** What the verifier reports; a Failure where it came to no report. Settings of the bucket are those of this process. */
export async function verifyRestored({ program, url, moment, signal }: Verifier): Promise<Verification> {
  // Not the primary's: what is undefined is not passed on.
  const elsewhere = { DATABASE_URL_FILE: undefined, REPLICA_URL: undefined, REPLICA_URL_FILE: undefined };
  const child = spawn(process.execPath, [program, "--archived", "--restored", moment], {
    env: { ...process.env, ...elsewhere, DATABASE_URL: url },
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  const ended = new Promise<void>((resolve, reject) => child.once("close", () => resolve()).once("error", reject));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  const parsed = reportSchema.safeParse(json(stdout));
  if (parsed.success) return parsed.data;
  throw new Failure("the restored database could not be verified", stderr.trim().split("\n").slice(-5));
}

function json(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return undefined;
  }
}
