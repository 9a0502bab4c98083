/**
 * `npm run previews`: what Pulumi's own command line says of changes to prod, in test/unit/previews. The review's tests read them. Needs
 * the command line (docs/engine.md).
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { mocked } from "./mocked";
import { EngineStack } from "./stack";

const directory = join(__dirname, "../unit/previews");

/** Each on top of those before it. */
const changes: Record<string, string[][]> = {
  unchanged: [],
  larger: [
    ["instanceClass", "db.r7g.xlarge"],
    ["storageGib", "300"],
    ["maxConnections", "500"],
  ],
  newPasswords: [
    ["passwordGeneration", "2"],
    ["--secret", "controlPlaneEnv", '{"TOKEN":"nobody-may-read-this"}'],
  ],
  wrongSetting: [["lockDays", "0"]],
  protectedReplica: [
    ["lockDays", "365"],
    ["deletionProtection", "false"],
    ["replica", "false"],
  ],
};

interface Written {
  steps?: { op: string; urn: string; oldState?: Record<string, unknown>; newState?: Record<string, unknown> }[];
}

/** Without what no review reads, and of each kind of step the first two: where in the program it is made, what it depends on, outputs. */
function trimmed(text: string): string {
  const { steps = [], ...digest } = JSON.parse(text) as Written;
  const seen = new Map<string, number>();
  const kept = steps.filter(({ op, urn }) => {
    const kind = `${op} ${urn.split("::")[2]}`;
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
    return seen.get(kind)! <= 2;
  });
  const lines = kept.map(({ oldState, newState, ...step }) => {
    const isStack = step.urn.includes("::pulumi:pulumi:Stack::");
    const states = {
      ...(oldState && { oldState: state(oldState, isStack) }),
      ...(newState && { newState: state(newState, isStack) }),
    };
    return JSON.stringify({ ...step, ...states }, shortened);
  });
  return `${JSON.stringify(digest).slice(0, -1)},"steps":[\n${lines.join(",\n")}\n]}\n`;
}

const state = ({ inputs, outputs, protect, retainOnDelete }: Record<string, unknown>, isStack: boolean) => ({
  ...{ inputs, protect, retainOnDelete },
  ...(isStack && { outputs: { settings: (outputs as Record<string, unknown> | undefined)?.["settings"] } }),
});

/** As the workflows keep it. */
const ofPolicies = (stream: string) =>
  stream.replaceAll(/^(?!.*"(?:policyLoadEvent|policyEvent|summaryEvent)":).*\n/gm, "");

const shortened = (_: string, value: unknown) =>
  typeof value === "string" && value.length > 1500 ? `${value.slice(0, 100)}…` : value;

void (async () => {
  const stack = await EngineStack.begin({ stack: "prod", ...mocked });
  try {
    await stack.succeed("up", "--yes", "--skip-preview");
    for (const [name, settings] of Object.entries(changes)) {
      for (const setting of settings) await stack.succeed("config", "set", ...setting);
      const { stdout } = await stack.pulumi("preview", "--json");
      writeFileSync(join(directory, `${name}.json`), trimmed(stdout));
    }
    stack.environment = { PULUMI_ENABLE_STREAMING_JSON_PREVIEW: "true" };
    const pack = ["--policy-pack", "policy", "--policy-pack-config", "policy/production.json"];
    const { stdout } = await stack.pulumi("preview", "--json", ...pack);
    writeFileSync(join(directory, "policies.jsonl"), ofPolicies(stdout));
  } finally {
    await stack.end();
  }
})();
