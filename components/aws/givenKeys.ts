import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import { RunError } from "@pulumi/pulumi/errors";
import { because } from "./lookUpError";
import { regionOfArn } from "./arn";

/**
 * Looks up the KMS keys that settings name. With one that is not there, or cannot encrypt, the deployment would fail halfway, when the
 * first thing is made with it.
 * @param arns by what they are for: `primary` is the setting primaryKmsKeyArn
 * @throws with one line for the first key that would not do
 */
export async function checkKeys(
  arns: Readonly<Record<string, string | undefined>>,
  opts?: pulumi.InvokeOptions,
): Promise<void> {
  for (const [role, arn] of Object.entries(arns)) {
    if (arn === undefined) continue;
    const setting = `${role}KmsKeyArn`;
    // A key is looked up in its own region; that it is the right one, the settings have checked.
    const region = regionOfArn(arn);
    const { keyState, keySpec, keyUsage } = await aws.kms
      .getKey({ keyId: arn, region }, opts)
      .catch(
        because(
          `${setting}: ${arn} cannot be looked up`,
          `with aws kms describe-key --key-id ${arn} --region ${region}`,
        ),
      );
    if (keyState !== "Enabled")
      throw new RunError(`${setting}: ${arn} is in the state ${keyState}; use a key that is Enabled`);
    if (keySpec !== "SYMMETRIC_DEFAULT" || keyUsage !== "ENCRYPT_DECRYPT")
      throw new RunError(
        `${setting}: ${arn} is a key for ${keyUsage} (${keySpec}); use a symmetric one that encrypts and decrypts`,
      );
  }
}
