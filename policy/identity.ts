/** Who may do what, with which keys, and from where. */
import { isAnyone, isConditional, listOf, statements } from "./resources";
import type { Properties, ResourceRule, Rule } from "./rule";

const policies = ["Policy", "RolePolicy", "UserPolicy", "GroupPolicy"].map(iam);
const attachments = ["RolePolicyAttachment", "UserPolicyAttachment", "GroupPolicyAttachment", "PolicyAttachment"].map(
  iam,
);
const role = iam("Role");

function iam(name: string) {
  return `aws:iam/${name[0]!.toLowerCase()}${name.slice(1)}:${name}`;
}

/** Judges what is allowed: each statement of each policy that says what an identity may do. */
const everyAllowance = (
  judge: (statement: Properties, config: Properties) => string | undefined,
): ResourceRule["each"] => {
  const judged = (policy: unknown, config: Properties) =>
    statements(policy)
      .filter(({ Effect }) => Effect === "Allow")
      .map((statement) => judge(statement, config))
      .find((wrong) => wrong !== undefined);
  return {
    ...Object.fromEntries(policies.map((type) => [type, ({ policy }: Properties, config) => judged(policy, config)])),
    [role]: ({ inlinePolicies }, config) =>
      listOf(inlinePolicies as Properties)
        .map(({ policy }) => judged(policy, config))
        .find((wrong) => wrong !== undefined),
  };
};

/** Policies of AWS' own that allow nearly all. */
const administers = (policyArns: readonly unknown[]) => {
  const given = policyArns
    .map(String)
    .find((arn) => /:policy\/(AdministratorAccess|PowerUserAccess|IAMFullAccess)$/.test(arn));
  return given && `${given.split("/").pop()} is attached: attach a policy with the actions that are needed`;
};

/** Everything of a service, whatever it is called: "*", or an ARN that ends in nothing else. */
const isEverything = (resource: string) => resource === "*" || /^arn:[^:]*:[^:]*:[^:]*:[^:]*:\*(\/\*)?$/.test(resource);

/** What keeps something confidential, by the property that names its key. */
const keyProperty: Record<string, string> = {
  "aws:secretsmanager/secret:Secret": "kmsKeyId",
  "aws:sns/topic:Topic": "kmsMasterKeyId",
  "aws:cloudwatch/logGroup:LogGroup": "kmsKeyId",
  "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": "kmsKeyId",
};

/** Larger than any private block: 10.0.0.0/8 of IPv4, fc00::/7 of IPv6. Two halves are the whole internet too. */
const isPublic = (block: string) => {
  const [address = "", length] = block.split("/");
  return Number(length) < (address.includes(":") ? 7 : 8);
};
const fromEverywhere = (blocks: unknown[]) => {
  const open = blocks.filter((block) => typeof block === "string").find(isPublic);
  return open === undefined ? undefined : `it lets ${open} in: name the networks that may`;
};

const actionsListed = everyAllowance(({ Action, NotAction }) => {
  if (NotAction !== undefined) return "a statement allows by NotAction: list the actions";
  const wild = listOf(Action as string).filter((action) => action.includes("*"));
  return wild.length === 0 ? undefined : `it allows ${wild.join(", ")}: list the actions`;
});

export const identityRules: Rule[] = [
  {
    name: "iam-no-wildcard-action",
    holds: "No policy of IAM allows actions by a wildcard, or everything but some.",
    reason: "A wildcard also allows what AWS adds next year.",
    each: {
      ...actionsListed,
      ...Object.fromEntries(attachments.map((type) => [type, ({ policyArn }: Properties) => administers([policyArn])])),
      [role]: (props, config) => actionsListed[role]!(props, config) ?? administers(listOf(props.managedPolicyArns)),
    },
  },
  {
    name: "iam-no-wildcard-resource",
    holds: "No policy of IAM allows an action on every resource without a condition.",
    reason: "What one program may do, a thief of its identity does to every database and bucket of the account.",
    // AWS' service authorization reference has no type of resource for it that this could be limited to.
    defaults: { unlimited: ["rds:DescribeEvents"] },
    each: everyAllowance((statement, { unlimited }) => {
      const { Action, Resource, NotResource } = statement;
      if (NotResource !== undefined) return "a statement allows by NotResource: list the resources";
      const limited = listOf(Action as string).filter((action) => !(unlimited as string[]).includes(action));
      return listOf(Resource as string).some(isEverything) && !isConditional(statement) && limited.length > 0
        ? `it allows ${limited.join(", ")} on every resource: name the resources, or add a condition`
        : undefined;
    }),
  },
  {
    name: "iam-no-role-for-anyone",
    holds: "No role can be assumed by everybody.",
    reason:
      'A trust policy with the principal "*" hands the role to every account of AWS, and one that trusts an identity provider without a condition to whomever that knows.',
    each: {
      [role]: ({ assumeRolePolicy }) => {
        const allowed = statements(assumeRolePolicy).filter(({ Effect }) => Effect === "Allow");
        if (allowed.some(({ Principal }) => isAnyone(Principal)))
          return 'its trust policy names the principal "*": name who may assume it';
        return allowed.some((one) => (one.Principal as Properties | undefined)?.Federated && !isConditional(one))
          ? "its trust policy trusts an identity provider without a condition: name whose identity it must be"
          : undefined;
      },
    },
  },
  {
    name: "own-keys",
    holds: "Passwords, alarms' topics, logs and copied backups are encrypted with a KMS key that is given.",
    reason: "AWS' own keys cannot be limited, and CloudWatch cannot publish to a topic that one of them encrypts.",
    each: Object.fromEntries(
      Object.entries(keyProperty).map(([type, property]) => [
        type,
        (props: Properties) => {
          const key = props[property] as string | undefined;
          return key && !key.includes("alias/aws/") ? undefined : `${property} is not a key of your own: give its ARN`;
        },
      ]),
    ),
  },
  {
    name: "keys-rotate",
    holds: "KMS keys are renewed every year.",
    reason: "Whoever got hold of a key's material must not read what is written years later.",
    each: {
      // KMS renews symmetric keys only, and none of a key store of one's own.
      "aws:kms/key:Key": ({ enableKeyRotation, customKeyStoreId, customerMasterKeySpec = "SYMMETRIC_DEFAULT" }) =>
        enableKeyRotation === true || customerMasterKeySpec !== "SYMMETRIC_DEFAULT" || customKeyStoreId
          ? undefined
          : "enableKeyRotation is not true: set it",
    },
  },
  {
    name: "no-way-in-from-everywhere",
    holds: "No security group lets the whole internet in.",
    reason: "A database is reached from the networks that are named, and from nowhere else.",
    each: {
      "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ({ cidrIpv4, cidrIpv6 }) =>
        fromEverywhere([cidrIpv4, cidrIpv6]),
      "aws:ec2/securityGroupRule:SecurityGroupRule": ({ type, cidrBlocks, ipv6CidrBlocks }) =>
        type === "ingress" ? fromEverywhere([cidrBlocks, ipv6CidrBlocks].flat()) : undefined,
      ...Object.fromEntries(
        ["aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"].map((type) => [
          type,
          ({ ingress }: Properties) =>
            fromEverywhere(
              listOf(ingress as Properties).flatMap((rule) => [rule.cidrBlocks, rule.ipv6CidrBlocks].flat()),
            ),
        ]),
      ),
    },
  },
];
