import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { databaseName } from "../../ops/roles";
import { connection, directly } from "./connection";
import type { Credentials } from "../database/credentials";
import type { Endpoint } from "../database/servers";
import { databaseCaName } from "../pods/trust";
import type { DatabaseConnection } from "../programs/databaseConnection";

export interface VerifierConnectionArgs {
  /** Namespace of the Secrets, and of the pod that uses them. */
  namespace: pulumi.Input<string>;
  /** Where the server answers. */
  server: Endpoint;
  /** The verifier's, from `Database.secrets`. */
  login: Credentials;
  /** PEM of what signs the server's certificate. */
  databaseCa: string;
}

/**
 * The verifier's way to a server of which more is not known yet: what compares a replica before it is promoted cannot
 * wait for `Connections`, which are made of the promoted instance.
 */
export class VerifierConnection extends pulumi.ComponentResource {
  /** As `Connections` have it. */
  readonly trustSecret: pulumi.Output<string>;
  readonly database: DatabaseConnection;

  constructor(name: string, args: VerifierConnectionArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:connections:VerifierConnection", name, {}, opts);
    const metadata = { namespace: args.namespace };
    const trust = new k8s.core.v1.Secret(
      `${name}-trust`,
      { metadata, immutable: true, stringData: { [databaseCaName]: args.databaseCa } },
      { parent: this },
    );
    this.trustSecret = trust.metadata.name;
    const to = { to: directly(args.server), database: databaseName, login: args.login };
    this.database = connection(`${name}-database`, { metadata, ...to }, this);

    this.registerOutputs({ trustSecret: this.trustSecret });
  }
}
