/** The platforms a binary can be made for. */
import { Fault } from "../../src/errors.ts";
import type { Arch } from "./context.ts";

export const TARGETS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "windows-x64"] as const;
export type Target = (typeof TARGETS)[number];

export interface Platform {
	/** Bun's word. Baseline builds run on processors without AVX2, emulated ones among them. */
	readonly bun: string;
	/** Architecture of the guest assets inside; null where none can be built. */
	readonly assets: Arch | null;
	/** Whether the QEMU bundle, which is for Linux, goes in. */
	readonly qemu: boolean;
	readonly suffix: "" | ".exe";
}

export const PLATFORMS: Readonly<Record<Target, Platform>> = {
	"linux-x64": { bun: "bun-linux-x64-baseline", assets: "x64", qemu: true, suffix: "" },
	"linux-arm64": { bun: "bun-linux-arm64", assets: null, qemu: false, suffix: "" },
	"darwin-x64": { bun: "bun-darwin-x64-baseline", assets: "x64", qemu: false, suffix: "" },
	"darwin-arm64": { bun: "bun-darwin-arm64", assets: null, qemu: false, suffix: "" },
	"windows-x64": { bun: "bun-windows-x64-baseline", assets: "x64", qemu: false, suffix: ".exe" },
};

export function hostTarget(): Target {
	const system = process.platform === "win32" ? "windows" : process.platform;
	return parseTarget(`${system}-${process.arch}`);
}

export function parseTarget(text: string): Target {
	const found = TARGETS.find((target) => target === text);
	if (found === undefined)
		throw new Fault(`no target ${text}`, { fix: `Choose one of ${TARGETS.join(", ")}.`, exitCode: 2 });
	return found;
}
