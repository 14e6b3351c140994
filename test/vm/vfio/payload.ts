/** The machine inside the nested test (payload.c), built with the build's own compiler, and the picture that it paints. */
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { type Step, step } from "../../../vm-assets/build/cache.ts";
import type { Context } from "../../../vm-assets/build/context.ts";
import { toolsStep, toolsTree } from "../../../vm-assets/build/tools.ts";
import { inTree } from "../../../vm-assets/build/tree.ts";

const SOURCE = "test/vm/vfio/payload.c";

/** Payloads by how long they stay, in seconds. */
const WAITS = { short: 0, long: 600 } as const;

export type PayloadName = keyof typeof WAITS;

/** Files by name: `short` powers off when it has painted, `long` stays until it is ended. */
export async function payloads(context: Context): Promise<Record<PayloadName, string>> {
	const tools = await toolsStep(context);
	const built: Step = await step(context, {
		name: "vfio-payload",
		title: "machine inside the nested test",
		recipe: [SOURCE, "test/vm/vfio/payload.ts"],
		uses: [tools],
		make: async ({ dir, log }) => {
			copyFileSync(join(context.repo, SOURCE), join(dir, "payload.c"));
			for (const [name, seconds] of Object.entries(WAITS)) {
				const argv = [
					...["gcc", "-m32", "-march=i686", "-O2", "-Wall", "-Wextra", "-Wno-sign-compare", "-Werror"],
					...["-ffreestanding", "-fno-pic", "-no-pie", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"],
					...[
						"-nostdlib",
						"-static",
						"-Wl,--build-id=none",
						"-Wl,-Ttext-segment=0x100000",
						`-DWAIT_SECONDS=${seconds}`,
					],
					...["-o", `/mnt/out/${name}.elf`, "/mnt/out/payload.c"],
				];
				await inTree({ tree: toolsTree(tools), argv, mounts: [{ from: dir, as: "out" }] }, { log });
			}
		},
	});
	return { short: join(built.dir, "short.elf"), long: join(built.dir, "long.elf") };
}

export const PICTURE = { width: 640, height: 480 } as const;

const BARS = [0xffffff, 0xffff00, 0x00ffff, 0x00ff00, 0xff00ff, 0xff0000, 0x0000ff, 0x102030];

/** The payload's picture as RGB, three bytes a pixel. */
export function payloadPicture(): Uint8Array {
	const pixels = new Uint8Array(PICTURE.width * PICTURE.height * 3);
	let at = 0;
	for (let y = 0; y < PICTURE.height; y++) {
		for (let x = 0; x < PICTURE.width; x++) {
			const bar = BARS[Math.floor(x / 80)] ?? 0;
			const colour = y < 360 ? bar : ((x & 255) << 16) | ((y & 255) << 8) | ((x ^ y) & 255);
			pixels[at++] = colour >> 16;
			pixels[at++] = (colour >> 8) & 255;
			pixels[at++] = colour & 255;
		}
	}
	return pixels;
}
