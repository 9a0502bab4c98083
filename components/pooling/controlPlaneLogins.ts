import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import type { Credentials } from "../database/credentials";
import { type ControlPlaneLogin, controlPlaneLogin } from "./pgbouncerEntries";

export interface ControlPlaneLoginsArgs {
  /** Raised by one, it makes a new password and keeps the one of the generation before: the number of the roles' passwords. */
  generation: number;
}

/**
 * How the control plane logs in to PgBouncer, now and in the generation of passwords before. Nobody else needs it, so it is in the Secrets of
 * these two alone, and not in Secrets Manager.
 */
export class ControlPlaneLogins extends pulumi.ComponentResource {
  readonly current: Credentials<ControlPlaneLogin>;
  readonly previous: Credentials<ControlPlaneLogin>;

  constructor(name: string, { generation }: ControlPlaneLoginsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:pooling:ControlPlaneLogins", name, {}, opts);
    // Named by its generation, and alphanumeric, as the roles' are (databaseSecrets.ts).
    const make = (of: number): Credentials<ControlPlaneLogin> => ({
      user: controlPlaneLogin(of),
      password: new random.RandomPassword(`${name}-${of}`, { length: 32, special: false }, { parent: this }).result,
    });
    this.current = make(generation);
    this.previous = make(generation - 1);
    this.registerOutputs({});
  }
}
