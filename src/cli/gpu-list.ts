/** `virtualghost gpu list`: the graphics cards, and whether each can be passed. */
import { EXIT } from "../errors.ts";
import { reportCards } from "../vfio/report.ts";
import type { Context } from "./context.ts";
import type { GpuFlags } from "./gpu.ts";
import { lookAtHost } from "./gpu-host.ts";
import { asciiJson, describeCards } from "./gpu-text.ts";
import { print } from "./output.ts";

export function gpuList(context: Context, flags: Pick<GpuFlags, "json">): number {
	const { host, asker, nameOf } = lookAtHost(context);
	const cards = reportCards(host, asker, nameOf);
	print(flags.json ? asciiJson(cards) : describeCards(cards));
	return EXIT.ok;
}
