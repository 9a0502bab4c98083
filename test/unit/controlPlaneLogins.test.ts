import * as pulumi from "@pulumi/pulumi";
import { expect, test } from "vitest";
import { ControlPlaneLogins } from "../../components/pooling/controlPlaneLogins";
import { record, valueOf } from "./mocks";

const build = (generation: number) => record(() => new ControlPlaneLogins("l", { generation }));
const password = "random:index/randomPassword:RandomPassword";

test("the control plane's logins to PgBouncer are two passwords, secret and alphanumeric, and nothing in AWS", async () => {
  const world = await build(1);
  expect(world.census).toEqual(["authensor:pooling:ControlPlaneLogins l", `${password} l-0`, `${password} l-1`]);
  for (const { inputs } of world.all(password)) expect(inputs).toEqual({ length: 32, special: false });
  const { current, previous } = world.result;
  for (const login of [current, previous]) expect(await pulumi.isSecret(pulumi.output(login.password))).toBe(true);
});

test("the next generation comes by the other login with a new password, and keeps what the one before comes by", async () => {
  const plain = async (generation: number) => {
    const { current, previous } = (await build(generation)).result;
    const of = async ({ user, password: secret }: typeof current) => [user, await valueOf(pulumi.output(secret))];
    return { current: await of(current), previous: await of(previous) };
  };
  const [first, second, third] = [await plain(1), await plain(2), await plain(3)];
  expect(second.previous).toEqual(first.current);
  expect(third.previous).toEqual(second.current);
  expect([first, second, third].map(({ current }) => current[0])).toEqual([
    "authensor_control_plane",
    "authensor_control_plane_b",
    "authensor_control_plane",
  ]);
  expect(new Set([first, second, third].map(({ current }) => current[1])).size).toBe(3);
});
