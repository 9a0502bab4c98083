/** aws:iam/getPolicyDocument: the JSON that the provider builds from statements, merged as it merges. */
import type { Properties } from "../handler";
import { text, texts } from "./account";

type Statement = Record<string, unknown> & { Sid?: string };

interface Document {
  Version: string;
  Id?: string;
  Statement: Statement[];
}

/** One value stands alone, several are a list: as IAM itself writes them. */
const oneOrMore = (values: string[]): unknown => (values.length === 1 ? values[0] : values);

function principals(given: unknown): unknown {
  const list = (given ?? []) as { type: string; identifiers: string[] }[];
  if (list.length === 1 && list[0]?.type === "*" && list[0].identifiers.includes("*")) return "*";
  const byType = new Map<string, string[]>();
  for (const { type, identifiers } of list) byType.set(type, [...(byType.get(type) ?? []), ...identifiers]);
  return Object.fromEntries([...byType].map(([type, identifiers]) => [type, oneOrMore(identifiers)]));
}

function conditions(given: unknown): Properties | undefined {
  const list = (given ?? []) as { test: string; variable: string; values: string[] }[];
  if (list.length === 0) return undefined;
  const tests: Record<string, Record<string, unknown>> = {};
  for (const { test, variable, values } of list) (tests[test] ??= {})[variable] = oneOrMore(values);
  return tests;
}

function statement(given: Properties): Statement {
  const parts: Record<string, unknown> = {
    Sid: text(given.sid),
    Effect: text(given.effect) ?? "Allow",
    Action: lists(given.actions),
    NotAction: lists(given.notActions),
    Resource: lists(given.resources),
    NotResource: lists(given.notResources),
    Principal:
      Array.isArray(given.principals) && given.principals.length > 0 ? principals(given.principals) : undefined,
    NotPrincipal:
      Array.isArray(given.notPrincipals) && given.notPrincipals.length > 0
        ? principals(given.notPrincipals)
        : undefined,
    Condition: conditions(given.conditions),
  };
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined));
}

const lists = (value: unknown): unknown => (texts(value).length > 0 ? oneOrMore(texts(value)) : undefined);

const parsed = (documents: unknown): Statement[] =>
  texts(documents).flatMap((json) => [(JSON.parse(json) as { Statement: Statement | Statement[] }).Statement].flat());

/** The outputs of the data source. Later statements with the Sid of an earlier one take its place, if they override. */
export function policyDocument(inputs: Properties): Properties {
  const sources = parsed(inputs.sourcePolicyDocuments);
  const own = ((inputs.statements ?? []) as Properties[]).map(statement);
  const all = [...sources, ...own];
  const sids = all.flatMap(({ Sid }) => (Sid ? [Sid] : []));
  const twice = sids.find((sid, index) => sids.indexOf(sid) !== index);
  if (twice !== undefined)
    throw new Error(`duplicate Sid (${twice}) in a policy document: give each statement its own`);
  const merged = parsed(inputs.overridePolicyDocuments).reduce((statements, override) => {
    const at = override.Sid ? statements.findIndex(({ Sid }) => Sid === override.Sid) : -1;
    return at < 0 ? [...statements, override] : statements.with(at, override);
  }, all);
  const document: Document = {
    Version: text(inputs.version) ?? "2012-10-17",
    ...(text(inputs.policyId) !== undefined && { Id: text(inputs.policyId) }),
    Statement: merged,
  };
  const json = JSON.stringify(document, undefined, 2);
  return { ...inputs, id: json.length.toString(), json, minifiedJson: JSON.stringify(document) };
}
