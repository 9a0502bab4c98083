import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { describe, expect, test } from "vitest";
import { recordedOutputs } from "../../cloud/aws/recorded";
import { record, unknown, valueOf } from "./mocks";

class Pair extends pulumi.ComponentResource {
  readonly key: aws.kms.Key;

  constructor(name: string, opts?: pulumi.ComponentResourceOptions) {
    super("test:index:Pair", name, {}, opts);
    this.key = new aws.kms.Key(`${name}-key`, { region: "eu-west-1" }, { parent: this, protect: true });
    new aws.kms.Alias(
      `${name}-alias`,
      { targetKeyId: this.key.keyId },
      { parent: this, ignoreChanges: ["name"], dependsOn: [this.key] },
    );
    this.registerOutputs({ arn: this.key.arn });
  }
}

describe("the recorder", () => {
  test("sees types, names, parents, options and what depends on what", async () => {
    const world = await record(() => new Pair("p"));
    expect(world.census).toEqual(["aws:kms/alias:Alias p-alias", "aws:kms/key:Key p-key", "test:index:Pair p"]);
    const key = world.one("aws:kms/key:Key");
    expect(key).toMatchObject({ parent: "p", protect: true, inputs: { region: "eu-west-1" } });
    expect(world.one("aws:kms/alias:Alias")).toMatchObject({
      inputs: { targetKeyId: key.computed.keyId },
      ignoreChanges: ["name"],
      dependencies: [key.urn],
      propertyDependencies: { targetKeyId: [key.urn] },
    });
    expect(world.one("test:index:Pair").outputs).toEqual({ arn: key.computed.arn });
    expect(await valueOf(world.result.key.keyId)).toBe(key.computed.keyId);
  });

  test("knows by which URNs a renamed component and its children were known", async () => {
    const before = await record(() => new Pair("old"));
    const { resources } = await record(() => new Pair("p", { aliases: [{ name: "old" }] }));
    expect(resources.flatMap(({ formerly }) => formerly)).toEqual(before.resources.map(({ urn }) => urn));
    const moved = await record(() => new Pair("p", { aliases: [{ type: "test:other:Pair" }] }));
    expect(moved.one("aws:kms/key:Key").formerly).toEqual([
      "urn:pulumi:test::authensor-database::test:other:Pair$aws:kms/key:Key::p-key",
    ]);
  });

  test("keeps the mark on secrets, and finds one that lost it", async () => {
    const safe = await record(() => {
      const password = new random.RandomPassword("pw", { length: 32 });
      new aws.secretsmanager.Secret("kept", { description: pulumi.interpolate`user:${password.result}@host` });
    });
    expect(safe.one("aws:secretsmanager/secret:Secret").secrets).toEqual(["description"]);
    expect(() => safe.expectNothingSecretInPlain()).not.toThrow();

    const leaking = await record(() => {
      const password = new random.RandomPassword("pw", { length: 32 });
      const base64 = pulumi.unsecret(password.result).apply((text) => Buffer.from(`url=${text}`).toString("base64"));
      new aws.secretsmanager.Secret("leaked", { description: pulumi.unsecret(password.result) });
      new aws.secretsmanager.Secret("hidden", { description: base64 });
    });
    expect(leaking.secretsInPlain.sort()).toEqual([
      "aws:secretsmanager/secret:Secret hidden: description",
      "aws:secretsmanager/secret:Secret leaked: description",
    ]);
  });

  test("knows nothing computed in a preview", async () => {
    const world = await record(() => new Pair("p"), { preview: true });
    expect(world.one("aws:kms/alias:Alias").inputs).toEqual({ targetKeyId: unknown });
  });

  test("rejects with what went wrong inside an apply", async () => {
    const failing = record(() => {
      const key = new aws.kms.Key("key");
      new aws.kms.Alias("alias", {
        targetKeyId: key.keyId.apply(() => {
          throw new Error("refused");
        }),
      });
    });
    await expect(failing).rejects.toThrow("refused");
  });

  test("takes what is computed from the local cloud, and refuses a type that it does not know", async () => {
    const world = await record(() => new aws.kms.Key("k", { region: "eu-west-1" }));
    const { outputs } = recordedOutputs(
      { region: "eu-west-1" },
      { type: "aws:kms/key:Key", physicalName: "k-abc1234", resources: () => [] },
    );
    expect(await valueOf(world.result.arn)).toBe(outputs.arn);
    await expect(record(() => new aws.ssm.Parameter("p", { type: "String", value: "x" }))).rejects.toThrow(
      "aws:ssm/parameter:Parameter: the local cloud does not know what AWS would compute",
    );
  });

  test("refuses two resources of one URN, and look-ups nobody answers", async () => {
    await expect(record(() => [new aws.kms.Key("same"), new aws.kms.Key("same")])).rejects.toThrow("two resources");
    await expect(record(() => aws.ec2.getEipsOutput())).rejects.toThrow("aws:ec2/getEips:getEips");
  });
});
