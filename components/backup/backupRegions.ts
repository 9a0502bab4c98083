/**
 * Where RDS can copy a PostgreSQL instance's automated backups to, by the instance's region: "Source and destination AWS Region
 * support" in the RDS User Guide's page on replicating automated backups, as published on 2022-10-14. Since 2023 the guide names a command
 * in place of the table, `aws rds describe-source-regions` in the destination ("Finding information about replicated backups"), which
 * no look-up of the provider's calls: a pair that is not listed here is refused with that command, and a setting takes its answer.
 */
const destinations: Readonly<Record<string, readonly string[]>> = {
  "ap-northeast-1": ["ap-northeast-2", "ap-northeast-3", "ap-southeast-1", "us-east-1", "us-east-2", "us-west-2"],
  "ap-northeast-2": ["ap-northeast-1", "ap-southeast-1", "us-east-1", "us-east-2", "us-west-2"],
  "ap-northeast-3": ["ap-northeast-1"],
  "ap-south-1": ["ap-southeast-1", "us-east-1", "us-east-2", "us-west-2"],
  "ap-southeast-1": [
    ...["ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-2"],
    ...["us-east-1", "us-east-2", "us-west-2"],
  ],
  "ap-southeast-2": ["ap-southeast-1", "us-east-1", "us-west-1", "us-west-2"],
  "ca-central-1": ["eu-west-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"],
  "cn-north-1": ["cn-northwest-1"],
  "cn-northwest-1": ["cn-north-1"],
  "eu-central-1": ["eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "us-east-1", "us-east-2", "us-west-2"],
  "eu-north-1": ["eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "us-east-1"],
  "eu-west-1": [
    ...["ca-central-1", "eu-central-1", "eu-north-1", "eu-west-2", "eu-west-3"],
    ...["us-east-1", "us-east-2", "us-west-1", "us-west-2"],
  ],
  "eu-west-2": ["eu-central-1", "eu-north-1", "eu-west-1", "eu-west-3", "us-east-1"],
  "eu-west-3": ["eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "us-east-1"],
  "sa-east-1": ["us-east-1", "us-east-2"],
  "us-east-1": [
    ...["ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1"],
    ...["eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1"],
    ...["us-east-2", "us-west-1", "us-west-2"],
  ],
  "us-east-2": [
    ...["ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ca-central-1"],
    ...["eu-central-1", "eu-west-1", "sa-east-1", "us-east-1", "us-west-1", "us-west-2"],
  ],
  "us-gov-east-1": ["us-gov-west-1"],
  "us-gov-west-1": ["us-gov-east-1"],
  "us-west-1": ["ap-southeast-2", "ca-central-1", "eu-west-1", "us-east-1", "us-east-2", "us-west-2"],
  "us-west-2": [
    ...["ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1"],
    ...["eu-central-1", "eu-west-1", "us-east-1", "us-east-2", "us-west-1"],
  ],
};

/** Regions to which RDS copies the automated backups of an instance in this one; empty where none is known. */
export function backupRegionsFor(region: string): readonly string[] {
  return Object.hasOwn(destinations, region) ? destinations[region]! : [];
}
