/** A machine out of this checkout's parts, in this process: for what cannot be seen or done from outside the binary. */
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { gatherHostFacts } from "../../src/host/facts.ts";
import { embeddedQemu } from "../../src/host/qemu.ts";
import { type Embedded, ensureAssets } from "../../src/vm/assets.ts";
import { boot } from "../../src/vm/boot.ts";
import { makeCredentials } from "../../src/vm/credentials.ts";
import { Instance } from "../../src/vm/instance.ts";
import { RunLogs } from "../../src/vm/logs.ts";
import type { Machine } from "../../src/vm/machine.ts";
import { type AssetName, manifestSchema } from "../../src/vm/manifest.ts";
import { BOOT_TIMEOUT_MS, type Sandbox } from "./harness.ts";

const ASSETS = join(import.meta.dir, "../../dist/assets/x64");
const NEEDED: readonly AssetName[] = ["kernel", "initramfs", "root", "guest", "qemu"];

export interface InsideRun extends AsyncDisposable {
	readonly machine: Machine;
	readonly instance: Instance;
	readonly logs: RunLogs;
}

/** What `bun build.ts` put into dist/assets, as the binary would see it. */
async function builtAssets(): Promise<Embedded> {
	const manifest = manifestSchema.parse(await Bun.file(join(ASSETS, "manifest.json")).json());
	const files = Object.fromEntries(manifest.assets.map((asset) => [asset.name, join(ASSETS, asset.file)]));
	return { manifest, files };
}

/**
 * Boots without a window and without a session, on software emulation, and waits for the agent. `flags` are those of the
 * command line, without their dashes; `extraArgv` goes to QEMU in front of everything else.
 */
export async function openInside(
	sandbox: Sandbox,
	flags: Readonly<Record<string, string>>,
	extraArgv: readonly string[] = [],
): Promise<InsideRun> {
	await using scope = new AsyncDisposableStack();
	const embedded = await builtAssets();
	const { signal } = new AbortController();
	const paths = await ensureAssets(embedded, sandbox.cache, NEEDED, () => {}, signal);
	const path = (name: AssetName) => paths.get(name) ?? "";
	const { config } = loadConfig({
		file: null,
		env: {},
		flags: { accel: "tcg", display: "none", gpu: "none", network: "none", ...flags },
		home: sandbox.home,
		cwd: sandbox.cwd,
	});
	const bundle = embedded.manifest?.qemu;
	if (!bundle) throw new Error("dist/assets is without QEMU");
	const qemu = embeddedQemu(path("qemu"), bundle);
	const instance = scope.use(Instance.create(join(sandbox.runtime, "virtualghost"), null));
	const state = join(sandbox.home, ".local/state/virtualghost");
	const logs = RunLogs.create(state, instance.name, 10, new Set());
	const machine = await boot({
		config,
		host: gatherHostFacts(sandbox.env),
		qemu: { ...qemu, facts: { ...qemu.facts, command: [...qemu.facts.command, ...extraArgv] } },
		images: {
			kernel: path("kernel"),
			initramfs: path("initramfs"),
			root: { kind: "file", path: path("root") },
			guest: { kind: "file", path: path("guest") },
			drivers: null,
			look: null,
		},
		executable: null,
		instance,
		credentials: makeCredentials(instance, { hint: false }),
		logs,
		headless: true,
		env: sandbox.env,
		// The verb that filters is in the built binary only.
		policy: null,
		cage: null,
		state,
		hostKey: "",
		report: { warn: () => {}, stage: () => {}, detail: () => {} },
		signal,
	});
	scope.use(machine);
	await machine.reach("agent", BOOT_TIMEOUT_MS);
	const moved = scope.move();
	return { machine, instance, logs, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}
