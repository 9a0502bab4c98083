/** The functions that guard the trail, as the migrations make them. Written by `npm run schema`, tested to be current. */
export const fingerprints: Readonly<Record<string, string>> = {
  append_history: "6cd6fc521936e3cee985446baa86c99ad5032dcf5f02267cecdafb38bd232d13",
  approval_problem: "d1630c9226b09ae0dfc6bafef8bf9b3213a91c2ac253d10f2a6b8fab1a1fb885",
  check_change: "937690ba4db892c134004cb23d8a8f2d9146c2a3261af1d8e0f5e711bf0c0f68",
  check_values: "535ae98ac6de3fb91747081305309f1168f634b26e25a58c55ac80402c0e6541",
  record_birth: "5b966dcd71772bdc5c5e7165be316fe4f8da29a39947c55c1d7e2e00fd6cdd19",
  record_changes: "2fde3c71e77828f1d4ff2cfb8826b91ac195f096bb94e34cee87416a166126b3",
  seal_receipt: "d0141d9ad11bc7b089c08a6e4c42ae94257a92c7d72e36bf5893d3afd9d7aeab",
};
