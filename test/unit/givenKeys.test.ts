import { describe, expect, test } from "vitest";
import { checkKeys } from "../../components/aws/givenKeys";
import { lookups } from "./mockOutputs";
import { record, type Values } from "./mocks";

const arn = "arn:aws:kms:eu-west-1:123456789012:key/1";
const getKey = "aws:kms/getKey:getKey";
const check = (answer?: (inputs: Values) => Values) =>
  record(() => checkKeys({ primary: undefined, replica: arn }), { invokes: answer && { [getKey]: answer } });

describe("a KMS key that is given", () => {
  test("is looked up in its own region; nothing is asked for where none is given", async () => {
    const { invoked } = await check();
    expect(invoked).toEqual([{ token: getKey, inputs: { keyId: arn, region: "eu-west-1" } }]);
  });

  test("is refused where it is not there, in one line with the setting, AWS' reason and a command", async () => {
    const missing = check(() => {
      throw new Error("1 error occurred:\n\t* reading KMS Key: NotFoundException: Key does not exist\n\n");
    });
    await expect(missing).rejects.toThrow(
      /^replicaKmsKeyArn: arn:\S+ cannot be looked up: reading KMS Key: NotFoundException: Key does not exist\. Check with aws kms describe-key .*$/,
    );
    await expect(missing).rejects.toMatchObject({ __pulumiRunError: true });
  });

  test.each<[Values, RegExp]>([
    [
      { keyState: "PendingDeletion" },
      /^replicaKmsKeyArn: \S+ is in the state PendingDeletion; use a key that is Enabled$/,
    ],
    [{ keySpec: "RSA_2048" }, /^replicaKmsKeyArn: .* \(RSA_2048\); use a symmetric one that encrypts and decrypts$/],
    [{ keyUsage: "GENERATE_VERIFY_MAC" }, /^replicaKmsKeyArn: \S+ is a key for GENERATE_VERIFY_MAC /],
  ])("is refused with %j", async (wrong, line) => {
    await expect(check((inputs) => ({ ...lookups[getKey]!(inputs), ...wrong }))).rejects.toThrow(line);
  });
});
