/** The functions that guard the trail, as the migrations make them. Written by `npm run schema`, tested to be current. */
export const fingerprints: Readonly<Record<string, string>> = {
  append_history: "6cd6fc521936e3cee985446baa86c99ad5032dcf5f02267cecdafb38bd232d13",
  approval_problem: "d1630c9226b09ae0dfc6bafef8bf9b3213a91c2ac253d10f2a6b8fab1a1fb885",
  check_change: "8cf4f1cf529a46a32f6bda1d5e656c9222360e81c08e0b708c7b7b73e102bea0",
  check_identity: "5cb8cf3ecb11bea5864ac9b1b22e61e90279781fe9d899ad1fcc1441a0735eb1",
  check_state: "6ba1a3d5c731ffcb6edf6a90e56ee3cac5deea372a00fcbd1b496f6bb09e1c5d",
  record_birth: "5b966dcd71772bdc5c5e7165be316fe4f8da29a39947c55c1d7e2e00fd6cdd19",
  record_changes: "2fde3c71e77828f1d4ff2cfb8826b91ac195f096bb94e34cee87416a166126b3",
  seal_receipt: "74853c4577c68199358607ebff89c354ffd7d0063eb9332101252ef38a0ff2ca",
};
