/** Anchors kept outside the database: read, checked against their own digest, and turned into what the chains must show. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as z from "zod/mini";
import { Failure } from "./program";

const seal = z.string().check(z.regex(/^([0-9a-f]{64})?$/));
const place = z.int().check(z.minimum(0));

/**
 * Chains whose ends the server of a manifest was not seen to have: they were archived from one of this timeline, in whose
 * place it was promoted; 0: from another server altogether.
 */
export const ofBeforeSchema = z.array(
  z.object({ chain: z.enum(["receipts", "history", "imports"]), agent: z.string(), timeline: place }),
);

export const anchorSchema = z.object({
  version: z.literal(1),
  database: z.string(),
  as_of: z.string().check(z.refine((text) => !Number.isNaN(Date.parse(text)))),
  receipts: place,
  changes: place,
  server: z.object({ system: z.string(), timeline: place }),
  checkpoint: z.object({ seq: place, seal }),
  imports: z.object({ seq: place, seal }),
  chains: z.array(z.object({ agent: z.string(), seq: place, seal, history_seq: place, history_seal: seal })),
  digest: seal,
  /** Of a manifest: whether it had room for all rows that there were, and which ends are those of another server. */
  archive: z.optional(z.object({ complete: z.boolean(), ofBefore: z.optional(ofBeforeSchema) })),
});

export type AnchoredChain = Pick<z.infer<typeof ofBeforeSchema>[number], "chain" | "agent">;

export type Anchor = z.infer<typeof anchorSchema> & { source: string };

/** Of the last server that was seen to have a chain up to where an anchor says that it ends. */
export const timelineOf = ({ archive, server }: Pick<Anchor, "archive" | "server">, of: AnchoredChain): number =>
  archive?.ofBefore?.find(({ chain, agent }) => chain === of.chain && agent === of.agent)?.timeline ?? server.timeline;

/** The digest over what an anchor says (docs/chain.md). */
export function anchorDigest({
  server,
  checkpoint,
  imports,
  chains,
}: Pick<Anchor, "server" | "checkpoint" | "imports" | "chains">): string {
  const hash = createHash("sha256")
    .update(`${jsonString(server.system)} ${server.timeline}\n`)
    .update(`${checkpoint.seq} ${checkpoint.seal}\n`)
    .update(`${imports.seq} ${imports.seal}\n`);
  for (const { agent, seq, seal, history_seq, history_seal } of chains) {
    hash.update(`${jsonString(agent)} ${seq} ${seal} ${history_seq} ${history_seal}\n`);
  }
  return hash.digest("hex");
}

const jsonString = (text: string): string => JSON.stringify(text);

/** One anchor, or several (one per line, or in an array), as `ops/anchor` writes them. */
export function parseAnchors(text: string, source: string): Anchor[] {
  const anchors = split(text, source).map((value, i) => {
    const parsed = anchorSchema.safeParse(value);
    if (!parsed.success) {
      const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "anchor"}: ${issue.message}`);
      throw new Failure(`${source}: item ${i + 1} is not an anchor`, problems.slice(0, 5), 2);
    }
    return { ...parsed.data, source };
  });
  if (anchors.length === 0) throw new Failure(`${source} holds no anchor`, [], 2);
  return anchors;
}

function split(text: string, source: string): unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [value];
  } catch {
    try {
      return text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line) => JSON.parse(line) as unknown);
    } catch {
      throw new Failure(`${source} is neither JSON nor one JSON object per line`, [], 2);
    }
  }
}

/** Reads anchors from files; `-` is standard input. */
export function readAnchors(files: readonly string[]): Anchor[] {
  return files.flatMap((file) => {
    let text: string;
    try {
      text = readFileSync(file === "-" ? 0 : file, "utf8");
    } catch (error) {
      throw new Failure(
        `cannot read anchors from ${file}: ${error instanceof Error ? error.message : String(error)}`,
        [],
        2,
      );
    }
    return parseAnchors(text, file === "-" ? "standard input" : file);
  });
}
