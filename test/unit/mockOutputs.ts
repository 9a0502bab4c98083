/**
 * What the clouds would have answered: computed outputs by resource type, and look-ups by token. Values are recognisable
 * and follow from the name, so that a test can say where one came from.
 */
import type { Values } from "./mocks";

const account = "123456789012";
const region = (inputs: Values) => (typeof inputs.region === "string" ? inputs.region : "eu-central-1");
const arn = (service: string, inputs: Values, resource: string) =>
  `arn:aws:${service}:${region(inputs)}:${account}:${resource}`;

type Compute = (inputs: Values, name: string) => Values;

const computed: Record<string, Compute> = {
  "pulumi:index:Stash": (inputs, name) => ({ id: name, output: inputs.input }),
  "aws:rds/instance:Instance": (inputs, name) => {
    const identifier = (inputs.identifier as string | undefined) ?? `${name}-abc1234`;
    const address = `${identifier}.xyz.${region(inputs)}.rds.amazonaws.com`;
    const port = (inputs.port as number | undefined) ?? 5432;
    return {
      id: `db-${name}`,
      identifier,
      arn: arn("rds", inputs, `db:${identifier}`),
      address,
      port,
      endpoint: `${address}:${port}`,
      resourceId: `db-${name}`,
      status: "available",
      engine: inputs.engine ?? "postgres",
      engineVersionActual: "17.6",
    };
  },
  "aws:rds/parameterGroup:ParameterGroup": (inputs, name) => ({
    id: `${name}-abc1234`,
    name: `${name}-abc1234`,
    arn: arn("rds", inputs, `pg:${name}`),
  }),
  "aws:rds/subnetGroup:SubnetGroup": (inputs, name) => ({
    id: inputs.name ?? `${name}-abc1234`,
    name: inputs.name ?? `${name}-abc1234`,
    arn: arn("rds", inputs, `subgrp:${name}`),
  }),
  "aws:kms/key:Key": (inputs, name) => ({
    id: `key-${name}`,
    keyId: `key-${name}`,
    arn: arn("kms", inputs, `key/${name}`),
  }),
  "aws:iam/role:Role": (_inputs, name) => ({
    id: `${name}-abc1234`,
    name: `${name}-abc1234`,
    arn: `arn:aws:iam::${account}:role/${name}-abc1234`,
  }),
  "aws:s3/bucket:Bucket": (_inputs, name) => ({
    id: `${name}-abc1234`,
    bucket: `${name}-abc1234`,
    arn: `arn:aws:s3:::${name}-abc1234`,
  }),
  "aws:secretsmanager/secret:Secret": (inputs, name) => ({
    id: arn("secretsmanager", inputs, `secret:${name}`),
    arn: arn("secretsmanager", inputs, `secret:${name}`),
    name: `${name}-abc1234`,
  }),
  "random:index/randomPassword:RandomPassword": (inputs, name) => ({
    id: "none",
    result: `Generated${String(inputs.length)}For${name.replaceAll(/[^A-Za-z0-9]/g, "")}`,
    bcryptHash: `bcrypt-of-${name}`,
  }),
  "random:index/randomId:RandomId": (_inputs, name) => ({
    id: `rid-${name}`,
    hex: "0a1b2c3d",
    dec: "1",
    b64Url: "ChssPQ",
    b64Std: "ChssPQ==",
  }),
  "random:index/randomString:RandomString": (_inputs, name) => ({ id: `random-${name}`, result: "a1b2c3d4" }),
  "tls:index/privateKey:PrivateKey": (_inputs, name) => ({
    id: `key-${name}`,
    privateKeyPem: `-----BEGIN PRIVATE KEY-----\nprivate-of-${name}\n-----END PRIVATE KEY-----\n`,
    privateKeyPemPkcs8: `-----BEGIN PRIVATE KEY-----\npkcs8-of-${name}\n-----END PRIVATE KEY-----\n`,
    privateKeyOpenssh: `openssh-of-${name}`,
    publicKeyPem: `-----BEGIN PUBLIC KEY-----\npublic-of-${name}\n-----END PUBLIC KEY-----\n`,
  }),
  "tls:index/selfSignedCert:SelfSignedCert": (_inputs, name) => ({
    id: `cert-${name}`,
    certPem: `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`,
  }),
  "tls:index/certRequest:CertRequest": (_inputs, name) => ({
    id: `request-${name}`,
    certRequestPem: `-----BEGIN CERTIFICATE REQUEST-----\n${name}\n-----END CERTIFICATE REQUEST-----\n`,
  }),
  "tls:index/locallySignedCert:LocallySignedCert": (_inputs, name) => ({
    id: `cert-${name}`,
    certPem: `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`,
  }),
};

/** Kubernetes: autonamed as the provider does, `metadata` filled in. */
function kubernetes(inputs: Values, name: string): Values {
  const metadata = (inputs.metadata ?? {}) as Values;
  const objectName = (metadata.name as string | undefined) ?? `${name}-abc1234`;
  const namespace = metadata.namespace as string | undefined;
  return {
    id: namespace === undefined ? objectName : `${namespace}/${objectName}`,
    metadata: { ...metadata, name: objectName, uid: `uid-${name}` },
  };
}

/** The computed outputs of one resource; `id` is its physical id. */
export function computedOutputs(type: string, name: string, inputs: Values): Values {
  const compute = computed[type];
  if (compute !== undefined) return compute(inputs, name);
  if (type.startsWith("kubernetes:")) return kubernetes(inputs, name);
  const service = type.split(":")[1]?.split("/")[0] ?? "service";
  return { id: `${name}-id`, arn: arn(service, inputs, name), name: inputs.name ?? `${name}-abc1234` };
}

/** There is a VPC with an EKS cluster in each region: the primary's, and another. */
const vpcOf = (inputs: Values) => (region(inputs) === "eu-central-1" ? "vpc-cluster" : "vpc-other");
const vpcCidr = ({ id }: Values) => (id === "vpc-cluster" ? "10.0.0.0/16" : "10.50.0.0/16");

/** Data sources by token. */
export const lookups: Record<string, (inputs: Values) => Values> = {
  "aws:eks/getCluster:getCluster": (inputs) => ({
    id: inputs.name,
    name: inputs.name,
    arn: arn("eks", inputs, `cluster/${String(inputs.name)}`),
    endpoint: "https://eks.example.com",
    version: "1.34",
    kubernetesNetworkConfigs: [{ ipFamily: "ipv4", serviceIpv4Cidr: "172.20.0.0/16", serviceIpv6Cidr: "" }],
    certificateAuthorities: [{ data: Buffer.from("cluster-ca").toString("base64") }],
    vpcConfig: {
      vpcId: vpcOf(inputs),
      subnetIds: ["subnet-cluster-a", "subnet-cluster-b"],
      clusterSecurityGroupId: "sg-cluster",
      securityGroupIds: [],
      publicAccessCidrs: [],
    },
  }),
  "aws:ec2/getVpc:getVpc": (inputs) => ({
    id: inputs.id,
    ownerId: account,
    cidrBlock: vpcCidr(inputs),
    cidrBlockAssociations: [{ associationId: "a", cidrBlock: vpcCidr(inputs), state: "associated" }],
  }),
  "aws:ec2/getSubnets:getSubnets": () => ({
    id: region({}),
    ids: ["subnet-private-a", "subnet-private-b", "subnet-private-c"],
  }),
  "aws:ec2/getSubnet:getSubnet": (inputs) => ({
    id: inputs.id,
    vpcId: vpcOf(inputs),
    availabilityZone: `${region(inputs)}${String(inputs.id).slice(-1)}`,
    mapPublicIpOnLaunch: false,
  }),
  "aws:ec2/getRouteTables:getRouteTables": (inputs) => ({
    id: region(inputs),
    ids: ["rtb-main", "rtb-private"].map((id) => (region(inputs) === "eu-central-1" ? id : `${id}-other`)),
  }),
  "aws:index/getAvailabilityZones:getAvailabilityZones": (inputs) => ({
    id: region(inputs),
    names: ["a", "b", "c"].map((zone) => `${region(inputs)}${zone}`),
  }),
  "aws:index/getCallerIdentity:getCallerIdentity": () => ({
    id: account,
    accountId: account,
    arn: `arn:aws:iam::${account}:user/test`,
    userId: "AIDATEST",
  }),
  "aws:index/getPartition:getPartition": () => ({ id: "aws", partition: "aws", dnsSuffix: "amazonaws.com" }),
  "aws:index/getRegion:getRegion": (inputs) => ({ id: region(inputs), region: region(inputs), name: region(inputs) }),
};
