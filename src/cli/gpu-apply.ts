/** `virtualghost gpu apply BDF`: binds a card for good (until `gpu restore` or a restart), so that runs with it need no root. */
import { EXIT } from "../errors.ts";
import { Interrupts } from "../interrupts.ts";
import { Helper } from "../vfio/helper.ts";
import { checkedPlan, readiness } from "../vfio/take.ts";
import { shown } from "../vfio/text.ts";
import type { Context } from "./context.ts";
import { type GpuFlags, requireBdf } from "./gpu.ts";
import { print } from "./output.ts";

/** @throws Fault listing every obstacle before anything is changed */
export async function gpuApply(context: Context, flags: GpuFlags): Promise<number> {
	const gpu = requireBdf(flags);
	const { prebound } = checkedPlan(gpu, flags.force, null);
	// Root can open every node; whether it is the asking user's is the helper's to see.
	if (prebound && process.getuid?.() !== 0) {
		print(`${gpu} is bound to vfio-pci and yours already: nothing to do\n`);
		return EXIT.ok;
	}
	const request = { verb: "bind", gpu, force: flags.force } as const;
	using interrupts = new Interrupts();
	await using helper = Helper.start(request, context.env);
	const message = await readiness(helper, request, interrupts.signal);
	if ("bound" in message) print(message.bound.did.map((line) => `${shown(line)}\n`).join(""));
	print(
		`\`virtualghost run --gpu ${gpu}\` needs no root now; \`virtualghost gpu restore ${gpu}\` gives the card back\n`,
	);
	return EXIT.ok;
}
