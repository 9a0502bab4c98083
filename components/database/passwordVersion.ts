import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";

/**
 * The version of a write-only property with this password in it: 28 bits of its SHA-256, which leave 160 of its own unknown. Of the
 * password itself, because AWS is told the password again only when this changes. A number that is counted beside it may stay the same: set
 * back after a deployment that failed halfway, it would come with a password made anew.
 */
export function passwordVersion(password: pulumi.Input<string>): pulumi.Output<number> {
  const version = (text: string) => Number.parseInt(createHash("sha256").update(text).digest("hex").slice(0, 7), 16);
  // No secret: a preview shows that it changes.
  return pulumi.unsecret(pulumi.output(password).apply(version));
}
