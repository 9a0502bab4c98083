/**
 * What the clouds would have answered. Computed outputs are the local cloud's own, so that a unit test and `make local` see the same
 * ids, ARNs and names; look-ups by token describe one account and what it holds already.
 */
import { accountId as account, arn as arnOf } from "../../cloud/aws/account";
import { recordedOutputs } from "../../cloud/aws/recorded";
import type { Context, Properties as Values } from "../../cloud/handler";
import { identify, identifyGlobal, stored, token } from "../../cloud/kubernetes/objects";

const region = (inputs: Values) => (typeof inputs.region === "string" ? inputs.region : "eu-central-1");
const arn = (service: string, inputs: Values, resource: string) => arnOf(service, region(inputs), resource);

type Compute = (inputs: Values, name: string) => Values;

/**
 * What the local cloud makes for real instead of recording it: values that follow from the name, so that nothing is generated,
 * signed or started for a unit test.
 */
const made: Record<string, Compute> = {
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

/** What the cloud would have computed for a resource; `id` is its physical id. */
export function computedOutputs(
  type: string,
  name: string,
  inputs: Values,
  resources: Context["resources"] = () => [],
): Values {
  const context = { type, physicalName: `${name}-abc1234`, resources };
  if (made[type]) return made[type](inputs, name);
  if (type.startsWith("kubernetes:")) return kubernetes(inputs, context);
  const { id, outputs } = recordedOutputs(inputs, context);
  // What the program has said stands as it was said: secrets keep their mark.
  return { ...Object.fromEntries(Object.entries(outputs).filter(([key]) => !(key in inputs))), id };
}

/** Named by Pulumi's provider and stored by the API server. */
function kubernetes(inputs: Values, context: Pick<Context, "type" | "physicalName">): Values {
  const identity = context.type === token.namespace ? identifyGlobal(inputs, context) : identify(inputs, context);
  return { id: identity.id, metadata: stored(inputs, identity, "").metadata };
}

/** There is a VPC with an EKS cluster in each region: the primary's, and another. */
const vpcOf = (inputs: Values) => (region(inputs) === "eu-central-1" ? "vpc-cluster" : "vpc-other");
const vpcCidr = ({ id }: Values) => (id === "vpc-cluster" ? "10.0.0.0/16" : "10.50.0.0/16");

/** Data sources by token; where a state is at hand they see what it has. */
export const lookups: Record<string, (inputs: Values, resources?: Context["resources"]) => Values> = {
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
  "aws:rds/getInstance:getInstance": (inputs, resources) => ({
    ...inputs,
    id: inputs.dbInstanceIdentifier,
    replicateSourceDb:
      resources?.("aws:rds/instance:Instance").find(({ outputs }) => outputs.identifier === inputs.dbInstanceIdentifier)
        ?.inputs.replicateSourceDb ?? "",
  }),
  "aws:index/getAvailabilityZones:getAvailabilityZones": (inputs) => ({
    id: region(inputs),
    names: ["a", "b", "c"].map((zone) => `${region(inputs)}${zone}`),
  }),
  "aws:kms/getKey:getKey": (inputs) => ({
    id: inputs.keyId,
    arn: inputs.keyId,
    enabled: true,
    keyState: "Enabled",
    keySpec: "SYMMETRIC_DEFAULT",
    keyUsage: "ENCRYPT_DECRYPT",
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
