import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { loginOf, roles, type RoleKey } from "../../ops/roles";
import { createdRoleKeys, type CreatedRoleKey, type Credentials, type Generations } from "./credentials";
import { encryptionKey } from "../aws/encryptionKey";

export interface DatabaseSecretsArgs {
  primaryRegion: string;
  /** Secrets are replicated here: after a failover nothing may depend on the region that was lost. Default: they are not. */
  replicaRegion?: string;
  /** ARNs of KMS keys to use, of the primary's and of the replica's region. Default: keys are made. */
  kmsKeyArn?: string;
  replicaKmsKeyArn?: string;
  /** Raised by one, it makes new passwords and keeps those of the generation before. */
  generation: number;
  /** Added to every resource that takes tags. */
  tags?: Record<string, string>;
}

/**
 * A login for each role of the database, and a place for the current one in Secrets Manager in both regions under keys of their own, so
 * that who may read backups may not thereby read passwords. The generation before is made too: it works until the next one comes.
 */
export class DatabaseSecrets extends pulumi.ComponentResource {
  /** Passwords are alphanumeric, so that they need no escaping in a URL, an INI file or a .pgpass. */
  readonly credentials: Generations;
  /** Secrets Manager ARNs in the primary region; `StoredPasswords` fills them. */
  readonly secretArns: Record<RoleKey, pulumi.Output<string>>;

  constructor(name: string, args: DatabaseSecretsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("authensor:database:DatabaseSecrets", name, {}, opts);
    const { primaryRegion, replicaRegion, generation, tags } = args;
    const parent = { parent: this };

    const description = "Authensor: passwords of the database's roles";
    const key = encryptionKey(
      `${name}-key`,
      { region: primaryRegion, description, given: args.kmsKeyArn, tags },
      parent,
    );
    const replicaKey =
      replicaRegion === undefined
        ? undefined
        : encryptionKey(
            `${name}-replica-key`,
            { region: replicaRegion, description, given: args.replicaKmsKeyArn, tags },
            parent,
          );

    // Named by its generation: a deployment that fails, or is cut off, keeps the password that is in use, and going back finds it.
    const make = (role: RoleKey, of: number): Credentials => ({
      user: loginOf(role, of),
      password: new random.RandomPassword(
        `${name}-${role}-${of}`,
        // 32 of 62 characters: 190 bits. RDS takes up to 128.
        { length: 32, special: false },
        parent,
      ).result,
    });
    const made = (Object.keys(roles) as RoleKey[]).map((role) => {
      const current = make(role, generation);
      const secret = new aws.secretsmanager.Secret(
        `${name}-${role}`,
        {
          region: primaryRegion,
          description: `Authensor database role ${roles[role]}`,
          kmsKeyId: key.arn,
          ...(replicaRegion !== undefined && { replicas: [{ region: replicaRegion, kmsKeyId: replicaKey?.arn }] }),
          tags,
        },
        parent,
      );
      return { role, current, arn: secret.arn };
    });
    const byRole = <T>(pick: (item: (typeof made)[number]) => T) =>
      Object.fromEntries(made.map((item) => [item.role, pick(item)])) as Record<RoleKey, T>;
    this.credentials = {
      current: byRole((item) => item.current),
      previous: Object.fromEntries(createdRoleKeys.map((role) => [role, make(role, generation - 1)])) as Record<
        CreatedRoleKey,
        Credentials
      >,
    };
    this.secretArns = byRole((item) => item.arn);

    this.registerOutputs({ secretArns: this.secretArns });
  }
}
