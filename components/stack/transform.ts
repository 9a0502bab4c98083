import type * as pulumi from "@pulumi/pulumi";

/**
 * An escape hatch: the last word on a resource that a component makes. It is given the arguments and options that the component
 * would use, and returns those to use. What it changes is no longer what this project has tested.
 */
export type Transform<Args> = (
  args: Args,
  opts: pulumi.CustomResourceOptions,
) => { args: Args; opts?: pulumi.CustomResourceOptions };

/** Arguments and options after the transform, where there is one. */
export function transformed<Args>(
  transform: Transform<Args> | undefined,
  args: Args,
  opts: pulumi.CustomResourceOptions,
): { args: Args; opts: pulumi.CustomResourceOptions } {
  return { opts, ...(transform?.(args, opts) ?? { args }) };
}
