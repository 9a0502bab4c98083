import { describe, expect, test } from "vitest";
import type { Context, Properties } from "../../cloud/handler";
import { handlers } from "../../cloud/random";

const make = async (type: string, inputs: Properties) => {
  const created = await handlers[`random:index/${type}`]?.create(inputs, {} as Context);
  return created as { id: string; outputs: Record<string, string> };
};

describe("random values", () => {
  test("a password has its length, its minimums, and only characters of the classes that are on", async () => {
    for (let i = 0; i < 200; i++) {
      const { outputs } = await make("randomPassword:RandomPassword", {
        length: 12,
        special: false,
        upper: false,
        minNumeric: 9,
      });
      expect(outputs.result).toMatch(/^[a-z0-9]{12}$/);
      expect(outputs.result?.replace(/\D/g, "").length).toBeGreaterThanOrEqual(9);
    }
  });

  test("a password's id does not give it away, and no two passwords are alike", async () => {
    const made = await Promise.all(
      Array.from({ length: 50 }, () => make("randomPassword:RandomPassword", { length: 32 })),
    );
    expect(made.every((password) => password.id === "none")).toBe(true);
    expect(new Set(made.map((password) => password.outputs.result)).size).toBe(50);
  });

  test("special characters come from overrideSpecial alone", async () => {
    const { outputs } = await make("randomPassword:RandomPassword", {
      length: 40,
      lower: false,
      upper: false,
      numeric: false,
      overrideSpecial: "-_",
    });
    expect(outputs.result).toMatch(/^[-_]{40}$/);
  });

  test("minimums that exceed the length are refused", async () => {
    await expect(async () => make("randomPassword:RandomPassword", { length: 2, minLower: 3 })).rejects.toThrow(
      /length 2/,
    );
  });

  test("a random id is the same bytes in every notation", async () => {
    const { id, outputs } = await make("randomId:RandomId", { byteLength: 4, prefix: "p-" });
    const bytes = Buffer.from(id, "base64url");
    expect(bytes).toHaveLength(4);
    expect(outputs).toMatchObject({ hex: `p-${bytes.toString("hex")}`, dec: `p-${bytes.readUInt32BE()}` });
  });
});
