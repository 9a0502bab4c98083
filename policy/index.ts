import { PolicyPack } from "@pulumi/policy";
import { policyOf } from "./rule";
import { rules } from "./rules";

new PolicyPack("database-of-record", { policies: rules.map(policyOf) });
