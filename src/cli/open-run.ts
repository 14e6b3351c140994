/** From configuration to a living machine: assets, instance, logs, keys, boot; one scope that undoes it all in reverse. */
import { accessSync, constants } from "node:fs";
import type { Config } from "../config/schema.ts";
import { EXIT, Fault, reason } from "../errors.ts";
import { type CageFinding, findCage } from "../host/cage.ts";
import { forbidCoreDumps } from "../host/limits.ts";
import { embeddedQemu, externalQemu, type FoundQemu } from "../host/qemu.ts";
import { type CageFacts, whyNoCage } from "../plan/cage.ts";
import type { DiskImage, HostFacts, ImagePaths } from "../plan/facts.ts";
import { isPassthrough } from "../plan/gpu.ts";
import type { KeptDisk } from "../plan/machine-plan.ts";
import { decideNetwork, networkLabel, networkWarning } from "../plan/network.ts";
import { COMMIT, VERSION } from "../version.ts";
import { assetPath, type Embedded, ensureAssets } from "../vm/assets.ts";
import { boot } from "../vm/boot.ts";
import { makeCredentials } from "../vm/credentials.ts";
import { openDriverPack, requireSameKernel } from "../vm/driver-pack.ts";
import { hostKey, isFirstStart } from "../vm/host-memory.ts";
import { Instance } from "../vm/instance.ts";
import { RunLogs } from "../vm/logs.ts";
import { type Look, writeLook } from "../vm/look.ts";
import type { Machine } from "../vm/machine.ts";
import type { AssetName } from "../vm/manifest.ts";
import { resolvePolicy } from "../vm/network.ts";
import { type InPlace, OwnExecutable } from "../vm/own-executable.ts";
import { livingNames } from "../vm/registry.ts";
import { bootWarm, type WarmRequest } from "../vm/snapshot/warm.ts";
import type { Context } from "./context.ts";
import type { Report } from "./report.ts";

/** What a run is to be. */
export interface RunWishes {
	readonly config: Config;
	readonly host: HostFacts;
	readonly headless: boolean;
	readonly name?: string | undefined;
	/** Not from a snapshot. */
	readonly cold?: boolean;
	/** PCI functions that were taken from the host for this guest. */
	readonly passthrough?: readonly string[] | undefined;
	readonly disks?: readonly KeptDisk[];
	/** Something is set up in the guest before its session starts. */
	readonly hasFiles?: boolean;
	/** Of the terminal; null for the image's own. */
	readonly look: Look | null;
}

export interface OpenRun extends AsyncDisposable {
	readonly machine: Machine;
	readonly instance: Instance;
	readonly logs: RunLogs;
	/** What it was started from. */
	readonly request: WarmRequest;
}

/** Which embedded files a run needs as files: those that neither the configuration replaces nor QEMU uses where they are. */
export function neededAssets(config: Config, embedded: Embedded, own: OwnExecutable | null): AssetName[] {
	const names: AssetName[] = ["initramfs"];
	if (!config.vm.kernel) names.push("kernel");
	if (!own) names.push("guest");
	if (!own && !config.vm.rootfs) names.push("root");
	if (usesBundle(config, embedded)) names.push("qemu");
	return names;
}

function usesBundle(config: Config, embedded: Embedded): boolean {
	return config.qemu.binary === null && embedded.files.qemu !== undefined && embedded.manifest?.qemu != null;
}

/** QEMU as it will be started; the bundle need not be extracted yet. */
export function chooseQemu(config: Config, context: Context, host: HostFacts): FoundQemu {
	const { manifest } = context.embedded;
	if (usesBundle(config, context.embedded) && manifest?.qemu) {
		return embeddedQemu(assetPath(context.directories.cache, manifest, "qemu"), manifest.qemu);
	}
	return externalQemu(config.qemu.binary, host.arch);
}

/** The executable with the images in it; null, with a word to `note`, where they have to be extracted. */
export function openExecutable({ embedded }: Context, note: (text: string) => void): OwnExecutable | null {
	if (!embedded.manifest) return null;
	const own = OwnExecutable.open(embedded.manifest);
	if (!("why" in own)) return own;
	note(`images: extracted to the cache (${own.why})`);
	return null;
}

export function imagePaths(config: Config, context: Context, own: OwnExecutable | null, look: Look | null): ImagePaths {
	const { manifest } = context.embedded;
	if (!manifest) {
		throw new Fault("This build carries no kernel and no system", {
			why: "it was built for a platform without images of its own",
			fix: "use a build for linux-x64, darwin-x64 or windows-x64",
		});
	}
	const embedded = (name: AssetName) => assetPath(context.directories.cache, manifest, name);
	const disk = (name: InPlace): DiskImage =>
		own ? { kind: "executable", ...own.parts[name] } : { kind: "file", path: embedded(name) };
	return {
		kernel: config.vm.kernel ?? embedded("kernel"),
		initramfs: embedded("initramfs"),
		root: config.vm.rootfs === null ? disk("root") : { kind: "file", path: config.vm.rootfs },
		guest: disk("guest"),
		drivers: config.gpu.driverPack,
		look: look?.path ?? null,
	};
}

/** @throws Fault naming the option whose file cannot be read. */
export function checkOwnImages(config: Config): void {
	for (const [what, path] of [
		["kernel", config.vm.kernel],
		["rootfs", config.vm.rootfs],
	] as const) {
		if (path === null) continue;
		try {
			accessSync(path, constants.R_OK);
		} catch (error) {
			throw new Fault(`The ${what} ${path} cannot be read`, {
				why: reason(error),
				fix: `check --${what}`,
				exitCode: EXIT.usage,
			});
		}
	}
}

/** Warnings. @throws Fault where the driver pack cannot serve the kernel of this build. */
function checkDrivers({ gpu, vm }: Config, { manifest }: Embedded): string[] {
	if (gpu.driverPack === null || manifest === null) return [];
	const header = openDriverPack(gpu.driverPack);
	if (vm.kernel === null) {
		requireSameKernel(header, manifest, gpu.driverPack);
		return [];
	}
	return [`the driver pack is for Linux ${header.kernel}: with --kernel its drivers may not load`];
}

/** What the memory of a broken accelerator holds for: another kernel, image, QEMU or launcher may do better. */
export function keyOfHost(context: Context, config: Config, qemuVersion: string): string {
	const images = context.embedded.manifest?.assets.map((asset) => asset.sha256.slice(0, 8)) ?? [];
	const own = [config.vm.kernel, config.vm.rootfs, config.qemu.binary].map((path) => path ?? "");
	return hostKey(qemuVersion, `${VERSION} ${COMMIT ?? ""}`, [...images, ...own].join(" "));
}

/** One layer of several: without it QEMU still runs under its own seccomp filter, which is why it is no warning. */
function tellCage({ cage, why }: CageFinding, config: Config, report: Report): CageFacts | null {
	const refusal = cage === null ? why : isPassthrough(config) ? whyNoCage({ gpu: "vfio" }) : null;
	report.detail(refusal === null ? `cage: ${why}` : `cage: none, QEMU sees this host's files (${refusal})`);
	return cage;
}

export interface PreparedRun extends AsyncDisposable {
	readonly request: WarmRequest;
	readonly instance: Instance;
	readonly logs: RunLogs;
}

/** Everything that a machine needs before it can be started. @throws Fault; nothing is left behind then */
export async function prepareRun(
	context: Context,
	{ config, host, headless, name, passthrough = [], disks = [], hasFiles = false, look }: RunWishes,
	report: Report,
	signal: AbortSignal,
): Promise<PreparedRun> {
	await using scope = new AsyncDisposableStack();
	forbidCoreDumps();
	checkOwnImages(config);
	for (const warning of checkDrivers(config, context.embedded)) report.warn(warning);
	const { directories, embedded } = context;
	const instance = scope.use(Instance.create(directories.runtime, name ?? null));
	const logs = RunLogs.create(directories.state, instance.name, config.logs.keep, livingNames(directories.runtime));
	instance.update({ logs: logs.folder });
	logs.note(`virtualghost ${VERSION} (${COMMIT ?? "no commit"}) on ${host.platform} ${host.arch}`);
	const own = openExecutable(context, (text) => report.detail(text));
	if (own) scope.use(own);
	await ensureAssets(
		embedded,
		directories.cache,
		neededAssets(config, embedded, own),
		(name, done, total) => report.progress(`extracting ${name}`, done, total),
		signal,
	);
	if (look !== null) writeLook(look);
	const qemu = chooseQemu(config, context, host);
	if (qemu.warning) report.warn(qemu.warning);
	const network = decideNetwork(config, host, qemu.facts);
	const openness = networkWarning(network);
	if (openness) report.warn(openness);
	const request: WarmRequest = {
		config,
		host,
		qemu,
		images: imagePaths(config, context, own, look),
		executable: own,
		instance,
		credentials: makeCredentials(instance, { hint: isFirstStart(directories.state) }),
		logs,
		headless,
		passthrough,
		disks,
		hasFiles,
		env: context.env,
		cage: tellCage(findCage(qemu.facts, context.env), config, report),
		policy: await resolvePolicy(config.network),
		state: directories.state,
		cache: directories.cache,
		hostKey: keyOfHost(context, config, qemu.facts.version),
		report,
		signal,
	};
	const moved = scope.move();
	return { request, instance, logs, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** Brings up a machine whose kernel runs. @throws Fault, the one in `signal` if that is aborted; nothing is left behind then. */
export async function openRun(
	context: Context,
	wishes: RunWishes,
	report: Report,
	signal: AbortSignal,
): Promise<OpenRun> {
	await using scope = new AsyncDisposableStack();
	const prepared = scope.use(await prepareRun(context, wishes, report, signal));
	const { request, instance, logs } = prepared;
	const label = networkLabel({ network: decideNetwork(wishes.config, wishes.host, request.qemu.facts) });
	report.stage(`booting ${instance.name} ${label}`);
	const warm = wishes.cold === true ? null : await bootWarm(request);
	const machine = scope.use(warm ?? (await boot(request)));
	const moved = scope.move();
	return { machine, instance, logs, request, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}
