/** The functions that guard the trail, as the migrations make them. Written by `npm run schema`, tested to be current. */
export const fingerprints: Readonly<Record<string, string>> = {
  append_history: "e5e5b1a513373a1503681d18e140dc953307a0f6bc598d9bd65331286abf7f84",
  approval_problem: "999d074bd0c99be8d54e22aaa2bad27d7d7d4c2356b2cdf4af20cf84e94807c7",
  check_change: "f2715998a4b2430fefe267611b1f526328bde6b97f28f6720e3b9344abdb1894",
  check_identity: "a60b05d8123df86787b34813afa19050315ed1b319097ef6c68b3661e1684c74",
  check_state: "7c90903db0ff7748a15e56feeca494ac2a4028a604312651e062d2c58d592e13",
  record_birth: "d5891de2e28968b4dcacf23f851fc3f1aaffd32aad7af3a32643a238ea6c3930",
  record_changes: "371cd69b93931ddbf41d39cfa79d4df0cf5b7f676d8e3f6c46f8ddd677299477",
  seal_receipt: "928bbb8eedac09fa53beefaba8ea32a48f01568aa092ca94d41696963c557a8f",
};
