/** Empty where an ARN names none, as an S3 bucket's. */
export const regionOfArn = (arn: string): string => arn.split(":")[3] ?? "";
