import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { databaseName, type RoleKey } from "../../ops/roles";
import type { DatabaseSecrets } from "./databaseSecrets";
import { passwordVersion } from "./passwordVersion";

export interface StoredPasswordsArgs {
  region: string;
  secrets: Pick<DatabaseSecrets, "secretArns" | "credentials">;
  /** What gives the owner its password, and what gives all others theirs. */
  inForce: { owner: pulumi.Resource; others: pulumi.Resource };
}

/**
 * The current logins in Secrets Manager, as JSON with `username`, `password` and `dbname`. Each is written once the server takes it: where
 * a deployment stops before that, what one reads there is still what works.
 */
export class StoredPasswords extends pulumi.ComponentResource {
  constructor(name: string, args: StoredPasswordsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:database:StoredPasswords", name, {}, opts);
    const { secretArns, credentials } = args.secrets;
    for (const role of Object.keys(secretArns) as RoleKey[]) {
      const { user: username, password } = credentials.current[role];
      new aws.secretsmanager.SecretVersion(
        `${name}-${role}`,
        {
          region: args.region,
          secretId: secretArns[role],
          // Write-only: AWS' copy is never read back into the state.
          secretStringWo: pulumi.secret(pulumi.jsonStringify({ username, password, dbname: databaseName })),
          secretStringWoVersion: passwordVersion(password),
        },
        { parent: this, dependsOn: role === "owner" ? args.inForce.owner : args.inForce.others },
      );
    }
    this.registerOutputs({});
  }
}
