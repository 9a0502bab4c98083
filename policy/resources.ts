/** Types of resources that several rules judge, and how resources belong together. */
import type { PolicyResource } from "@pulumi/policy";
import type { Properties } from "./rule";

export const instance = "aws:rds/instance:Instance";

/** Whether a property of one resource comes from another: the engine knows, even where the value is not known yet. */
export const refersTo = (resource: PolicyResource, property: string, target: PolicyResource, texts: () => unknown[]) =>
  resource.propertyDependencies[property]?.some(({ urn }) => urn === target.urn) === true ||
  ((resource.propertyDependencies[property] ?? []).length === 0 &&
    texts().includes(resource.props[property] as unknown));

/** The region that a resource of AWS is in: its own, or its provider's. */
export const regionOf = ({ props, provider }: PolicyResource) =>
  (props.region ?? provider?.props.region) as string | undefined;

/** Every statement of an IAM policy, as text or as an object. */
export function statements(policy: unknown): Properties[] {
  const document = (typeof policy === "string" ? JSON.parse(policy) : (policy ?? {})) as Properties;
  return listOf(document.Statement);
}

/** Whether a statement is limited by a condition; an empty one, or an operator that compares nothing, limits nothing. */
export const isConditional = ({ Condition }: Properties) =>
  Object.values((Condition ?? {}) as Properties).some((compared) => Object.keys(compared as Properties).length > 0);

/** Whether a principal of a policy is everybody. */
export const isAnyone = (principal: unknown) =>
  principal === "*" || listOf((principal as Properties | undefined)?.AWS as string).includes("*");

/** IAM and Kubernetes allow one in place of a list of one. */
export const listOf = <T>(value: T | T[] | undefined | null): T[] =>
  value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
