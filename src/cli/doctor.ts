/** `virtualghost doctor`: what this host offers, what a start would choose, and what would make it better. */
import { EXIT } from "../errors.ts";
import { gatherHostFacts } from "../host/facts.ts";
import type { HostFacts, QemuFacts } from "../plan/facts.ts";
import { isAtLeast } from "../plan/facts.ts";
import { recallBroken } from "../vm/host-memory.ts";
import { listSnapshots } from "../vm/snapshot/store.ts";
import { type Context, loadContextConfig } from "./context.ts";
import { explainTerminal } from "./doctor-terminal.ts";
import { findRoutes } from "./gpu-routes.ts";
import { chooseQemu, keyOfHost } from "./open-run.ts";
import { print } from "./output.ts";
import { stripControls } from "./terminal-text.ts";

export interface Finding {
	readonly topic: string;
	/** `ok`; `slow` or `no` say that something better is possible or missing. */
	readonly verdict: "ok" | "slow" | "no";
	readonly text: string;
}

const SAFE_QEMU = "11.0";
const MIB = 1024 * 1024;

export function doctor(context: Context, flags: { json: boolean }): number {
	const { config } = loadContextConfig(context, {});
	const host = gatherHostFacts(context.env);
	const qemu = chooseQemu(config, context, host).facts;
	const broken = recallBroken(context.directories.state, "accelerator", keyOfHost(context, config, qemu.version));
	const snapshots = snapshotFinding(context, config.snapshot.diskMiB);
	const terminal = explainTerminal(context, config);
	const findings = [qemuFinding(qemu), ...accelerators(host, broken), control(host, qemu), snapshots, terminal.finding];
	const graphics = findRoutes(context);
	if (flags.json) {
		print(`${JSON.stringify({ findings, graphics, ghostty: terminal.ghostty }, null, 2)}\n`);
		return EXIT.ok;
	}
	const lines = findings.map(({ topic, verdict, text }) => `${topic.padEnd(12)} ${verdict.padEnd(9)} ${text}`);
	for (const { name, verdict, why, unlock } of graphics.routes) {
		lines.push(`${`gpu ${name}`.padEnd(12)} ${verdict.padEnd(9)} ${why}${unlock === null ? "" : `; try: ${unlock}`}`);
	}
	lines.push(...terminal.lines);
	print(stripControls(`${lines.join("\n")}\n`));
	return EXIT.ok;
}

function snapshotFinding(context: Context, maxMiB: number): Finding {
	const known = listSnapshots(context.directories.cache);
	const used = Math.round(known.reduce((sum, { bytes }) => sum + bytes, 0) / MIB);
	const text = `${known.length} take ${used} of at most ${maxMiB} MiB; \`virtualghost clean\` removes them`;
	const none = "none yet: the first start of a window, or `virtualghost prewarm`, makes one";
	return { topic: "snapshots", verdict: known.length > 0 ? "ok" : "slow", text: known.length > 0 ? text : none };
}

function qemuFinding({ source, version }: QemuFacts): Finding {
	const safe = isAtLeast(version, SAFE_QEMU);
	const text = safe ? `${version}, ${source}` : `${version} has known holes; use ${SAFE_QEMU} or newer`;
	return { topic: "qemu", verdict: safe ? "ok" : "no", text };
}

function accelerators(host: HostFacts, broken: { what: string; why: string } | null): Finding[] {
	return host.accelerators.map(({ name, usable, why }) => {
		if (broken?.what === name) return { topic: name, verdict: "no", text: `it failed here before: ${broken.why}` };
		if (name === "tcg")
			return { topic: name, verdict: "slow", text: `${why}; QEMU does not promise isolation with it` };
		return { topic: name, verdict: usable ? "ok" : "no", text: why };
	});
}

function control(host: HostFacts, qemu: QemuFacts): Finding {
	const topic = "vsock";
	if (host.kernelVsock.usable) return { topic, verdict: "ok", text: host.kernelVsock.why };
	if (host.platform === "linux" && qemu.vsockDaemon) return { topic, verdict: "ok", text: "by vhost-device-vsock" };
	return { topic, verdict: "no", text: `${host.kernelVsock.why}; a network card that leads to the agent only is used` };
}
