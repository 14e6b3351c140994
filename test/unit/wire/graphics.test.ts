/** What the session's scripts and the launcher both know. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { NOTHING_DRAWN_STATUS, OPENGL_MIN } from "../../../src/wire/names.ts";

const SCRIPTS = join(import.meta.dir, "../../../vm-assets/guest/overlay/usr/lib/virtualghost");

test("the least OpenGL", () => {
	const [major, minor] = OPENGL_MIN.split(".");
	const script = readFileSync(join(SCRIPTS, "terminal"), "utf8");
	expect(script).toContain(`"\${major:-0}" -lt ${major} ]`);
	expect(script).toContain(`"$major" -eq ${major} ] && [ "\${minor:-0}" -lt ${minor} ]`);
	expect(script).toContain(`and ${OPENGL_MIN} is needed`);
	expect(readFileSync(join(SCRIPTS, "session"), "utf8")).toContain(`and ${OPENGL_MIN} is needed`);
});

test("the status of a session that showed nothing", () => {
	expect(readFileSync(join(SCRIPTS, "session"), "utf8")).toContain(`exit ${NOTHING_DRAWN_STATUS}\n`);
});
