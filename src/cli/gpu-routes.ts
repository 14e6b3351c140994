/** `virtualghost gpu`: the ways to graphics that this host has, which one a window gets, and what would unlock a better one. */
import { EXIT } from "../errors.ts";
import { shortVersion, gpuRoutes as virtioRoutes } from "../plan/gpu.ts";
import { discover, isDisplay } from "../vfio/discover.ts";
import { hostFiles } from "../vfio/files.ts";
import { judge } from "../vfio/judge.ts";
import { recallFallback } from "../vm/boot.ts";
import { type Context, loadContextConfig } from "./context.ts";
import type { GpuFlags } from "./gpu.ts";
import { displayOf, findHost } from "./host.ts";
import { chooseQemu, keyOfHost } from "./open-run.ts";
import { print } from "./output.ts";
import { stripControls } from "./terminal-text.ts";

interface Shown {
	readonly name: "vfio" | "virgl" | "software";
	readonly verdict: "chosen" | "possible" | "no";
	readonly why: string;
	/** What would unlock it. */
	readonly unlock: string | null;
}

export function gpuRoutes(context: Context, flags: Pick<GpuFlags, "json">): number {
	const routes = findRoutes(context);
	if (flags.json) print(`${JSON.stringify(routes, null, 2)}\n`);
	else print(stripControls(formatRoutes(routes)));
	return EXIT.ok;
}

export interface GpuReport {
	/** What makes the window. */
	readonly display: string;
	/** The host's OpenGL, where a window would use it. */
	readonly openGl: string | null;
	readonly routes: readonly Shown[];
}

/** As a plain `virtualghost` on this host would choose, with what is in the configuration. */
export function findRoutes(context: Context): GpuReport {
	const { config: configured } = loadContextConfig(context, {});
	const config = { ...configured, gpu: { ...configured.gpu, mode: "auto" as const } };
	const host = findHost(context, config, false);
	const display = displayOf(config, host, false);
	const qemu = chooseQemu(config, context, host).facts;
	let remembered: string | null = null;
	const recalled = recallFallback({
		config: { ...config, vm: { ...config.vm, accel: "tcg" } },
		host,
		state: context.directories.state,
		hostKey: keyOfHost(context, config, qemu.version),
		report: { detail: (text) => (remembered = text.replace(/^gpu: /, "")) },
	});
	const stepped = recalled?.gpu === "software";
	let chosen = false;
	const shown = virtioRoutes(host, qemu, display).map(({ name, usable, why, unlock }): Shown => {
		const works = usable && !(stepped && name === "virgl");
		const verdict = works && !chosen ? "chosen" : works ? "possible" : "no";
		chosen ||= works;
		if (!usable || works) return { name, verdict, why, unlock };
		return { name, verdict, why: remembered ?? why, unlock: "another driver, or `virtualghost clean` to try again" };
	});
	const openGl = host.gl?.version ? `${shortVersion(host.gl.version)} (${host.gl.renderer})` : null;
	return { display, openGl, routes: [findPassthrough(host.platform), ...shown] };
}

/** A card is handed over only when it is asked for, so this one is never chosen by itself. */
function findPassthrough(platform: string): Shown {
	const no = (why: string, unlock: string | null): Shown => ({ name: "vfio", verdict: "no", why, unlock });
	if (platform !== "linux") return no("only Linux can hand a graphics card to a guest", null);
	const host = discover(hostFiles());
	const cards = host.functions.filter(isDisplay);
	if (cards.length === 0) return no("this host has no graphics card on its PCI bus", null);
	const asker = { uid: process.getuid?.() ?? 0, memlockBytes: null, guestMemoryBytes: null };
	const free = cards.filter(({ bdf }) => judge(host, bdf, asker).length === 0).map(({ bdf }) => bdf);
	if (free.length > 0) {
		return {
			name: "vfio",
			verdict: "possible",
			why: `${free.join(", ")} can be handed to the guest`,
			unlock: `--gpu ${free[0]}`,
		};
	}
	const first = cards[0] && judge(host, cards[0].bdf, asker)[0];
	return no(
		first?.text ?? "no card can be handed over",
		"virtualghost gpu list tells all that is in the way, and what helps",
	);
}

function formatRoutes({ display, openGl, routes }: GpuReport): string {
	const lines = [`window: ${display}${openGl ? `, the host's OpenGL ${openGl}` : ""}`];
	for (const { name, verdict, why, unlock } of routes) {
		lines.push(`${name.padEnd(9)} ${verdict.padEnd(9)} ${why}`);
		if (unlock !== null) lines.push(`${"".padEnd(19)} try: ${unlock}`);
	}
	return `${lines.join("\n")}\n`;
}
