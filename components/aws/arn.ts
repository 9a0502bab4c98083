/** Parts of arn:partition:service:region:account:resource; empty where an ARN names none, as an S3 bucket's names neither. */
export const regionOfArn = (arn: string): string => arn.split(":")[3] ?? "";
export const accountOfArn = (arn: string): string => arn.split(":")[4] ?? "";
