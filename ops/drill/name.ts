/** What the instance that a drill restores into is known by: to the program, and to the policy that lets it touch no other. */

export const scratchName = (environment: string): string => `authensor-${environment}-drill`;

/** Its value is the deployment's name. What carries it is a drill's, and may be deleted. */
export const drillTag = "authensor:drill";
