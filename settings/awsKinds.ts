/** Kinds of value that several settings of AWS have. */
import { instanceCapacity, knownFamilies } from "../components/aws/instanceClass";
import { type About, checked, list } from "./kinds";

export const regionPattern = /^[a-z]{2}(-[a-z]+)+-\d$/;

export const instanceClass = (key: string, about: Pick<About, "description">) =>
  checked(key, (value) => instanceCapacity(value) !== undefined, {
    ...about,
    rule: `an RDS instance class of one of these families: ${knownFamilies.join(", ")}`,
    example: "db.r7g.large",
    default: "db.t4g.medium",
  });

export const subnets = (key: string, what: string) =>
  list(key, /^subnet-[0-9a-f]{8,17}$/, {
    description: `Subnets in at least two zones ${what}`,
    rule: "ids of at least two subnets, as a JSON array or separated by commas",
    example: "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
  });

export const kmsKeyArn = /^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/[\w-]+$/;

export const eksClusterName = /^[A-Za-z0-9][\w-]{0,99}$/;
