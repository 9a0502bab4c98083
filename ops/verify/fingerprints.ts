/** The functions that guard the trail, as the migrations make them. Written by `npm run schema`, tested to be current. */
export const fingerprints: Readonly<Record<string, string>> = {
  append_history: "ec3437c243a9f35c3ed6f1d155f6ca52d8d4673e5078aa6a0ce8f9c8cb6f3235",
  approval_problem: "b66f0efea119d30c271c5a3884d7d3eb8a79c93b186ccca3e9b22add87ec4320",
  check_change: "fa43fe8ddd02415fbb042f37624e294e2a513a4c57dfc05bdf8ce3055993b713",
  check_identity: "5cb8cf3ecb11bea5864ac9b1b22e61e90279781fe9d899ad1fcc1441a0735eb1",
  check_state: "d93a22d3c850c54ab41788a92791695e0a46129966d5c8f0bc1f7db70b4af37e",
  record_birth: "3ad95bbe22a8229bdb001c7572176346e5b631e949b908e42e3c3951a2921dc5",
  record_changes: "b8c62a82bc667c9245ed9bd8ebbec67b4f307e10c71b231d7dc1efb049519b6e",
  seal_receipt: "81318c8ede484e13f65a982871b52142cff58c3c08f932ff46560af1a3213a80",
};
