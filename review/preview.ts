/** What `pulumi preview --json` writes, read with suspicion: what is cut off or something else must not look like "no changes". */
import { z } from "zod";

const properties = z.record(z.string(), z.unknown());

const state = z.object({
  inputs: properties.default({}),
  outputs: properties.default({}),
  protect: z.boolean().optional(),
  retainOnDelete: z.boolean().optional(),
});

const step = z.object({
  op: z.string(),
  urn: z.string(),
  oldState: state.optional(),
  newState: state.optional(),
  diffReasons: z.array(z.string()).nullish(),
  replaceReasons: z.array(z.string()).nullish(),
  detailedDiff: z.record(z.string(), z.object({ kind: z.string(), inputDiff: z.boolean().default(false) })).nullish(),
});

const digest = z.object({
  config: z.record(z.string(), z.string()).nullish(),
  steps: z.array(step).nullish(),
  diagnostics: z.array(z.object({ message: z.string(), severity: z.string(), urn: z.string().optional() })).nullish(),
  changeSummary: z.record(z.string(), z.number()).nullish(),
});

export type Step = z.infer<typeof step>;
export type State = z.infer<typeof state>;
export type Preview = z.infer<typeof digest>;
export type Properties = Record<string, unknown>;

export class NotAPreview extends Error {}

const advice = "write it anew: pulumi preview --json > preview.json";

/** @param source how the text is called in a message: a file's name, or "standard input" */
export function readPreview(text: string, source: string): Preview {
  if (text.trim() === "") throw new NotAPreview(`${source} is empty; ${advice}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may be a secret.
    const events = /^\{[^\n]*\}\r?\n\s*\{/.test(text);
    const why = events
      ? "has one JSON text on each line: unset PULUMI_ENABLE_STREAMING_JSON_PREVIEW"
      : `is not one whole JSON text (${text.length} characters): it was cut off, or something else was printed between`;
    throw new NotAPreview(`${source} ${why}; ${advice}`);
  }
  const parsed = digest.safeParse(json);
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.join(".") ?? "";
    throw new NotAPreview(`${source} is not what pulumi preview --json writes${where && ` (see ${where})`}; ${advice}`);
  }
  const { steps, diagnostics } = parsed.data;
  // Even a preview without changes names the stack; one that could not begin says why.
  if (!steps?.length && !diagnostics?.length)
    throw new NotAPreview(`${source} has neither steps nor diagnostics, so it is not a preview; ${advice}`);
  return parsed.data;
}

/** `urn:pulumi:<stack>::<project>::<type, with its parents' before "$">::<name>`; a name may hold "::" itself. */
export function readUrn(urn: string): { stack: string; type: string; name: string } {
  const [prefix = "", , types = "", ...name] = urn.split("::");
  return { stack: prefix.replace("urn:pulumi:", ""), type: types.split("$").at(-1) ?? "", name: name.join("::") };
}
