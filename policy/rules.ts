import { alarmRules } from "./alarms";
import { bucketRules } from "./bucket";
import { databaseRules } from "./database";
import { identityRules } from "./identity";
import { kubernetesRules } from "./kubernetes";

/** Every rule, by what it is about. */
export const subjects = {
  Databases: databaseRules,
  Buckets: bucketRules,
  Kubernetes: kubernetesRules,
  "Identities, keys and networks": identityRules,
  Alarms: alarmRules,
};

export const rules = Object.values(subjects).flat();
