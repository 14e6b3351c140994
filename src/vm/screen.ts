/** Pictures of the guest's screen: taken through QMP or, where QEMU cannot read a GL scanout, inside the guest. */
import { closeSync, constants, openSync, readFileSync, rmSync } from "node:fs";
import { Fault } from "../errors.ts";
import type { GuestSession } from "../ssh/client.ts";
import type { Machine } from "./machine.ts";

/** Shell line that gives a command of ours the compositor's socket. */
export const FIND_WAYLAND =
	'cd "$XDG_RUNTIME_DIR" && for s in wayland-?; do [ -S "$s" ] && export WAYLAND_DISPLAY="$s"; done';

/** The screen as `format`. @throws Fault if neither QEMU nor the compositor gives one. */
export async function grabScreen(
	machine: Machine,
	session: () => Promise<GuestSession>,
	path: string,
	format: "ppm" | "png",
): Promise<Buffer> {
	const { gpu } = machine.plan;
	if (gpu === "virgl" || gpu === "vfio") return await grabInGuest(await session(), format);
	try {
		await machine.qmp.execute("screendump", { filename: path, format });
		return readPlain(path);
	} finally {
		rmSync(path, { force: true });
	}
}

/** Whoever has taken QEMU over could have put a link there. */
function readPlain(path: string): Buffer {
	const fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
	try {
		return readFileSync(fd);
	} finally {
		closeSync(fd);
	}
}

async function grabInGuest(session: GuestSession, format: "ppm" | "png"): Promise<Buffer> {
	const result = await session.exec(`${FIND_WAYLAND}; exec grim -t ${format} -`);
	const magic = format === "png" ? "\x89PNG" : "P6";
	if (result.code === 0 && result.stdout.toString("latin1").startsWith(magic)) return result.stdout;
	throw new Fault("No screenshot could be taken in the guest", { tail: result.stderr.toString("utf8") });
}
