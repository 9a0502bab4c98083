/**
 * What deploying asks of IAM: for each resource type that the program makes, the actions of the AWS provider's create, read,
 * update and delete (terraform-provider-aws 6, internal/service/…), and those that the services ask for on top.
 */

const of = (service: string, ...names: string[]) => names.map((name) => `${service}:${name}`);
const ec2 = (...names: string[]) => of("ec2", ...names);

const ec2Tags = ec2("CreateTags", "DeleteTags");
const rdsTags = of("rds", "AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource");
/** Whoever names a key for RDS must let RDS use it. */
const rdsKey = of("kms", "DescribeKey", "CreateGrant");

const alarm = ["DescribeAlarms", "DeleteAlarms", "TagResource", "UntagResource", "ListTagsForResource"];

const bucketPart = (name: string) => of("s3", `Get${name}`, `Put${name}`);

/** By Pulumi type token. */
export const actionsOf: Readonly<Record<string, readonly string[]>> = {
  "aws:cloudwatch/logGroup:LogGroup": of(
    "logs",
    ...["CreateLogGroup", "DescribeLogGroups", "PutRetentionPolicy", "DeleteRetentionPolicy", "DeleteLogGroup"],
    ...["AssociateKmsKey", "DisassociateKmsKey", "TagResource", "UntagResource", "ListTagsForResource"],
  ),
  "aws:cloudwatch/metricAlarm:MetricAlarm": of("cloudwatch", "PutMetricAlarm", ...alarm),
  "aws:cloudwatch/compositeAlarm:CompositeAlarm": of("cloudwatch", "PutCompositeAlarm", ...alarm),
  "aws:cloudwatch/dashboard:Dashboard": of("cloudwatch", "PutDashboard", "GetDashboard", "DeleteDashboards"),

  "aws:sns/topic:Topic": of(
    "sns",
    ...["CreateTopic", "GetTopicAttributes", "SetTopicAttributes", "DeleteTopic"],
    ...["TagResource", "UntagResource", "ListTagsForResource"],
  ),
  "aws:sns/topicPolicy:TopicPolicy": of("sns", "GetTopicAttributes", "SetTopicAttributes"),
  "aws:sns/topicSubscription:TopicSubscription": of("sns", "Subscribe", "GetSubscriptionAttributes", "Unsubscribe"),
  "aws:rds/eventSubscription:EventSubscription": [
    ...of("rds", "CreateEventSubscription", "DescribeEventSubscriptions", "ModifyEventSubscription"),
    ...of("rds", "DeleteEventSubscription", "AddSourceIdentifierToSubscription"),
    ...of("rds", "RemoveSourceIdentifierFromSubscription"),
    ...rdsTags,
  ],

  "aws:ec2/vpc:Vpc": [
    ...ec2("CreateVpc", "DescribeVpcs", "DescribeVpcAttribute", "ModifyVpcAttribute", "DeleteVpc"),
    // Its default network ACL, route table and security group are read with it.
    ...ec2("DescribeNetworkAcls", "DescribeRouteTables", "DescribeSecurityGroups"),
    ...ec2Tags,
  ],
  "aws:ec2/subnet:Subnet": [
    ...ec2("CreateSubnet", "DescribeSubnets", "ModifySubnetAttribute", "DeleteSubnet", "DescribeNetworkInterfaces"),
    ...ec2Tags,
  ],
  "aws:ec2/securityGroup:SecurityGroup": [
    // The rule that lets everything out is taken away at once; interfaces that linger are looked for before it is deleted.
    ...ec2("CreateSecurityGroup", "DescribeSecurityGroups", "RevokeSecurityGroupEgress", "DeleteSecurityGroup"),
    ...ec2("DescribeNetworkInterfaces"),
    ...ec2Tags,
  ],
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": [
    ...ec2("DescribeSecurityGroups", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress"),
    ...ec2Tags,
  ],
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": [
    ...ec2("AuthorizeSecurityGroupIngress", "DescribeSecurityGroupRules", "ModifySecurityGroupRules"),
    ...ec2("RevokeSecurityGroupIngress"),
    ...ec2Tags,
  ],
  "aws:ec2/routeTable:RouteTable": [...ec2("CreateRouteTable", "DescribeRouteTables", "DeleteRouteTable"), ...ec2Tags],
  "aws:ec2/routeTableAssociation:RouteTableAssociation": ec2(
    ...["AssociateRouteTable", "DescribeRouteTables", "ReplaceRouteTableAssociation", "DisassociateRouteTable"],
  ),
  "aws:ec2/route:Route": ec2("CreateRoute", "DescribeRouteTables", "ReplaceRoute", "DeleteRoute"),
  "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": [
    ...ec2("CreateVpcPeeringConnection", "DescribeVpcPeeringConnections", "DeleteVpcPeeringConnection"),
    ...ec2Tags,
  ],
  "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter": [
    ...ec2("AcceptVpcPeeringConnection", "DescribeVpcPeeringConnections"),
    ...ec2Tags,
  ],
  "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions": ec2(
    ...["ModifyVpcPeeringConnectionOptions", "DescribeVpcPeeringConnections"],
  ),

  "aws:iam/role:Role": of(
    "iam",
    ...["CreateRole", "GetRole", "ListRolePolicies", "ListAttachedRolePolicies", "ListInstanceProfilesForRole"],
    ...["UpdateRoleDescription", "UpdateAssumeRolePolicy", "TagRole", "UntagRole", "DeleteRole"],
    ...["PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"],
  ),
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": of(
    "iam",
    ...["AttachRolePolicy", "ListAttachedRolePolicies", "DetachRolePolicy"],
  ),
  "aws:iam/rolePolicy:RolePolicy": of("iam", "PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy"),

  "aws:eks/podIdentityAssociation:PodIdentityAssociation": [
    ...of("eks", "CreatePodIdentityAssociation", "DescribePodIdentityAssociation", "UpdatePodIdentityAssociation"),
    ...of("eks", "DeletePodIdentityAssociation", "TagResource", "UntagResource"),
    // Whoever names a role for a service must be allowed to hand it on.
    ...of("iam", "PassRole"),
  ],

  "aws:kms/key:Key": of(
    "kms",
    ...["CreateKey", "DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus", "ListResourceTags", "EnableKeyRotation"],
    ...["UpdateKeyDescription", "PutKeyPolicy", "TagResource", "UntagResource", "ScheduleKeyDeletion"],
  ),
  "aws:kms/alias:Alias": of("kms", "CreateAlias", "ListAliases", "UpdateAlias", "DeleteAlias"),

  "aws:rds/instance:Instance": [
    ...of("rds", "CreateDBInstance", "CreateDBInstanceReadReplica", "DescribeDBInstances", "ModifyDBInstance"),
    // A replica gets its parameter group by a change and a reboot; without replicateSourceDb it is promoted.
    ...of("rds", "RebootDBInstance", "PromoteReadReplica"),
    // The final snapshot, which takes the instance's tags over.
    ...of("rds", "DeleteDBInstance", "CreateDBSnapshot"),
    ...rdsTags,
    ...rdsKey,
    ...of("iam", "PassRole", "CreateServiceLinkedRole"),
  ],
  "aws:rds/parameterGroup:ParameterGroup": [
    ...of("rds", "CreateDBParameterGroup", "DescribeDBParameterGroups", "DescribeDBParameters"),
    ...of("rds", "ModifyDBParameterGroup", "ResetDBParameterGroup", "DeleteDBParameterGroup"),
    ...rdsTags,
  ],
  "aws:rds/subnetGroup:SubnetGroup": [
    ...of("rds", "CreateDBSubnetGroup", "DescribeDBSubnetGroups", "ModifyDBSubnetGroup", "DeleteDBSubnetGroup"),
    ...rdsTags,
  ],
  "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": [
    ...of("rds", "StartDBInstanceAutomatedBackupsReplication", "StopDBInstanceAutomatedBackupsReplication"),
    ...of("rds", "DescribeDBInstanceAutomatedBackups", "DescribeDBInstances"),
    ...rdsKey,
  ],

  "aws:s3/bucket:Bucket": [
    ...of("s3", "CreateBucket", "ListBucket", "GetBucketLocation", "DeleteBucket"),
    ...of("s3", "GetBucketTagging", "PutBucketTagging", "ListTagsForResource", "TagResource", "UntagResource"),
    // All of a bucket's settings are read with it, whoever sets them.
    ...of("s3", "GetBucketAcl", "GetBucketCORS", "GetBucketWebsite", "GetBucketLogging", "GetBucketRequestPayment"),
    ...of("s3", "GetAccelerateConfiguration", "GetReplicationConfiguration", "GetLifecycleConfiguration"),
    ...of("s3", "GetBucketVersioning", "GetEncryptionConfiguration", "GetBucketPolicy"),
    // Object Lock from the first day turns versions on too.
    ...bucketPart("BucketObjectLockConfiguration"),
    ...of("s3", "PutBucketVersioning"),
  ],
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": bucketPart("LifecycleConfiguration"),
  "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": bucketPart("BucketObjectLockConfiguration"),
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls": bucketPart("BucketOwnershipControls"),
  "aws:s3/bucketPolicy:BucketPolicy": [...bucketPart("BucketPolicy"), ...of("s3", "DeleteBucketPolicy")],
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": bucketPart("BucketPublicAccessBlock"),
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration":
    bucketPart("EncryptionConfiguration"),
  "aws:s3/bucketVersioning:BucketVersioning": bucketPart("BucketVersioning"),

  "aws:secretsmanager/secret:Secret": [
    ...of("secretsmanager", "CreateSecret", "DescribeSecret", "GetResourcePolicy", "UpdateSecret", "DeleteSecret"),
    ...of("secretsmanager", "TagResource", "UntagResource"),
    ...of("secretsmanager", "ReplicateSecretToRegions", "RemoveRegionsFromReplication"),
    // ReplicateSecretToRegions: Decrypt with the first key, GenerateDataKey and Encrypt with the other region's.
    ...of("kms", "Decrypt", "Encrypt", "GenerateDataKey"),
  ],
  // Of a write-only value the provider lists the versions (terraform-provider-aws PR 44876); earlier ones read the value itself.
  "aws:secretsmanager/secretVersion:SecretVersion": [
    ...of("secretsmanager", "PutSecretValue", "ListSecretVersionIds", "GetSecretValue"),
    ...of("kms", "GenerateDataKey", "Decrypt"),
  ],

  // Look-ups.
  // Nobody needs a permission to ask who they are.
  "aws:index/getCallerIdentity:getCallerIdentity": [],
  "aws:kms/getKey:getKey": of("kms", "DescribeKey"),
  "aws:eks/getCluster:getCluster": of("eks", "DescribeCluster"),
  "aws:ec2/getVpc:getVpc": ec2("DescribeVpcs", "DescribeVpcAttribute", "DescribeRouteTables"),
  "aws:ec2/getSubnets:getSubnets": ec2("DescribeSubnets"),
  "aws:ec2/getSubnet:getSubnet": ec2("DescribeSubnets"),
  "aws:ec2/getRouteTables:getRouteTables": ec2("DescribeRouteTables"),
  "aws:rds/getInstance:getInstance": of("rds", "DescribeDBInstances"),
  "aws:index/getAvailabilityZones:getAvailabilityZones": ec2("DescribeAvailabilityZones"),
};
