import { describe, expect, test } from "vitest";
import { backupRegionsFor } from "../../components/backup/backupRegions";

describe("where RDS copies automated backups to", () => {
  test.each([
    ["eu-central-1", "eu-north-1", true],
    ["us-east-1", "sa-east-1", true],
    // Not both ways: London's backups go to Virginia, and Sao Paulo is reached from the United States alone.
    ["eu-west-2", "us-east-1", true],
    ["eu-west-2", "us-west-2", false],
    ["eu-central-1", "sa-east-1", false],
    ["us-west-1", "us-gov-west-1", false],
    ["eu-south-1", "eu-central-1", false],
    ["constructor", "eu-central-1", false],
  ])("from %s to %s: %s", (from, to, offered) => {
    expect(backupRegionsFor(from).includes(to)).toBe(offered);
  });

  test("is never the region itself, and never another partition", () => {
    const partition = (region: string) => /^(cn|us-gov)-|/.exec(region)![0];
    const regions = backupRegionsFor("us-east-1").concat("us-east-1", "cn-north-1", "us-gov-east-1", "ap-northeast-3");
    for (const from of regions) {
      expect(backupRegionsFor(from), from).not.toContain(from);
      expect(backupRegionsFor(from).length, from).toBeGreaterThan(0);
      for (const to of backupRegionsFor(from)) expect([from, to, partition(to)]).toEqual([from, to, partition(from)]);
    }
  });
});
