import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

export interface EncryptionKeyArgs {
  /** Keys never leave their region. */
  region: string;
  /** What it encrypts, for whoever wonders whether it can go. */
  description: string;
  /** ARN of a key of this region to use in its place. Default: none, and one is made. */
  given?: string;
  /** Default: the account's own identities, as IAM allows them. */
  policy?: pulumi.Input<string>;
  tags?: Record<string, string>;
}

export interface EncryptionKey {
  arn: pulumi.Output<string>;
  /** Undefined where the key was given. */
  resource: aws.kms.Key | undefined;
}

/**
 * A KMS key of this project's own: rotated every year, findable by an alias of its name. Whoever asks for one says in `opts`
 * what must not be deleted (`protect`), and what must outlive the stack (`retainOnDelete`): a backup is gone with its key.
 */
export function encryptionKey(
  name: string,
  { region, description, given, policy, tags }: EncryptionKeyArgs,
  opts: pulumi.CustomResourceOptions,
): EncryptionKey {
  if (given !== undefined) return { arn: pulumi.output(given), resource: undefined };
  const key = new aws.kms.Key(
    name,
    {
      region,
      description,
      enableKeyRotation: true,
      // The longest there is to notice a mistake.
      deletionWindowInDays: 30,
      policy,
      tags,
    },
    opts,
  );
  new aws.kms.Alias(
    name,
    { region, targetKeyId: key.keyId },
    { parent: opts.parent, retainOnDelete: opts.retainOnDelete },
  );
  return { arn: key.arn, resource: key };
}
