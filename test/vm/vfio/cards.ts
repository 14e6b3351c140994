/** What the nested tests look at in L1 and do there again and again. */
import { expect } from "bun:test";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { changedPixels, type Picture } from "../../../src/smoke/picture.ts";
import { testContext } from "./image.ts";
import type { L1 } from "./l1.ts";
import type { CommandOptions, L1Command } from "./l1-commands.ts";
import { L1_DEVICE } from "./machine-l1.ts";
import { type PayloadName, PICTURE, payloadPicture, payloads } from "./payload.ts";

/** L1 comes up in 15-25 s, a machine inside is up 10-20 s later; both many times slower beside another machine. */
export const NESTED_TIMEOUT_MS = 600_000;

/** Guest memory in MiB: all of it is locked. */
const MEMORY_MIB = 512;

/** `address driver override` of each device, then nodes and journals. */
const LOOK = `
cd /sys/bus/pci/devices
for d in ${Object.values(L1_DEVICE).join(" ")}; do
	driver=none
	[ -e $d/driver ] && { driver=$(readlink $d/driver); driver=\${driver##*/}; }
	read -r override <$d/driver_override
	echo "$d $driver $override"
done
echo "nodes $(cd /dev/vfio 2>/dev/null && echo [0-9]*)"
echo "journals $(cd /var/lib/virtualghost/vfio 2>/dev/null && echo *.json)"
`;

/** As nobody has touched anything. */
export const UNTOUCHED = `${L1_DEVICE.gpu} bochs-drm (null)
${L1_DEVICE.audio} snd_hda_intel (null)
${L1_DEVICE.network} e1000e (null)
${L1_DEVICE.nvme} nvme (null)
${L1_DEVICE.bridge} none (null)
${L1_DEVICE.sharedGpu} bochs-drm (null)
${L1_DEVICE.edu} none (null)
`;

/** Drivers and overrides, nodes of groups and journals, as text. */
export async function look(l1: L1): Promise<string> {
	const text = await l1.ok(LOOK);
	return text.replaceAll("[0-9]*", "").replaceAll("*.json", "").replaceAll(/ +$/gm, "");
}

/** Every device as it was, no node open to anybody, nothing written down, no process of ours. */
export async function expectUntouched(l1: L1): Promise<void> {
	expect(await look(l1)).toBe(`${UNTOUCHED}nodes\njournals\n`);
	expect(await l1.ok("pgrep -fa '^/host/' || :")).toBe("");
}

export async function carryPayloads(l1: L1): Promise<void> {
	for (const [name, path] of Object.entries(await payloads(testContext()))) {
		copyFileSync(path, join(l1.share, `${name}.elf`));
	}
}

/** The command line of a run with the payload as its kernel. */
export function runLine(gpu: string, payload: PayloadName, more = ""): string {
	return `$VG run --gpu ${gpu} --display none --accel tcg --memory ${MEMORY_MIB}M --name inner --kernel /share/${payload}.elf ${more}`;
}

/** A state folder for each account; its logs are read from outside. */
const STATE = "export XDG_STATE_HOME=/tmp/state-$(id -u)\n";
const SERIAL = "/tmp/state-*/virtualghost/runs/*/serial.log";

/** Starts a run that stays until it is stopped, and waits until the payload has done its work. */
export async function startRun(
	l1: L1,
	gpu: string,
	options: CommandOptions & { more?: string } = {},
): Promise<L1Command> {
	await l1.ok("rm -rf /tmp/state-*");
	const command = l1.start(`${STATE}${runLine(gpu, "long", options.more)}`, options);
	const ready = l1.ok(`until grep -qs "payload: ready" ${SERIAL}; do sleep 0.2; done`);
	const ended = command.outcome.then(({ output }) => {
		throw new Error(`the run has ended: ${output}`);
	});
	ended.catch(() => {});
	await Promise.race([ready, ended]);
	return command;
}

/** What the payload has said on its serial console. */
export function payloadLog(l1: L1): Promise<string> {
	return l1.ok(`cat ${SERIAL}`);
}

/** The launcher's code when a guest could not be asked to end: the payload has no agent. */
const ENDED_BY_FORCE = 143;

export async function stopRun(l1: L1, run: L1Command, options?: CommandOptions): Promise<void> {
	await l1.ok("$VG stop inner", options);
	// On a busy computer the launcher may not have seen yet that its guest lives, and says that its start was interrupted.
	const output = expect.stringMatching(/^(virtualghost: Interrupted by SIGTERM\n)?$/);
	expect(await run.outcome).toMatchObject({ code: ENDED_BY_FORCE, output });
}

/** Pixels of a display that are not the payload's. */
export function wrongPixels(picture: Picture): number {
	return changedPixels(picture, { ...PICTURE, pixels: payloadPicture() });
}
