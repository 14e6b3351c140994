/** What the agent's start promises: it is a part of every boot, beside systemd, and what it does not need it does not load. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { GUEST_PATH } from "../../../src/wire/names.ts";

const ROOT = join(import.meta.dir, "../../..");
const asset = (path: string) => readFileSync(join(ROOT, "vm-assets", path), "utf8");

/** Packages that are loaded with `file`, through everything that it imports at once. */
function packagesOf(file: string, seen = new Map<string, Set<string>>()): Set<string> {
	const known = seen.get(file);
	if (known) return known;
	const found = new Set<string>();
	seen.set(file, found);
	for (const [, clause = "", from = ""] of readFileSync(file, "utf8").matchAll(
		/^(?:import|export)\s+([^"]*?)from "([^"]+)";/gm,
	)) {
		if (clause.startsWith("type ")) continue;
		if (!from.startsWith(".")) found.add(from);
		else if (from.endsWith(".ts")) for (const each of packagesOf(join(dirname(file), from), seen)) found.add(each);
	}
	return found;
}

test("the schema library is loaded by the first request that needs it, not by the start", () => {
	const packages = packagesOf(join(ROOT, "agent/main.ts"));
	expect(packages.has("ssh2")).toBe(true);
	expect(packages.has("zod")).toBe(false);
	expect(packagesOf(join(ROOT, "agent/control.ts")).has("zod")).toBe(true);
});

test("initramfs, unit and agent mean the same process", () => {
	const init = asset("initramfs/init");
	const start = asset("guest/overlay/usr/lib/virtualghost/agent-start");
	const unit = asset("guest/overlay/usr/lib/systemd/system/virtualghost-agent.service");
	expect(init).toContain(`>${GUEST_PATH.run.slice(1)}/agent.early`);
	expect(init).toContain(`chroot . ${GUEST_PATH.agent}/agent `);
	expect(start).toContain(`run=${GUEST_PATH.run}\n`);
	expect(start).toContain("read -r pid <$run/agent.early");
	expect(GUEST_PATH.agentPid).toBe(`${GUEST_PATH.run}/agent.pid`);
	expect(unit).toContain(`PIDFile=${GUEST_PATH.agentPid}\n`);
	// What the unit says of limits and rank holds for the process that the initramfs has started, too.
	const rank = /OOMScoreAdjust=(-\d+)/.exec(unit)?.[1];
	expect(init).toContain(`echo ${rank} >proc/self/oom_score_adj`);
});

test("other devices are looked at when the terminal is up", () => {
	const path = asset("guest/overlay/usr/lib/systemd/system/virtualghost-coldplug.path");
	expect(path).toContain(`PathExists=${GUEST_PATH.terminalUp}\n`);
	expect(path).toContain(`PathExists=${GUEST_PATH.run}/coldplug-now\n`);
	expect(path).toContain(`PathExists=${GUEST_PATH.run}/session/no-card\n`);
	expect(asset("guest/overlay/usr/lib/virtualghost/session")).toContain(`>${GUEST_PATH.run}/session/no-card`);
	expect(asset("initramfs/init")).toContain(`>${GUEST_PATH.run.slice(1)}/coldplug-now`);
	// Announced twice, a keyboard would be two.
	const service = asset("guest/overlay/usr/lib/systemd/system/virtualghost-coldplug.service");
	for (const each of ["drm", "input"]) expect(service).toContain(` --subsystem-nomatch=${each} `);
});

test("a session waits for a card that is there", () => {
	const rule = asset("guest/overlay/usr/lib/udev/rules.d/90-virtualghost.rules")
		.split("\n")
		.find((line) => line.includes("/sys/virtualghost/gpu"));
	expect(rule).toStartWith('SUBSYSTEM=="drm", ENV{DEVTYPE}=="drm_minor", DEVPATH=="/devices/*", ');
});
