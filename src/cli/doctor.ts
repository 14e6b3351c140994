/** `virtualghost doctor`: what this host offers, what a start would choose, and what would make it better. */

import { existsSync } from "node:fs";
import { EXIT } from "../errors.ts";
import { findCage } from "../host/cage.ts";
import { gatherHostFacts } from "../host/facts.ts";
import type { HostFacts, QemuFacts } from "../plan/facts.ts";
import { isAtLeast } from "../plan/facts.ts";
import { whyNoFilter } from "../plan/network.ts";
import { recallBroken } from "../vm/host-memory.ts";
import { whyNoPasst } from "../vm/network.ts";
import { IN_PLACE, OwnExecutable } from "../vm/own-executable.ts";
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

export async function doctor(context: Context, flags: { json: boolean }): Promise<number> {
	const { config } = loadContextConfig(context, {});
	const host = gatherHostFacts(context.env);
	const qemu = chooseQemu(config, context, host).facts;
	const broken = recallBroken(context.directories.state, "accelerator", keyOfHost(context, config, qemu.version));
	const snapshots = snapshotFinding(context, config.snapshot.diskMiB);
	const terminal = explainTerminal(context, config);
	const layers = [sandbox(host), cage(qemu, context), await network(host, qemu)];
	const machine = [qemuFinding(qemu), ...accelerators(host, broken), control(host, qemu)];
	const findings = [...machine, ...layers, ...imagesFinding(context), snapshots, terminal.finding];
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

/** Reads the images whole, which no start does. */
function imagesFinding({ embedded: { manifest } }: Context): Finding[] {
	if (manifest === null) return [];
	const topic = "images";
	const opened = OwnExecutable.open(manifest);
	if ("why" in opened) return [{ topic, verdict: "slow", text: `extracted to the cache: ${opened.why}` }];
	using own = opened;
	const damaged = IN_PLACE.filter(
		(name) => manifest.assets.find((each) => each.name === name)?.sha256 !== own.hash(name),
	);
	if (damaged.length === 0) return [{ topic, verdict: "ok", text: "used in place in the executable, which is whole" }];
	const text = `the executable is damaged (${damaged.join(", ")}); download or build virtualghost again`;
	return [{ topic, verdict: "no", text }];
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

function sandbox({ platform }: HostFacts): Finding {
	const topic = "seccomp";
	if (platform === "linux") return { topic, verdict: "ok", text: "QEMU's own filter, everything denied" };
	return { topic, verdict: "no", text: `QEMU has no sandbox on ${platform}` };
}

/** The bundle is there after the first start. */
function isExtracted({ source, dataFolder }: QemuFacts): boolean {
	return source === "external" || (dataFolder !== null && existsSync(dataFolder));
}

const AFTER_FIRST_START = "known after the first start";

function cage(qemu: QemuFacts, context: Context): Finding {
	const topic = "cage";
	const { cage: found, why } = findCage(qemu, context.env);
	if (found) return { topic, verdict: "ok", text: `namespaces of its own for QEMU, by ${why}` };
	if (!isExtracted(qemu)) return { topic, verdict: "slow", text: AFTER_FIRST_START };
	return { topic, verdict: "no", text: `QEMU sees this host's files and networks (${why})` };
}

async function network(host: HostFacts, qemu: QemuFacts): Promise<Finding> {
	const topic = "network";
	if (host.platform === "linux" && qemu.passt !== null && !isExtracted(qemu)) {
		return { topic, verdict: "slow", text: AFTER_FIRST_START };
	}
	const why = whyNoFilter(host, qemu) ?? (qemu.passt === null ? "no passt" : await whyNoPasst(qemu.passt));
	if (why === null)
		return { topic, verdict: "ok", text: "the internet and nothing else, by passt and a packet filter" };
	return { topic, verdict: "no", text: `the guest will have none (${why})` };
}

function control(host: HostFacts, qemu: QemuFacts): Finding {
	const topic = "vsock";
	if (host.kernelVsock.usable) return { topic, verdict: "ok", text: host.kernelVsock.why };
	if (host.platform === "linux" && qemu.vsockDaemon) return { topic, verdict: "ok", text: "by vhost-device-vsock" };
	return { topic, verdict: "no", text: `${host.kernelVsock.why}; a network card that leads to the agent only is used` };
}
