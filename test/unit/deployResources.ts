/**
 * What IAM is asked for when deploying: the resource of each action, by AWS' Service Authorization Reference (its machine-readable
 * form as of 2026-09-26), and where a service's own manual is stricter, by that. A statement that names another kind allows nothing.
 */
import { actionsOf } from "./deployActions";

const account = "111122223333";
const at = (service: string, rest: string, region = "eu-central-1") =>
  `arn:aws:${service}:${region}:${account}:${rest}`;
const ours = "authensor-prod-some-1a2b3c4";

const ec2 = (kind: string) => at("ec2", `${kind}/${kind}-0a1b2c3d`);
const rds = (kind: string, name = ours) => at("rds", `${kind}:${name}`);
const role = `arn:aws:iam::${account}:role/${ours}`;
const bucket = `arn:aws:s3:::${ours}`;
const cluster = at("eks", "cluster/platform-prod");
const key = at("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab");
const [vpc, peering] = [ec2("vpc"), ec2("vpc-peering-connection")];
const [instance, parameters, subnets, copies] = [
  rds("db"),
  rds("pg"),
  rds("subgrp"),
  rds("auto-backup", "ab-0a1b2c3d"),
];
const defaults = { parameters: rds("pg", "default.postgres17"), options: rds("og", "default:postgres-17") };

/** What an action of a resource type is asked for, by Pulumi type token, unless `ofAction` has the action. */
const ofType: Readonly<Record<string, string>> = {
  "aws:cloudwatch/compositeAlarm:CompositeAlarm": at("cloudwatch", `alarm:${ours}`),
  "aws:cloudwatch/dashboard:Dashboard": `arn:aws:cloudwatch::${account}:dashboard/${ours}`,
  "aws:cloudwatch/logGroup:LogGroup": at("logs", `log-group:/aws/rds/instance/${ours}/postgresql`),
  "aws:cloudwatch/metricAlarm:MetricAlarm": at("cloudwatch", `alarm:${ours}`),
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": ec2("security-group"),
  "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions": peering,
  "aws:ec2/route:Route": ec2("route-table"),
  "aws:ec2/routeTable:RouteTable": ec2("route-table"),
  "aws:ec2/routeTableAssociation:RouteTableAssociation": ec2("route-table"),
  "aws:ec2/securityGroup:SecurityGroup": ec2("security-group"),
  "aws:ec2/subnet:Subnet": ec2("subnet"),
  "aws:ec2/vpc:Vpc": vpc,
  "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": peering,
  "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter": peering,
  "aws:ec2/getVpc:getVpc": vpc,
  "aws:eks/getCluster:getCluster": cluster,
  "aws:eks/podIdentityAssociation:PodIdentityAssociation": at("eks", "podidentityassociation/platform-prod/a-0a1b2c3d"),
  "aws:iam/role:Role": role,
  "aws:iam/rolePolicy:RolePolicy": role,
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": role,
  "aws:kms/alias:Alias": at("kms", `alias/${ours}`),
  "aws:kms/getKey:getKey": key,
  "aws:kms/key:Key": key,
  "aws:rds/eventSubscription:EventSubscription": rds("es"),
  "aws:rds/instance:Instance": instance,
  "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": instance,
  "aws:rds/parameterGroup:ParameterGroup": parameters,
  "aws:rds/subnetGroup:SubnetGroup": subnets,
  "aws:s3/bucket:Bucket": bucket,
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": bucket,
  "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": bucket,
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls": bucket,
  "aws:s3/bucketPolicy:BucketPolicy": bucket,
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": bucket,
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": bucket,
  "aws:s3/bucketVersioning:BucketVersioning": bucket,
  "aws:secretsmanager/secret:Secret": at("secretsmanager", `secret:${ours}-AbCdEf`),
  "aws:secretsmanager/secretVersion:SecretVersion": at("secretsmanager", `secret:${ours}-AbCdEf`),
  "aws:sns/topic:Topic": at("sns", ours),
  "aws:sns/topicPolicy:TopicPolicy": at("sns", ours),
  "aws:sns/topicSubscription:TopicSubscription": at("sns", ours),
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ec2("security-group-rule"),
};

const everything = ["*"];

/** Actions that are asked for something else, or for more, whichever type needs them. */
const ofAction: Readonly<Record<string, readonly string[]>> = {
  // No kind of resource at all.
  "kms:CreateKey": everything,
  "kms:ListAliases": everything,
  "logs:DescribeLogGroups": everything,
  // The provider looks for an instance, and for copied backups, in a filter and without a name.
  "rds:DescribeDBInstances": everything,
  "rds:DescribeDBInstanceAutomatedBackups": everything,
  // "signed on with the permission that is scoped to *" (CloudWatch, PutCompositeAlarm and DescribeAlarms).
  "cloudwatch:PutCompositeAlarm": everything,
  "cloudwatch:DescribeAlarms": everything,
  // The reference names a topic, which need not be there; whoever asks sends the ARN of a subscription alone.
  "sns:GetSubscriptionAttributes": everything,
  "sns:Unsubscribe": everything,

  "ec2:AcceptVpcPeeringConnection": [vpc, peering],
  "ec2:AuthorizeSecurityGroupIngress": [ec2("security-group"), ec2("security-group-rule")],
  "ec2:CreateRouteTable": [ec2("route-table"), vpc],
  "ec2:CreateSecurityGroup": [ec2("security-group"), vpc],
  "ec2:CreateSubnet": [ec2("subnet"), vpc],
  "ec2:CreateVpcPeeringConnection": [vpc, peering],
  "ec2:AssociateRouteTable": [ec2("route-table"), ec2("subnet")],
  "ec2:ReplaceRouteTableAssociation": [ec2("route-table"), ec2("subnet")],
  "ec2:ModifySecurityGroupRules": [ec2("security-group"), ec2("security-group-rule")],
  "ec2:RevokeSecurityGroupIngress": [ec2("security-group")],

  "eks:CreatePodIdentityAssociation": [cluster],
  "iam:PassRole": [role],
  "iam:CreateServiceLinkedRole": [
    `arn:aws:iam::${account}:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS`,
  ],

  "kms:CreateAlias": [at("kms", `alias/${ours}`), key],
  "kms:DeleteAlias": [at("kms", `alias/${ours}`), key],
  "kms:UpdateAlias": [at("kms", `alias/${ours}`), key],
  "kms:CreateGrant": [key],
  "kms:Decrypt": [key],
  "kms:DescribeKey": [key],
  "kms:Encrypt": [key],
  "kms:GenerateDataKey": [key],

  "rds:CreateDBInstance": [instance, parameters, subnets, defaults.options],
  // A replica is made with the default group, and gets its own afterwards.
  "rds:CreateDBInstanceReadReplica": [instance, parameters, subnets, defaults.options, defaults.parameters],
  "rds:CreateDBSnapshot": [instance, rds("snapshot")],
  "rds:StartDBInstanceAutomatedBackupsReplication": [instance, copies],
};

/** The ARNs, or "*", that a type's action is asked for; undefined for a type that the tables do not know. */
export function askedFor(type: string, action: string): readonly string[] | undefined {
  if (/^ec2:Describe(?!VpcAttribute)/.test(action)) return everything;
  const arn = ofType[type];
  return ofAction[action] ?? (arn === undefined ? undefined : [arn]);
}

/** Whether no statement by name or kind can allow it. */
export const isAskedWithoutName = (action: string): boolean =>
  Object.entries(actionsOf).some(
    ([type, actions]) => actions.includes(action) && askedFor(type, action)?.includes("*") === true,
  );
