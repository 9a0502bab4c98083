/** Of the VPC that is made for the replica where none is given. */
export const replicaVpcDefaults = { cidr: "10.90.0.0/20", zones: 2 };
