import type {
  PolicyConfigSchema,
  PolicyResource,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- of any provider's resources; what is unknown in a preview throws when it is read
export type Properties = Record<string, any>;

/** What is wrong with a resource; nothing where all is well. */
type Verdict = string | undefined;

interface RuleBase {
  /** As configuration and messages name it. */
  name: string;
  /** What must hold. */
  holds: string;
  /** What happens where it does not hold. */
  reason: string;
  /** Configuration of its own, with what holds where nothing is configured. */
  defaults?: Properties;
}

/** Judges a resource by what the program says of it, before anything is done to it. */
export interface ResourceRule extends RuleBase {
  /** By type of resource. */
  each: Record<string, (props: Properties, config: Properties) => Verdict>;
}

/** Judges a resource by the others of the stack: at the end of a preview, and once more after an update. */
export interface StackRule extends RuleBase {
  /** By type of resource. */
  among: Record<string, (resource: PolicyResource, all: readonly PolicyResource[], config: Properties) => Verdict>;
}

export type Rule = ResourceRule | StackRule;

interface Exceptions {
  /** Why, by the name of the resource; `*` stands for any text in a name. */
  exceptions?: Record<string, string>;
}

const escape = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

const isExcepted = ({ exceptions = {} }: Exceptions, name: string): boolean =>
  Object.keys(exceptions).some((pattern) => new RegExp(`^${pattern.split("*").map(escape).join(".*")}$`).test(name));

function schemaOf({ defaults = {} }: Rule): PolicyConfigSchema {
  const own = Object.entries(defaults).map(([key, value]) => [key, { type: typeOf(value), default: value as object }]);
  return {
    properties: {
      ...(Object.fromEntries(own) as PolicyConfigSchema["properties"]),
      exceptions: { type: "object", additionalProperties: { type: "string", minLength: 20 } },
    },
  };
}

const typeOf = (value: unknown) => (Array.isArray(value) ? "array" : (typeof value as "number" | "string"));

/** A rule as Pulumi runs it. Without configuration it is mandatory. */
export function policyOf(rule: Rule): ResourceValidationPolicy | StackValidationPolicy {
  const about = {
    name: rule.name,
    description: `${rule.holds} ${rule.reason}`,
    enforcementLevel: "mandatory" as const,
    configSchema: schemaOf(rule),
  };
  if ("each" in rule)
    return {
      ...about,
      validateResource: (args, reportViolation) => {
        const { type, name, props } = args;
        const config = { ...rule.defaults, ...args.getConfig<Exceptions>() };
        const judge = rule.each[type];
        if (!judge || isExcepted(config, name)) return;
        const wrong = judge(props, config);
        if (wrong !== undefined) reportViolation(wrong);
      },
    };
  return {
    ...about,
    validateStack: (args, reportViolation) => {
      const config = { ...rule.defaults, ...args.getConfig<Exceptions>() };
      const unjudged: unknown[] = [];
      for (const resource of args.resources) {
        const judge = rule.among[resource.type];
        if (!judge || isExcepted(config, resource.name)) continue;
        try {
          const wrong = judge(resource, args.resources, config);
          if (wrong !== undefined) reportViolation(wrong, resource.urn);
        } catch (error) {
          // A value of one resource that is unknown in a preview must not hide what is known of the others.
          unjudged.push(error);
        }
      }
      // Pulumi says of an unknown value which rule it could not judge, and why.
      if (unjudged.length > 0) throw unjudged[0];
    },
  };
}
