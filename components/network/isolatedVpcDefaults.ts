/** Of a VPC that is made where none is given. */
export const isolatedVpcDefaults = { cidr: "10.90.0.0/20", zones: 2 };
