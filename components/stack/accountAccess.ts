import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

export interface Account {
  /** The only account that may be deployed into. Default: whichever the credentials are of. */
  id?: string | undefined;
  /** Role to act as. Default: whoever the credentials are of. */
  deployRoleArn?: string | undefined;
}

/** How the program acts on AWS: in that account alone, as that role. Every component names its region itself. */
export function awsProvider(region: string, { id, deployRoleArn }: Account): aws.Provider {
  return new aws.Provider("aws", {
    region: region as aws.Region,
    ...(id && { allowedAccountIds: [id] }),
    ...(deployRoleArn && { assumeRoles: [{ roleArn: deployRoleArn }] }),
    defaultTags: { tags: { "managed-by": "pulumi", project: pulumi.getProject() } },
  });
}
