/** The functions that guard the trail, as the migrations make them. Written by `npm run schema`, tested to be current. */
export const fingerprints: Readonly<Record<string, string>> = {
  append_history: "44f22f33a820d3a7758aec6534ca5aa4635198c1eb5733af9dc1626f2d98a308",
  approval_problem: "999d074bd0c99be8d54e22aaa2bad27d7d7d4c2356b2cdf4af20cf84e94807c7",
  check_change: "f7c7c5e2e5f406dba868b1cb8e79f2b34297cdbaf09b050c2dec73ea51a4cced",
  check_identity: "a60b05d8123df86787b34813afa19050315ed1b319097ef6c68b3661e1684c74",
  check_state: "7c90903db0ff7748a15e56feeca494ac2a4028a604312651e062d2c58d592e13",
  commit_durably: "f1c8d76f3824a19d73ded5f5c1c39dd5207fcf86229e382469f0c2e12ca9a21d",
  record_birth: "d5891de2e28968b4dcacf23f851fc3f1aaffd32aad7af3a32643a238ea6c3930",
  record_changes: "371cd69b93931ddbf41d39cfa79d4df0cf5b7f676d8e3f6c46f8ddd677299477",
  seal_receipt: "a35cc4a9c58132b8b9a024ce43bf73e745df06bcb81020db66014b1692584506",
};
