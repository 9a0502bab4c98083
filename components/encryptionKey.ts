import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";

export interface EncryptionKeyArgs {
  /** Keys never leave their region. */
  region: string;
  /** What it encrypts, for whoever wonders whether it can go. */
  description: string;
  tags?: Record<string, string>;
}

/**
 * A KMS key of this project's own: rotated every year, findable by an alias of its name. Whoever asks for one says in `opts`
 * what must not be deleted (`protect`), and what must outlive the stack (`retainOnDelete`): a backup is gone with its key.
 */
export function encryptionKey(
  name: string,
  { region, description, tags }: EncryptionKeyArgs,
  opts: pulumi.CustomResourceOptions,
): aws.kms.Key {
  const key = new aws.kms.Key(
    name,
    {
      region,
      description,
      enableKeyRotation: true,
      // The longest there is to notice a mistake.
      deletionWindowInDays: 30,
      tags,
    },
    opts,
  );
  new aws.kms.Alias(name, { region, targetKeyId: key.keyId }, { parent: opts.parent });
  return key;
}
