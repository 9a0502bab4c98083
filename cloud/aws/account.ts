/** The one account of the local cloud: what AWS would put into ids and ARNs. */
import { createHash } from "node:crypto";
import type { Context, Properties, Resource } from "../handler";

/** Twelve digits, as AWS has them, and recognisably nobody's. */
export const accountId = "000000000000";

/** What the service refuses, in its words: "InvalidParameterValue: …". */
export class AwsError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(`${code}: ${message}`);
    this.name = "AwsError";
  }
}

export const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

export const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];

export const number = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);

/** Where a resource lives: its own `region` input, else that of the program's AWS provider. */
export function regionOf(inputs: Properties, context: Pick<Context, "resources">): string {
  const own = text(inputs.region);
  if (own !== undefined) return own;
  const provider = context.resources("pulumi:providers:aws").find((p) => text(p.inputs.region) !== undefined);
  return text(provider?.inputs.region) ?? text(process.env.AWS_REGION) ?? "us-east-1";
}

export function arn(service: string, region: string, resource: string): string {
  return `arn:aws:${service}:${region}:${accountId}:${resource}`;
}

export interface Arn {
  service: string;
  region: string;
  account: string;
  resource: string;
}

export function parseArn(value: string): Arn | undefined {
  const [prefix, , service, region, account, ...rest] = value.split(":");
  if (prefix !== "arn" || service === undefined || region === undefined || account === undefined) return undefined;
  return { service, region, account, resource: rest.join(":") };
}

/** Hex digits that follow from a name: the same resource has the same id in every run. */
export function hex(seed: string, digits: number): string {
  return createHash("sha256").update(seed).digest("hex").slice(0, digits);
}

/** An id as EC2 makes them: "vpc-0" and 16 more hex digits. */
export const ec2Id = (prefix: string, seed: string): string => `${prefix}-0${hex(`${prefix}/${seed}`, 16)}`;

export function uuid(seed: string): string {
  const digits = hex(seed, 32);
  return [0, 8, 12, 16, 20].map((from, i) => digits.slice(from, [8, 12, 16, 20, 32][i])).join("-");
}

/** The tags a resource ends up with: the provider's defaults below its own. */
export function allTags(inputs: Properties, context: Pick<Context, "resources">): Properties {
  const [provider] = context.resources("pulumi:providers:aws");
  return { ...defaultTags(provider), ...(inputs.tags as Properties | undefined) };
}

function defaultTags(provider: Resource | undefined): Properties {
  // Provider inputs travel as JSON texts, not as structures.
  let given = provider?.inputs.defaultTags;
  if (typeof given === "string") given = JSON.parse(given) as unknown;
  return ((given as { tags?: Properties } | undefined)?.tags ?? {}) satisfies Properties;
}
