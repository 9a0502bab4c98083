import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { describe, expect, test } from "vitest";
import type { Credentials } from "../../components/database/credentials";
import { DatabaseSecrets } from "../../components/database/databaseSecrets";
import { StoredPasswords } from "../../components/database/storedPasswords";
import { passwordVersion } from "../../components/database/passwordVersion";
import { record, valueOf } from "./mocks";

const build = (generation = 1) =>
  record(
    () =>
      new DatabaseSecrets("s", {
        primaryRegion: "eu-central-1",
        replicaRegion: "eu-west-1",
        generation,
        tags: { team: "platform" },
      }),
  );

const password = "random:index/randomPassword:RandomPassword";
const secret = "aws:secretsmanager/secret:Secret";
const version = "aws:secretsmanager/secretVersion:SecretVersion";
const createdRoles = ["app", "archiver", "auditor", "maintenance", "monitor", "telemetry", "verifier"];
const rolesByName = ["app", "archiver", "auditor", "maintenance", "monitor", "owner", "telemetry", "verifier"];

describe("the database's secrets", () => {
  test("are a secret for each of the six roles, under a key in each region, and passwords of two generations", async () => {
    const world = await build();
    const each = (type: string) => rolesByName.map((role) => `${type} s-${role}`);
    expect(world.census).toEqual(
      [
        "authensor:database:DatabaseSecrets s",
        "aws:kms/alias:Alias s-key",
        "aws:kms/alias:Alias s-replica-key",
        "aws:kms/key:Key s-key",
        "aws:kms/key:Key s-replica-key",
        ...rolesByName.map((role) => `${password} s-${role}-1`),
        ...createdRoles.map((role) => `${password} s-${role}-0`),
        ...each(secret),
      ].sort(),
    );
  });

  test("are alphanumeric, so that no URL or INI file needs to escape them", async () => {
    const world = await build(7);
    for (const { inputs } of world.all(password)) expect(inputs).toEqual({ length: 32, special: false });
  });

  test("of the next generation are new, by the role's other login, and keep what the one before is logged in by", async () => {
    const plain = async (generation: number) => {
      const { current, previous } = (await build(generation)).result.credentials;
      const of = async ({ user, password: secret }: Credentials) => [user, await valueOf(pulumi.output(secret))];
      return { current: await of(current.app), previous: await of(previous.app), owner: await of(current.owner) };
    };
    const [first, second, third] = [await plain(1), await plain(2), await plain(3)];
    expect(second.previous).toEqual(first.current);
    expect(third.previous).toEqual(second.current);
    expect([first, second, third].map(({ current }) => current[0])).toEqual([
      "authensor_app",
      "authensor_app_b",
      "authensor_app",
    ]);
    expect(new Set([first, second, third].map(({ current }) => current[1])).size).toBe(3);
    expect([first, second].map(({ owner }) => owner[0])).toEqual(["authensor_owner", "authensor_owner"]);
    expect(second.owner[1]).not.toBe(first.owner[1]);
  });

  test("lie in the primary's region and are replicated to the replica's, each under that region's key", async () => {
    const world = await build();
    for (const { inputs } of world.all(secret)) {
      expect(inputs).toMatchObject({
        region: "eu-central-1",
        kmsKeyId: world.arnOf("aws:kms/key:Key", "s-key"),
        replicas: [{ region: "eu-west-1", kmsKeyId: world.arnOf("aws:kms/key:Key", "s-replica-key") }],
        tags: { team: "platform" },
      });
    }
    for (const key of world.all("aws:kms/key:Key")) expect(key.inputs).toMatchObject({ enableKeyRotation: true });
  });

  test("change their version with the password, whatever its generation, and with nothing else", async () => {
    const [one, same, other] = await Promise.all(["a", "a", "b"].map((text) => valueOf(passwordVersion(text))));
    expect(one).toBe(same);
    expect(one).not.toBe(other);
    expect(Number.isSafeInteger(one) && one! >= 0 && one! < 2 ** 31).toBe(true);
  });

  test("differ by role, and never stand anywhere in plain text", async () => {
    const world = await build();
    const { current, previous } = world.result.credentials;
    const logins = [...Object.values(current), ...Object.values(previous)];
    const texts = await Promise.all(logins.map(({ password: secret }) => valueOf(pulumi.output(secret))));
    expect(new Set(texts).size).toBe(15);
    world.expectNothingSecretInPlain();
  });
});

describe("the passwords in Secrets Manager", () => {
  const store = () =>
    record(() => {
      const made = (id: string) => new random.RandomId(id, { byteLength: 1 });
      const inForce = { owner: made("server"), others: made("job") };
      const secrets = new DatabaseSecrets("s", { primaryRegion: "eu-central-1", generation: 3 });
      new StoredPasswords("p", { region: "eu-central-1", secrets, inForce });
    });

  test("are written write-only, as JSON with the role's name, in a version that follows the password", async () => {
    const world = await store();
    const owner = world.one(version, "p-owner");
    const follows = await valueOf(passwordVersion("Generated32Forsowner3"));
    expect(owner.inputs).toMatchObject({
      region: "eu-central-1",
      secretId: world.idOf(secret, "s-owner"),
      secretStringWoVersion: follows,
    });
    expect(owner.inputs).not.toHaveProperty("secretString");
    expect(owner.secrets).toEqual(["secretStringWo"]);
    expect(JSON.parse(String(owner.inputs.secretStringWo))).toEqual({
      username: "authensor_owner",
      password: "Generated32Forsowner3",
      dbname: "authensor",
    });
  });

  test("are written once they work: the owner's after the server, all others after the migrations", async () => {
    const world = await store();
    const inForce = (role: string) =>
      ["server", "job"].filter((id) =>
        world.one(version, `p-${role}`).dependencies.some((urn) => urn.endsWith(`::${id}`)),
      );
    expect(rolesByName.map((role) => [role, inForce(role)])).toEqual(
      rolesByName.map((role) => [role, [role === "owner" ? "server" : "job"]]),
    );
  });
});
