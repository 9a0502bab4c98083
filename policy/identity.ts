/** Who may do what, with which keys, and from where. */
import { listOf, statements } from "./resources";
import type { Properties, ResourceRule, Rule } from "./rule";

const policies = ["Policy", "RolePolicy", "UserPolicy", "GroupPolicy"].map(iam);
const attachments = ["RolePolicyAttachment", "UserPolicyAttachment", "GroupPolicyAttachment"].map(iam);

function iam(name: string) {
  return `aws:iam/${name[0]!.toLowerCase()}${name.slice(1)}:${name}`;
}

/** Judges what is allowed: each statement of each policy that says what an identity may do. */
const everyAllowance = (
  judge: (statement: Properties, config: Properties) => string | undefined,
): ResourceRule["each"] =>
  Object.fromEntries(
    policies.map((type) => [
      type,
      ({ policy }, config) =>
        statements(policy)
          .filter(({ Effect }) => Effect === "Allow")
          .map((statement) => judge(statement, config))
          .find((wrong) => wrong !== undefined),
    ]),
  );

/** What keeps something confidential, by the property that names its key. */
const keyProperty: Record<string, string> = {
  "aws:secretsmanager/secret:Secret": "kmsKeyId",
  "aws:sns/topic:Topic": "kmsMasterKeyId",
  "aws:cloudwatch/logGroup:LogGroup": "kmsKeyId",
  "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication": "kmsKeyId",
};

const everywhere = ["0.0.0.0/0", "::/0"];
const fromEverywhere = (blocks: unknown[]) => {
  const open = everywhere.find((block) => blocks.includes(block));
  return open === undefined ? undefined : `it lets ${open} in: name the networks that may`;
};

export const identityRules: Rule[] = [
  {
    name: "iam-no-wildcard-action",
    holds: "No policy of IAM allows actions by a wildcard, or everything but some.",
    reason: "A wildcard also allows what AWS adds next year.",
    each: {
      ...everyAllowance(({ Action, NotAction }) => {
        if (NotAction !== undefined) return "a statement allows by NotAction: list the actions";
        const wild = listOf(Action as string).filter((action) => action.includes("*"));
        return wild.length === 0 ? undefined : `it allows ${wild.join(", ")}: list the actions`;
      }),
      ...Object.fromEntries(
        attachments.map((type) => [
          type,
          ({ policyArn }: Properties) =>
            /:policy\/(AdministratorAccess|PowerUserAccess|IAMFullAccess)$/.test(String(policyArn))
              ? `${String(policyArn).split("/").pop()} is attached: attach a policy with the actions that are needed`
              : undefined,
        ]),
      ),
    },
  },
  {
    name: "iam-no-wildcard-resource",
    holds: "No policy of IAM allows an action on every resource without a condition.",
    reason: "What one program may do, a thief of its identity does to every database and bucket of the account.",
    // AWS' service authorization reference has no type of resource for it that this could be limited to.
    defaults: { unlimited: ["rds:DescribeEvents"] },
    each: everyAllowance(({ Action, Resource, NotResource, Condition }, { unlimited }) => {
      if (NotResource !== undefined) return "a statement allows by NotResource: list the resources";
      const limited = listOf(Action as string).filter((action) => !(unlimited as string[]).includes(action));
      return listOf(Resource as string).includes("*") && !Condition && limited.length > 0
        ? `it allows ${limited.join(", ")} on every resource: name the resources, or add a condition`
        : undefined;
    }),
  },
  {
    name: "iam-no-role-for-anyone",
    holds: "No role can be assumed by everybody.",
    reason: 'A trust policy with the principal "*" hands the role to every account of AWS.',
    each: {
      [iam("Role")]: ({ assumeRolePolicy }) =>
        statements(assumeRolePolicy).some(
          ({ Effect, Principal }) =>
            Effect === "Allow" && (Principal === "*" || listOf((Principal as Properties)?.AWS as string).includes("*")),
        )
          ? 'its trust policy names the principal "*": name who may assume it'
          : undefined,
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
      "aws:kms/key:Key": ({ enableKeyRotation }) =>
        enableKeyRotation === true ? undefined : "enableKeyRotation is not true: set it",
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
      "aws:ec2/securityGroup:SecurityGroup": ({ ingress }) =>
        fromEverywhere(listOf(ingress as Properties).flatMap((rule) => [rule.cidrBlocks, rule.ipv6CidrBlocks].flat())),
    },
  },
];
