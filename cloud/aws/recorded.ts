/**
 * Resources with no meaning on this machine: they are remembered, with outputs such as AWS would compute, so that whatever
 * is made from them has ids, ARNs and names of the right shape, account and region.
 */
import type { Context, Created, Handler, Properties } from "../handler";
import { accountId, allTags, arn, ec2Id, hex, regionOf, text, uuid } from "./account";
import { backupId } from "./rds/backups/automated";

interface Facts {
  inputs: Properties;
  /** The name given, made from a given prefix, or chosen by Pulumi. */
  name: string;
  region: string;
  /** Unique to the physical resource and the same in every run. */
  seed: string;
}

type Compute = (facts: Facts) => Properties & { id: string };

const input = ({ inputs }: Facts, property: string): string => text(inputs[property]) ?? "";

/** An EC2 resource: "vpc-0123…", and an ARN that ends in it. */
const ec2 =
  (prefix: string, kind: string, more: (facts: Facts) => Properties = () => ({})): Compute =>
  (facts) => {
    const id = ec2Id(prefix, facts.seed);
    return { id, arn: arn("ec2", facts.region, `${kind}/${id}`), ownerId: accountId, ...more(facts) };
  };

/** A resource known by its name. */
const named =
  (service: string, kind: (name: string) => string): Compute =>
  ({ name, region }) => ({ id: name, name, arn: arn(service, region, kind(name)) });

/** IAM is in no region. */
const iam = (kind: string): Compute => {
  return ({ name, seed, inputs }) => ({
    id: name,
    name,
    arn: arn("iam", "", `${kind}${text(inputs.path) ?? "/"}${name}`),
    uniqueId: `AROA${hex(seed, 17).toUpperCase()}`,
    // Long ago: here a role is in force at once, everywhere. What a clock says would differ in every run.
    createDate: "2026-01-01T00:00:00Z",
  });
};

const onBucket: Compute = (facts) => ({ id: input(facts, "bucket") });

/** What AWS computes, by type. A type that the program begins to make is one entry here. */
const computed: Record<string, Compute> = {
  "aws:kms/key:Key": ({ region, seed }) => {
    const keyId = uuid(seed);
    return { id: keyId, keyId, arn: arn("kms", region, `key/${keyId}`) };
  },
  "aws:kms/alias:Alias": (facts) => {
    const name = text(facts.inputs.name) ?? `alias/${facts.name}`;
    const target = input(facts, "targetKeyId");
    const keyId = target.split("/").pop() ?? target;
    const targetKeyArn = arn("kms", facts.region, `key/${keyId}`);
    return { id: name, name, arn: arn("kms", facts.region, name), targetKeyArn };
  },

  "aws:ec2/vpc:Vpc": ec2("vpc", "vpc", ({ seed }) => ({
    defaultNetworkAclId: ec2Id("acl", seed),
    defaultRouteTableId: ec2Id("rtb", seed),
    defaultSecurityGroupId: ec2Id("sg", seed),
    mainRouteTableId: ec2Id("rtb", seed),
    enableDnsSupport: true,
  })),
  "aws:ec2/subnet:Subnet": ec2("subnet", "subnet"),
  "aws:ec2/securityGroup:SecurityGroup": ec2("sg", "security-group", ({ name }) => ({ name })),
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": ec2("sg", "security-group", () => ({ name: "default" })),
  "aws:ec2/routeTable:RouteTable": ec2("rtb", "route-table"),
  "aws:ec2/routeTableAssociation:RouteTableAssociation": ec2("rtbassoc", "route-table-association"),
  "aws:ec2/route:Route": (facts) => ({
    id: `r-${input(facts, "routeTableId")}${hex(input(facts, "destinationCidrBlock"), 10)}`,
    state: "active",
    origin: "CreateRoute",
  }),
  "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": ec2("pcx", "vpc-peering-connection", () => ({
    acceptStatus: "active",
  })),
  "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter": (facts) => ({
    id: input(facts, "vpcPeeringConnectionId"),
    acceptStatus: "active",
  }),
  "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions": (facts) => ({
    id: input(facts, "vpcPeeringConnectionId"),
  }),
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ec2("sgr", "security-group-rule", ({ seed }) => ({
    securityGroupRuleId: ec2Id("sgr", seed),
  })),

  "aws:iam/role:Role": iam("role"),
  "aws:iam/rolePolicy:RolePolicy": (facts) => ({ id: `${input(facts, "role")}:${facts.name}`, name: facts.name }),
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": (facts) => ({
    id: `${input(facts, "role")}-${hex(input(facts, "policyArn"), 26)}`,
  }),

  "aws:eks/podIdentityAssociation:PodIdentityAssociation": (facts) => {
    const associationId = `a-${hex(facts.seed, 17)}`;
    const cluster = input(facts, "clusterName");
    const associationArn = arn("eks", facts.region, `podidentityassociation/${cluster}/${associationId}`);
    return { id: associationId, associationId, associationArn };
  },

  "aws:secretsmanager/secret:Secret": ({ name, region, seed }) => {
    const secret = arn("secretsmanager", region, `secret:${name}-${hex(seed, 6)}`);
    return { id: secret, arn: secret, name };
  },
  "aws:secretsmanager/secretVersion:SecretVersion": (facts) => {
    const versionId = uuid(facts.seed);
    const secret = input(facts, "secretId");
    return { id: `${secret}|${versionId}`, arn: secret, versionId, versionStages: ["AWSCURRENT"] };
  },

  "aws:s3/bucket:Bucket": ({ name, region, inputs }) => {
    const bucket = text(inputs.bucket) ?? name.toLowerCase();
    return {
      id: bucket,
      bucket,
      arn: `arn:aws:s3:::${bucket}`,
      bucketDomainName: `${bucket}.s3.amazonaws.com`,
      bucketRegionalDomainName: `${bucket}.s3.${region}.amazonaws.com`,
      bucketRegion: region,
      hostedZoneId: `Z${hex(`s3${region}`, 13).toUpperCase()}`,
    };
  },
  ...Object.fromEntries(
    [
      "bucketVersioning:BucketVersioning",
      "bucketObjectLockConfiguration:BucketObjectLockConfiguration",
      "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
      "bucketOwnershipControls:BucketOwnershipControls",
      "bucketPublicAccessBlock:BucketPublicAccessBlock",
      "bucketPolicy:BucketPolicy",
      "bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    ].map((type) => [`aws:s3/${type}`, onBucket]),
  ),

  "aws:cloudwatch/logGroup:LogGroup": named("logs", (name) => `log-group:${name}`),

  "aws:cloudwatch/metricAlarm:MetricAlarm": named("cloudwatch", (name) => `alarm:${name}`),
  "aws:cloudwatch/compositeAlarm:CompositeAlarm": (facts) => {
    const alarmName = input(facts, "alarmName");
    return { id: alarmName, arn: arn("cloudwatch", facts.region, `alarm:${alarmName}`) };
  },
  "aws:cloudwatch/dashboard:Dashboard": (facts) => {
    const dashboardName = input(facts, "dashboardName");
    return { id: dashboardName, dashboardArn: arn("cloudwatch", "", `dashboard/${dashboardName}`) };
  },
  "aws:sns/topic:Topic": ({ name, region }) => {
    const topic = arn("sns", region, name);
    return { id: topic, arn: topic, name, owner: accountId };
  },
  "aws:sns/topicPolicy:TopicPolicy": (facts) => ({ id: input(facts, "arn"), owner: accountId }),
  "aws:sns/topicSubscription:TopicSubscription": (facts) => {
    const subscription = `${input(facts, "topic")}:${uuid(facts.seed)}`;
    return { id: subscription, arn: subscription, ownerId: accountId, pendingConfirmation: true };
  },
  "aws:rds/eventSubscription:EventSubscription": ({ name, region }) => {
    return { id: name, name, arn: arn("rds", region, `es:${name}`), customerAwsId: accountId };
  },
  "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": ({ region, seed }) => {
    const id = arn("rds", region, `auto-backup:${backupId(seed)}`);
    return { id, arn: id };
  },
};

/** Properties that programs name things by, and that Pulumi fills in where they leave them out. */
const nameOf = (inputs: Properties, { physicalName }: Pick<Context, "physicalName">): string => {
  const prefix = text(inputs.namePrefix) ?? text(inputs.bucketPrefix);
  if (text(inputs.name) !== undefined) return String(inputs.name);
  return prefix === undefined ? physicalName : `${prefix}${hex(physicalName, 20)}`;
};

/** The physical id and the outputs of a resource that is only recorded. */
export function recordedOutputs(
  inputs: Properties,
  context: Pick<Context, "type" | "physicalName" | "resources">,
): Created {
  const region = regionOf(inputs, context);
  const compute = computed[context.type];
  if (compute === undefined) throw new Error(`${context.type}: the local cloud does not know what AWS would compute`);
  const facts: Facts = { inputs, name: nameOf(inputs, context), region, seed: context.physicalName };
  const { id, ...outputs } = compute(facts);
  const tags = { tagsAll: allTags(inputs, context) };
  return { id, outputs: { ...outputs, ...inputs, ...own(outputs), region, ...tags } };
}

/** What the service decides whatever the inputs say; everything else it computes gives way to an input. */
function own(outputs: Properties): Properties {
  return Object.fromEntries(
    ["arn", "keyId", "ownerId"].flatMap((key) => (key in outputs ? [[key, outputs[key]]] : [])),
  );
}

const recorded: Handler = {
  /** What no service lets one change about a resource: its name, and what it belongs to. */
  replaceOnChange: `availabilityZone bucket bucketPrefix cidrBlock clusterName customerMasterKeySpec
    dashboardName destinationCidrBlock keyUsage name namePrefix path peerRegion peerVpcId policyArn referencedSecurityGroupId
    region role routeTableId secretId secretString securityGroupId serviceAccount sourceDbInstanceArn subnetId vpcId vpcPeeringConnectionId`.split(
    /\s+/,
  ),
  create: (inputs, context) => Promise.resolve(recordedOutputs(inputs, context)),
  update: (_, inputs, context) => Promise.resolve(recordedOutputs(inputs, context).outputs),
};

/** The types that are recorded. One that is in no table is an error: what it computes would be missing where it is used. */
export const recordedHandlers: Record<string, Handler> = Object.fromEntries(
  Object.keys(computed).map((type) => [type, recorded]),
);
