/** The policy pack's rules on resources as they are recorded, without Pulumi's engine; `npm run policies` writes their page. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PolicyResource, PolicyResourceOptions, ReportViolation } from "@pulumi/policy";
import { policyOf, type Properties } from "../../policy/rule";
import { rules, subjects } from "../../policy/rules";
import { unknown, type Recorded } from "./mocks";

export interface Violation {
  rule: string;
  resource: string;
  message: string;
}

export interface Judgement {
  violations: Violation[];
  /** Rules that met a value which only a deployment knows, as `rule resource`: Pulumi says so in the preview. */
  unjudged: string[];
}

export type Configuration = Record<string, string | Properties>;

/** As @pulumi/policy gives properties to a rule: reading what is not known yet throws. */
function guarded(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  return new Proxy(value, {
    get: (target, key) => {
      const inner: unknown = Reflect.get(target, key);
      if (inner === unknown) throw new UnknownValue(String(key));
      return Array.isArray(target) && typeof inner === "function" ? inner : guarded(inner);
    },
  });
}

class UnknownValue extends Error {}

function policyResources(recorded: readonly Recorded[]): PolicyResource[] {
  const made = recorded.map((one): PolicyResource => {
    const props = guarded({ ...one.inputs, ...one.computed }) as Properties;
    const opts = { protect: one.protect, ignoreChanges: one.ignoreChanges } as PolicyResourceOptions;
    const { type, urn, name } = one;
    return {
      ...{ type, urn, name, props, opts, dependencies: [], propertyDependencies: {} },
      isType: () => false,
      asType: () => undefined,
    };
  });
  const byUrn = new Map(made.map((one) => [one.urn, one]));
  recorded.forEach((one, index) => {
    made[index]!.propertyDependencies = Object.fromEntries(
      Object.entries(one.propertyDependencies).map(([key, urns]) => [key, urns.flatMap((urn) => byUrn.get(urn) ?? [])]),
    );
  });
  return made;
}

export function judge(recorded: readonly Recorded[], configuration: Configuration = {}): Judgement {
  const resources = policyResources(recorded);
  const nameOf = new Map(resources.map(({ urn, name }) => [urn, name]));
  const judgement: Judgement = { violations: [], unjudged: [] };
  for (const policy of rules.map(policyOf)) {
    const { name: rule } = policy;
    const given = configuration[rule];
    const getConfig = <T extends object>() => (typeof given === "object" ? given : {}) as T;
    const about = {
      getConfig,
      stackTags: new Map<string, string>(),
      notApplicable: () => {
        throw new Error(rule);
      },
    };
    const run = (resource: string, judged: (report: ReportViolation) => unknown) => {
      try {
        judged((message, urn) =>
          judgement.violations.push({ rule, resource: urn === undefined ? resource : nameOf.get(urn)!, message }),
        );
      } catch (error) {
        if (!(error instanceof UnknownValue)) throw error;
        judgement.unjudged.push(`${rule} ${resource}`);
      }
    };
    if ("validateStack" in policy) run("", (report) => policy.validateStack({ ...about, resources }, report));
    else
      recorded.forEach(({ inputs }, index) => {
        const args = { ...about, ...resources[index]!, props: guarded(inputs) as Properties, asType: () => undefined };
        run(args.name, (report) => [policy.validateResource].flat().map((validate) => validate?.(args, report)));
      });
  }
  return judgement;
}

/** policy/production.json or policy/development.json. */
export const configurationOf = (environment: "production" | "development") =>
  JSON.parse(readFileSync(join(__dirname, `../../policy/${environment}.json`), "utf8")) as Configuration;

/** Whether a violation stops a deployment. */
export function levelOf(rule: string, configuration: Configuration): string {
  const given = configuration[rule];
  return (typeof given === "object" ? (given.enforcementLevel as string | undefined) : given) ?? "mandatory";
}

/** The page's tables: each rule with its reason, and what a violation does. */
export function rulesPage(): string {
  const [production, development] = [configurationOf("production"), configurationOf("development")];
  return Object.entries(subjects)
    .map(([subject, of]) =>
      [
        `### ${subject}\n`,
        "| rule | what must hold, and why | production | development |",
        "|---|---|---|---|",
        ...of.map(
          ({ name, holds, reason }) =>
            `| \`${name}\` | ${holds} ${reason} | ${levelOf(name, production)} | ${levelOf(name, development)} |`,
        ),
      ].join("\n"),
    )
    .join("\n\n");
}

if (require.main === module) {
  const page = join(__dirname, "../../policy/README.md");
  const [before] = readFileSync(page, "utf8").split(/^### /m);
  writeFileSync(page, `${before}${rulesPage()}\n`);
}
