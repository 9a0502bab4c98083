/**
 * What policy packs said of a preview. The one document that `pulumi preview --json` writes has nothing of it; its stream of events
 * (PULUMI_ENABLE_STREAMING_JSON_PREVIEW) has. That also holds the engine's debug log, with values in plain text: only what is read here
 * should be kept of it (docs/review.md).
 */
import { z } from "zod";
import { NotAPreview, readUrn } from "./preview";

const event = z.object({
  policyEvent: z
    .object({
      resourceUrn: z.string().default(""),
      message: z.string(),
      policyName: z.string(),
      enforcementLevel: z.string(),
    })
    .optional(),
  summaryEvent: z
    .object({ PolicyPacks: z.record(z.string(), z.string()).nullish(), result: z.string().optional() })
    .optional(),
});

type Said = NonNullable<z.infer<typeof event>["policyEvent"]>;

export interface Violation {
  rule: string;
  /** What is wrong, or what must hold, in the rule's words. */
  what: string;
  /** Of the resources. */
  names: string[];
}

export interface Policies {
  /** Whose resources were judged; undefined where nothing was said of any. */
  stack: string | undefined;
  /** Whether packs were there, and judged all of the preview. */
  whole: boolean;
  /** What stops a deployment. */
  mandatory: Violation[];
  advisory: Violation[];
  /** Rules that met values which only a deployment knows. */
  unjudged: Violation[];
}

/** How Pulumi's SDK for policies begins what it says of a value that is unknown in a preview. */
const cannotJudge = "can't run policy";

export const policyAdvice = "docs/review.md says how to write it";

/** @param source how the text is called in a message: a file's name */
export function readPolicies(text: string, source: string): Policies {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new NotAPreview(`${source} is empty; ${policyAdvice}`);
  const events = lines.map((line) => readEvent(line, source));
  const said = events.flatMap(({ policyEvent }) => policyEvent ?? []);
  const judged = said.filter(({ message }) => !message.startsWith(cannotJudge));
  const summary = events.find(({ summaryEvent }) => Object.keys(summaryEvent?.PolicyPacks ?? {}).length > 0);
  const about = said.find(({ resourceUrn }) => resourceUrn !== "")?.resourceUrn;
  return {
    stack: about && readUrn(about).stack,
    // A preview that fails by itself ends before the rules on the stack as a whole; one that a rule stopped does not.
    whole: summary !== undefined && (summary.summaryEvent?.result !== "failed" || judged.some(isMandatory)),
    // A rule's description comes first, and last what is wrong with this resource.
    mandatory: together(judged.filter(isMandatory), (lines) => lines.at(-1)),
    advisory: together(
      judged.filter((one) => !isMandatory(one)),
      ([description]) => description,
    ),
    unjudged: together(
      said.filter(({ message }) => message.startsWith(cannotJudge)),
      () => cannotJudge,
    ),
  };
}

function readEvent(line: string, source: string) {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new NotAPreview(
      `${source} is not one JSON text on each line: it was cut off, or is no stream; ${policyAdvice}`,
    );
  }
  const parsed = event.safeParse(json);
  if (!parsed.success) throw new NotAPreview(`${source} is not what pulumi preview --json streams; ${policyAdvice}`);
  return parsed.data;
}

const isMandatory = ({ enforcementLevel }: Said) => enforcementLevel !== "advisory";

/** What is said of several resources, once. */
function together(events: readonly Said[], whatOf: (lines: readonly string[]) => string | undefined): Violation[] {
  const found = new Map<string, Violation>();
  for (const { policyName: rule, message, resourceUrn } of events) {
    const what = whatOf(message.trim().split("\n")) ?? "";
    const key = JSON.stringify([rule, what]);
    const { name } = readUrn(resourceUrn);
    const known = found.get(key);
    if (known) known.names.push(name);
    else found.set(key, { rule, what, names: [name] });
  }
  return [...found.values()];
}
