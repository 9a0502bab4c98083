import { describe, expect, test } from "vitest";
import { overlaps, quarters } from "../../components/network/addressBlocks";

describe("two blocks overlap", () => {
  test.each([
    ["10.0.0.0/16", "10.0.0.0/16", true],
    ["10.0.0.0/8", "10.90.0.0/20", true],
    ["10.90.0.0/20", "10.0.0.0/8", true],
    ["10.90.15.255/32", "10.90.0.0/20", true],
    ["10.90.16.0/20", "10.90.0.0/20", false],
    ["10.89.240.0/20", "10.90.0.0/20", false],
    ["192.168.0.0/16", "172.16.0.0/12", false],
    // Addresses past 2^31 must not turn negative.
    ["192.168.0.0/24", "192.168.1.0/24", false],
    ["0.0.0.0/0", "192.168.1.0/24", true],
  ])("%s and %s: %s", (one, other, expected) => {
    expect(overlaps(one, other)).toBe(expected);
  });
});

describe("a VPC's block is quartered", () => {
  test.each([
    ["10.90.0.0/20", 3, ["10.90.0.0/22", "10.90.4.0/22", "10.90.8.0/22"]],
    ["192.168.255.0/24", 2, ["192.168.255.0/26", "192.168.255.64/26"]],
    ["172.16.0.0/16", 3, ["172.16.0.0/18", "172.16.64.0/18", "172.16.128.0/18"]],
  ])("%s for %d zones", (cidr, count, expected) => {
    expect(quarters(cidr, count)).toEqual(expected);
  });

  test("a third zone leaves the first two subnets where they are", () => {
    expect(quarters("10.90.0.0/20", 3).slice(0, 2)).toEqual(quarters("10.90.0.0/20", 2));
  });
});
