import { isPrivateBlock } from "../components/network/addressBlocks";
import { isolatedVpcDefaults } from "../components/network/isolatedVpcDefaults";
import { eksClusterName, instanceClass, kmsKeyArn, regionPattern, subnets } from "./awsKinds";
import { checked, choice, flag, integer, optional, optionalInteger } from "./kinds";

/** The running copy of the database, in a second region. */
export const replica = {
  wanted: flag("replica", {
    description: "Whether there is a replica in another region; false only if deletionProtection is false",
    default: "true",
  }),
  cidr: optional("replicaCidr", (value) => isPrivateBlock(value, 16, 24), {
    description: `Private IPv4 block of the VPC that is made for the replica, /16 to /24, must not overlap the EKS cluster's VPC. Each stack on the same cluster needs a block of its own. Not set: ${isolatedVpcDefaults.cidr}`,
    rule: "a private IPv4 block from /16 to /24 without host bits, which the EKS cluster's VPC does not use",
    example: "10.90.0.0/20",
  }),
  zones: optionalInteger("replicaZones", 2, 3, {
    description: `Availability zones of the VPC that is made for the replica, 2 or 3; not set: ${isolatedVpcDefaults.zones}. RDS refuses 2 in place of 3 while the replica is in the third`,
    rule: "2 or 3 availability zones",
    example: "3",
  }),
  vpcId: optional("replicaVpcId", /^vpc-[0-9a-f]{8,17}$/, {
    description:
      "Existing VPC of replicaRegion for the replica, with replicaSubnetIds; not set: the program makes one with replicaCidr",
    rule: "the id of a VPC in replicaRegion",
    example: "vpc-0123456789abcdef0",
  }),
  subnetIds: subnets("replicaSubnetIds", "for the replica, of replicaVpcId or of replicaEksClusterName's VPC"),
  eksClusterName: optional("replicaEksClusterName", eksClusterName, {
    description:
      "Existing EKS cluster of replicaRegion; the replica is placed in the tagged private subnets of its VPC",
    rule: "the name of an existing EKS cluster in replicaRegion",
    example: "platform-prod-west",
  }),
  connected: flag("replicaVpcConnected", {
    description:
      "Whether that VPC and the primary's reach each other already, for example by a transit gateway; if not, the program peers them and adds routes",
    default: "false",
  }),
  instanceClass: instanceClass("replicaInstanceClass", {
    description: "RDS instance class of the replica; after a failover it is the primary's",
  }),
  promoted: flag("failedOver", {
    description:
      "Whether primaryRegion is lost: the replica becomes the primary, and everything runs in replicaRegion, on replicaEksClusterName. Only after `forget-region`; false again only with the settings that name the primary's new place: docs/failover.md",
    default: "false",
  }),
  fencedRegion: optional("fencedRegion", regionPattern, {
    description:
      "Region whose primary accepts nothing any more, before a planned switchover: the deployment closes it to whoever writes, and waits until the replica has every receipt. Only primaryRegion, and not set any more once that is another. Not set: the primary is open again: docs/failover.md",
    rule: "the region of the primary",
    example: "eu-central-1",
  }),
  failoverLagSeconds: integer("failoverLagSeconds", 0, 86_400, {
    description:
      "Seconds that the replica's last heartbeat may be older than the newest manifest in the bucket; a failover with more is refused before the replica is promoted",
    rule: "0 to 86400 seconds",
    example: "300",
    default: "60",
  }),
  acceptMissing: optional("acceptMissing", /^missing-[0-9a-f]{12}$/, {
    description:
      "What a failover goes on without: the digest that the refused one has printed after the names of what is missing. Of any other list the deployment is refused again, before the replica is promoted",
    rule: "the digest that the refused failover has printed",
    example: "missing-3f2a91bc04de",
  }),
};

/** Whether they are worth something. */
export const drill = {
  wanted: flag("drill", {
    description:
      "Whether both ways back, from the copies of the backups and from the bucket alone, are tried and proven on drillSchedule, in a VPC that the program makes in backupRegion and peers; only where backupCopies is true",
    default: "true",
  }),
  cidr: checked("drillCidr", (value) => isPrivateBlock(value, 16, 24), {
    description:
      "Private IPv4 block of that VPC, /16 to /24, must not overlap the EKS cluster's VPC or the replica's. Each stack on the same cluster needs a block of its own",
    rule: "a private IPv4 block from /16 to /24 without host bits, which neither the EKS cluster's VPC nor the replica's uses",
    example: "10.91.0.0/24",
    default: "10.91.0.0/24",
  }),
};

/** The copies at rest, in a third. */
export const backup = {
  copies: flag("backupCopies", {
    description: "Whether RDS' own backups are copied into backupRegion; false only if deletionProtection is false",
    default: "true",
  }),
  copyRetentionDays: integer("backupCopyRetentionDays", 1, 35, {
    description: "Days that the copies can be restored to, 1 to 35; a change ends the copying and starts a new one",
    rule: "1 to 35 days",
    example: "35",
    defaultFrom: "backupRetentionDays",
  }),
  bucketArn: optional("backupBucketArn", /^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, {
    description:
      "Backup bucket in another AWS account, which who owns the database can neither empty nor unlock (docs/backups.md says how it is made; lockMode and lockDays at most what it was made with, else nothing is written to it; receiptRetentionMonths the same); not set: the program makes one. Choose before the first deployment",
    rule: "the ARN of a bucket of another AWS account in backupRegion, with backupBucketKmsKeyArn",
    example: "arn:aws:s3:::authensor-prod-backups-1a2b3c4",
  }),
  bucketKmsKeyArn: optional("backupBucketKmsKeyArn", kmsKeyArn, {
    description: "KMS key of that bucket, of its account",
    rule: "the ARN of the key of backupBucketArn, in backupRegion and of another account than the database's",
    example: "arn:aws:kms:eu-north-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  }),
  regionConfirmed: flag("backupRegionConfirmed", {
    description:
      "Set to true if RDS copies backups from primaryRegion to backupRegion but this program's table (2022) does not list the pair",
    default: "false",
  }),
  lockMode: choice("lockMode", ["GOVERNANCE", "COMPLIANCE"], {
    description:
      "Object Lock of the backup bucket, GOVERNANCE or COMPLIANCE; under COMPLIANCE nobody can delete objects, so destroy fails",
    rule: "GOVERNANCE (a privileged user can delete) or COMPLIANCE (nobody can delete before the end)",
    example: "COMPLIANCE",
    default: "GOVERNANCE",
  }),
  lockDays: integer("lockDays", 1, 36500, {
    description: "Days that an object in the backup bucket cannot be deleted, 1 to 36500",
    rule: "1 to 36500 days, not longer than receiptRetentionMonths",
    example: "365",
    default: "30",
  }),
  receiptRetentionMonths: integer("receiptRetentionMonths", 6, 1200, {
    description: "Months that objects in the backup bucket are kept, 6 (EU AI Act, Article 12) to 1200",
    rule: "6 (EU AI Act, Article 12) to 1200 months",
    example: "24",
    default: "24",
  }),
  archiveDelayDays: integer("archiveDelayDays", 1, 90, {
    description:
      "Days after a month's end at which its segments in the backup bucket become one archive, 1 to 90; what was archived after the month's end is in the archive of the next, however long this is",
    rule: "1 to 90 days",
    example: "14",
    default: "7",
  }),
  onlineMonths: optionalInteger("onlineMonths", 1, 1200, {
    description:
      "Months that receipts stay in PostgreSQL after the end of theirs, and at least until the archive of the month after it is there; then the month leaves, if all archives with rows of it are whole and still locked (if one is not, neither it nor a later one leaves: docs/backups.md). What has left is gone once the bucket lets it go (receiptRetentionMonths). Not set: all stay",
    rule: "1 to 1200 months, less than receiptRetentionMonths",
    example: "6",
  }),
  archiveKnownFlaws: integer("archiveKnownFlaws", 0, 1_000_000, {
    description:
      "How many flaws of archived rows were looked into; while manifests in the bucket name more, every run of the archiver fails (docs/runbooks/archive-flawed.md)",
    rule: "0 to 1000000",
    example: "2",
    default: "0",
  }),
};
