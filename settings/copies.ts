import { isPrivateBlock } from "../components/addressBlocks";
import { replicaVpcDefaults } from "../components/replicaVpcDefaults";
import { eksClusterName, instanceClass, subnets } from "./awsKinds";
import { choice, flag, integer, optional, optionalInteger } from "./kinds";

/** The running copy of the database, in a second region. */
export const replica = {
  wanted: flag("replica", {
    description: "Whether there is a replica in another region; false only where deletionProtection is false",
    default: "true",
  }),
  cidr: optional("replicaCidr", (value) => isPrivateBlock(value, 16, 24), {
    description: `Private IPv4 block of the VPC that is made for the replica, /16 to /24, must not overlap the EKS cluster's VPC. Each stack on the same cluster needs a block of its own. Not set: ${replicaVpcDefaults.cidr}`,
    rule: "a private IPv4 block from /16 to /24 without host bits, which the EKS cluster's VPC does not use",
    example: "10.90.0.0/20",
  }),
  zones: optionalInteger("replicaZones", 2, 3, {
    description: `Availability zones of the VPC that is made for the replica, 2 or 3; not set: ${replicaVpcDefaults.zones}`,
    rule: "2 or 3 availability zones",
    example: "3",
  }),
  vpcId: optional("replicaVpcId", /^vpc-[0-9a-f]{8,17}$/, {
    description:
      "Existing VPC of replicaRegion for the replica, with replicaSubnetIds; not set: one is made, of replicaCidr",
    rule: "the id of a VPC in replicaRegion",
    example: "vpc-0123456789abcdef0",
  }),
  subnetIds: subnets("replicaSubnetIds", "for the replica, of replicaVpcId or of replicaEksClusterName's VPC"),
  eksClusterName: optional("replicaEksClusterName", eksClusterName, {
    description:
      "Existing EKS cluster of replicaRegion to place the replica beside, in its VPC's tagged private subnets",
    rule: "the name of an existing EKS cluster in replicaRegion",
    example: "platform-prod-west",
  }),
  connected: flag("replicaVpcConnected", {
    description:
      "Whether that VPC and the primary's reach each other already (a transit gateway); if not, both are peered and routed to each other",
    default: "false",
  }),
  instanceClass: instanceClass("replicaInstanceClass", {
    description: "RDS instance class of the replica; becomes the primary's in a failover",
  }),
};

/** The copies at rest, in a third. */
export const backup = {
  copies: flag("backupCopies", {
    description: "Whether RDS' own backups are copied into backupRegion; false only where deletionProtection is false",
    default: "true",
  }),
  copyRetentionDays: integer("backupCopyRetentionDays", 1, 35, {
    description: "Days that the copies can be restored to, 1 to 35; a change ends one copying and begins another",
    rule: "1 to 35 days",
    example: "35",
    defaultFrom: "backupRetentionDays",
  }),
  regionConfirmed: flag("backupRegionConfirmed", {
    description:
      "Whether RDS copies backups from primaryRegion to backupRegion although this program's table of pairs (2022) lacks the pair",
    default: "false",
  }),
  lockMode: choice("lockMode", ["GOVERNANCE", "COMPLIANCE"], {
    description:
      "Object Lock of the backup bucket, GOVERNANCE or COMPLIANCE; nobody can delete under COMPLIANCE, destroy included",
    rule: "GOVERNANCE (can be lifted) or COMPLIANCE (nobody can delete before the end)",
    example: "COMPLIANCE",
    default: "GOVERNANCE",
  }),
  lockDays: integer("lockDays", 1, 36500, {
    description: "Days that an object in the backup bucket cannot be deleted, 1 to 36500",
    rule: "1 to 36500 days, no longer than the receipts are kept",
    example: "365",
    default: "30",
  }),
  receiptRetentionMonths: integer("receiptRetentionMonths", 6, 1200, {
    description: "Months until what is in the backup bucket expires, 6 (EU AI Act, Article 12) to 1200",
    rule: "6 months (EU AI Act, Article 12) to 1200",
    example: "24",
    default: "24",
  }),
};
