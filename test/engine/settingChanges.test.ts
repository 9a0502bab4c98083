/** Every setting changed once: a minute of CPU, which is why it is here, and only all at once in test/unit. */
import { expect, test } from "vitest";
import { entries } from "../../settings/table";
import { changesOf } from "../unit/settingChanges";
import { changesPage } from "../unit/settingChangesPage";

test("what a change of each setting does is on docs/setting-changes.md as it is computed (npm run setting-changes)", async () => {
  const page = changesPage(await changesOf(entries.map(({ setting }) => setting.key)));
  await expect(page).toMatchFileSnapshot("../../docs/setting-changes.md");
});
