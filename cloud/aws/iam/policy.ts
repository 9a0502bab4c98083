/** What a policy says of one request. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html */
import { z } from "zod";

const oneOrMore = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat());

const values = z
  .union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number(), z.boolean()]))])
  .transform((value) => [value].flat().map(String));

const statement = z.strictObject({
  Sid: z.string().optional(),
  Effect: z.enum(["Allow", "Deny"]),
  Principal: z.union([z.literal("*"), z.strictObject({ AWS: oneOrMore })]).optional(),
  Action: oneOrMore.optional(),
  NotAction: oneOrMore.optional(),
  Resource: oneOrMore.optional(),
  NotResource: oneOrMore.optional(),
  Condition: z
    .record(
      z.string().refine(isOperator, "a condition operator that the local cloud knows"),
      z.record(z.string(), values),
    )
    .optional(),
});

export type Statement = z.infer<typeof statement>;

const policy = z.object({ Statement: z.union([statement.transform((one) => [one]), z.array(statement)]) });

export interface Asked {
  /** "s3:PutObject" */
  action: string;
  /** ARN. */
  resource: string;
  /** ARN of who asks. */
  principal: string;
  /** What conditions compare, by key; undefined where the request says nothing of it. */
  keys: Readonly<Record<string, string | undefined>>;
}

/** @throws where a statement has what is not evaluated here: it would be a permission, or a denial, that nobody checks */
export function readPolicy(text: string): Statement[] {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error("the policy must be JSON");
  }
  const parsed = policy.safeParse(json);
  if (parsed.success) return parsed.data.Statement;
  const [issue] = parsed.error.issues;
  throw new Error(`${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}

/** A denial wins; undefined where no statement is about it. */
export function effectOf(statements: readonly Statement[], asked: Asked): "Allow" | "Deny" | undefined {
  const effects = statements.filter((one) => applies(one, asked)).map(({ Effect }) => Effect);
  return effects.includes("Deny") ? "Deny" : effects[0];
}

function applies(of: Statement, { action, resource, principal, keys }: Asked): boolean {
  const anyAction = (patterns: string[]) => patterns.some((one) => matches(one.toLowerCase(), action.toLowerCase()));
  const anyResource = (patterns: string[]) => patterns.some((one) => matches(one, resource));
  return (
    (of.Action === undefined || anyAction(of.Action)) &&
    (of.NotAction === undefined || !anyAction(of.NotAction)) &&
    (of.Resource === undefined || anyResource(of.Resource)) &&
    (of.NotResource === undefined || !anyResource(of.NotResource)) &&
    (of.Principal === undefined ||
      of.Principal === "*" ||
      of.Principal.AWS.some((one) => isPrincipal(one, principal))) &&
    Object.entries(of.Condition ?? {}).every(([operator, compared]) =>
      Object.entries(compared).every(([key, wanted]) => holds(operator, keys[key], wanted)),
    )
  );
}

/** An account, by its number or as its root, is everybody in it. */
function isPrincipal(wanted: string, principal: string): boolean {
  const account = principal.split(":")[4];
  return ["*", principal, account, `arn:aws:iam::${account}:root`].includes(wanted);
}

/** "*" is any text, "?" any character. */
export function matches(pattern: string, text: string): boolean {
  const escaped = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${escaped}$`, "s").test(text);
}

type Compare = (found: string, wanted: string) => boolean;

const comparisons: Readonly<Record<string, Compare>> = {
  StringEquals: (found, wanted) => found === wanted,
  StringEqualsIgnoreCase: (found, wanted) => found.toLowerCase() === wanted.toLowerCase(),
  StringLike: (found, wanted) => matches(wanted, found),
  ArnEquals: (found, wanted) => matches(wanted, found),
  ArnLike: (found, wanted) => matches(wanted, found),
  Bool: (found, wanted) => found === wanted,
  NumericEquals: (found, wanted) => Number(found) === Number(wanted),
  NumericLessThan: (found, wanted) => Number(found) < Number(wanted),
  NumericLessThanEquals: (found, wanted) => Number(found) <= Number(wanted),
  NumericGreaterThan: (found, wanted) => Number(found) > Number(wanted),
  NumericGreaterThanEquals: (found, wanted) => Number(found) >= Number(wanted),
};

function parseOperator(operator: string) {
  const plain = operator.replace(/IfExists$/, "");
  return {
    name: plain.replace(/Not(Equals|Like)/, "$1"),
    negated: /Not(Equals|Like)/.test(plain),
    ifExists: plain !== operator,
  };
}

function isOperator(operator: string): boolean {
  return operator === "Null" || Object.hasOwn(comparisons, parseOperator(operator).name);
}

/** A comparison with what the request does not say is false, a negated one true. */
function holds(operator: string, found: string | undefined, wanted: readonly string[]): boolean {
  if (operator === "Null") return wanted.includes(String(found === undefined));
  const { name, negated, ifExists } = parseOperator(operator);
  if (found === undefined) return negated || ifExists;
  return wanted.some((one) => comparisons[name]!(found, one)) !== negated;
}
