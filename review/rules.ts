/**
 * What a reviewer must know of a change to a resource of each type that the program makes: whether it holds data, and what it
 * interrupts. `{}` says that it does neither. A type that is not here is told as not known.
 */
import { unconfirmed, type Change, type Interruption } from "./change";
import type { Properties } from "./preview";
import { isReplica, manual, parameterStops, serverStops } from "./serverRules";

export interface Rule {
  /** What is gone with it, unless something keeps it. */
  holds?: (inputs: Properties) => string;
  stops?: (change: Change) => Interruption[];
}

const goes = ({ kind }: Change) => kind === "replace" || kind === "delete";

const labels = ({ metadata }: Properties) =>
  ((metadata as Properties | undefined)?.["labels"] ?? {}) as Record<string, string>;
const nameOf = ({ metadata }: Properties) => (metadata as Properties | undefined)?.["name"];

/** What has the same name cannot be there twice: the old one goes first. */
const gap =
  (what: string) =>
  (change: Change): Interruption[] =>
    change.kind === "delete" || (change.kind === "replace" && nameOf(change.before) === nameOf(change.after))
      ? [{ what, howLong: change.kind === "delete" ? "for good" : "until the new one is ready", source: unconfirmed }]
      : [];

const gone =
  (what: string, howLong: string, source = unconfirmed) =>
  (change: Change): Interruption[] =>
    goes(change) ? [{ what, howLong: change.kind === "delete" ? "for good" : howLong, source }] : [];

const replicaPath: Rule = {
  stops: gone("programs in the cluster may not reach a database server over this network", "until the new one is made"),
};

const deployment: Rule = {
  stops: (change) => {
    const name = labels(change.before)["app.kubernetes.io/name"];
    return gap(
      name === "monitor"
        ? "nothing is measured, and monitor-silent pages"
        : `no pod of ${name ?? "it"} answers: agents are denied`,
    )(change);
  },
};

/** By Pulumi type token. */
export const rules: Readonly<Record<string, Rule>> = {
  "aws:rds/instance:Instance": {
    holds: (inputs) =>
      isReplica(inputs) ? "a copy of every receipt: without it nothing can take the primary's place" : "every receipt",
    stops: serverStops,
  },
  "aws:s3/bucket:Bucket": { holds: () => "the archive: every receipt, and what is dumped, in the third place" },
  "aws:kms/key:Key": { holds: () => "the only means to read what is encrypted with it" },
  "aws:cloudwatch/logGroup:LogGroup": { holds: () => "the servers' logs" },
  "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": {
    stops: gone(
      "no backup is copied to the backup region; copies made before stay for their retention",
      "until the next snapshot, a day at most",
      `${manual}/AutomatedBackups.StopReplicating.html`,
    ),
  },
  "aws:rds/parameterGroup:ParameterGroup": { stops: parameterStops },
  "aws:rds/subnetGroup:SubnetGroup": {},
  "aws:rds/eventSubscription:EventSubscription": {},

  "aws:ec2/vpc:Vpc": replicaPath,
  "aws:ec2/subnet:Subnet": replicaPath,
  "aws:ec2/route:Route": replicaPath,
  "aws:ec2/routeTable:RouteTable": replicaPath,
  "aws:ec2/routeTableAssociation:RouteTableAssociation": replicaPath,
  "aws:ec2/securityGroup:SecurityGroup": replicaPath,
  "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": replicaPath,
  "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": replicaPath,
  "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter": replicaPath,
  "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions": replicaPath,
  "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": {},

  "aws:sns/topic:Topic": { stops: gone("alarms are told to nobody", "until each address has confirmed its new mail") },
  "aws:sns/topicSubscription:TopicSubscription": {
    stops: ({ kind, after }) =>
      kind !== "delete" && after["protocol"] === "email"
        ? [
            {
              what: "alarms are not told to a new address",
              howLong: "until it has confirmed its mail",
              source: "https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.confirm.html",
            },
          ]
        : [],
  },
  "aws:sns/topicPolicy:TopicPolicy": {},
  "aws:cloudwatch/metricAlarm:MetricAlarm": {},
  "aws:cloudwatch/compositeAlarm:CompositeAlarm": {},
  "aws:cloudwatch/dashboard:Dashboard": {},

  "aws:kms/alias:Alias": {},
  "aws:iam/role:Role": {},
  "aws:iam/rolePolicy:RolePolicy": {},
  "aws:iam/rolePolicyAttachment:RolePolicyAttachment": {},
  "aws:eks/podIdentityAssociation:PodIdentityAssociation": {},
  // The passwords are in the stack's state too.
  "aws:secretsmanager/secret:Secret": {},
  "aws:secretsmanager/secretVersion:SecretVersion": {},
  "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": {},
  "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": {},
  "aws:s3/bucketOwnershipControls:BucketOwnershipControls": {},
  "aws:s3/bucketPolicy:BucketPolicy": {},
  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": {},
  "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {},
  "aws:s3/bucketVersioning:BucketVersioning": {},

  "kubernetes:core/v1:Namespace": { stops: gap("everything in the namespace is deleted: agents are denied") },
  "kubernetes:apps/v1:Deployment": deployment,
  "kubernetes:core/v1:Service": { stops: gap("who connects by its name does not get through") },
  "kubernetes:networking.k8s.io/v1:Ingress": { stops: gap("agents outside the cluster do not get through") },
  "kubernetes:batch/v1:Job": {
    stops: ({ kind, after }) =>
      kind !== "delete" && labels(after)["app.kubernetes.io/name"] === "reboot"
        ? [
            {
              what: "servers whose parameters wait for it are rebooted, the replica and the primary one after the other: meanwhile no receipt can be stored",
              howLong: "as long as the primary's recovery takes",
              source: "docs/operations.md, Changes that wait",
            },
          ]
        : [],
  },
  "kubernetes:batch/v1:CronJob": {},
  "kubernetes:core/v1:ConfigMap": {},
  "kubernetes:core/v1:Secret": {},
  "kubernetes:core/v1:ServiceAccount": {},
  "kubernetes:networking.k8s.io/v1:NetworkPolicy": {},
  "kubernetes:policy/v1:PodDisruptionBudget": {},
  "kubernetes:autoscaling/v2:HorizontalPodAutoscaler": {},
  "kubernetes:monitoring.coreos.com/v1:PodMonitor": {},

  "random:index/randomId:RandomId": {},
  "random:index/randomPassword:RandomPassword": {
    stops: ({ kind }) =>
      kind === "replace"
        ? [
            {
              what: "a password is replaced by another without a generation between: its role's connections fail",
              howLong: "until every pod has the new one",
              source: "docs/operations.md",
            },
          ]
        : [],
  },
  "tls:index/privateKey:PrivateKey": {},
  "tls:index/certRequest:CertRequest": {},
  "tls:index/selfSignedCert:SelfSignedCert": {},
  "tls:index/locallySignedCert:LocallySignedCert": {},
  "pulumi:index:Stash": {},
};

/** Components and providers make nothing themselves. */
export const makesNothing = (type: string) => /^(authensor|pulumi):/.test(type) && rules[type] === undefined;
