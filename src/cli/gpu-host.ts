/** What `gpu list` and `gpu plan` look at: this system's PCI functions, their names, and who asks. */
import { readFileSync } from "node:fs";
import { gatherHostFacts } from "../host/facts.ts";
import { guestMemoryMiB } from "../plan/decide.ts";
import { discover, type PciHost } from "../vfio/discover.ts";
import { hostFiles } from "../vfio/files.ts";
import { findNames, hostPciIds } from "../vfio/ids.ts";
import { type Asker, lockedMemoryLimit } from "../vfio/judge.ts";
import type { NameOf } from "../vfio/report.ts";
import { type Context, loadContextConfig } from "./context.ts";

export interface GpuHost {
	readonly host: PciHost;
	readonly asker: Asker;
	readonly nameOf: NameOf;
}

export function lookAtHost(context: Context): GpuHost {
	const files = hostFiles();
	const { config } = loadContextConfig(context, {});
	const memoryMiB = guestMemoryMiB(config, gatherHostFacts(context.env));
	const asker = {
		uid: process.getuid?.() ?? 0,
		memlockBytes: lockedMemoryLimit(files.read("/proc/self/limits") ?? ""),
		guestMemoryBytes: memoryMiB * 1024 * 1024,
	};
	const list = hostPciIds(files) ?? embeddedPciIds(context.embedded.files.pciids);
	return { host: discover(files), asker, nameOf: (vendor, device) => findNames(list, vendor, device) };
}

/** Empty where this build carries none: then there are numbers in place of names. */
function embeddedPciIds(path: string | undefined): string {
	return path === undefined ? "" : new TextDecoder().decode(Bun.zstdDecompressSync(readFileSync(path)));
}
