/** `virtualghost gpu restore [BDF]`: gives back what `gpu apply`, or a run that was killed, has taken. */
import { EXIT } from "../errors.ts";
import { Interrupts } from "../interrupts.ts";
import { problemOf } from "../vfio/bind.ts";
import { isRestored } from "../vfio/give-back.ts";
import type { RestoredCard } from "../vfio/messages.ts";
import { pendingJournals, restoreByHelper } from "../vfio/pending.ts";
import { checkRestored } from "../vfio/take.ts";
import { shown } from "../vfio/text.ts";
import type { Context } from "./context.ts";
import { type GpuFlags, requireBdf } from "./gpu.ts";
import { print } from "./output.ts";

/** @throws Fault that names what did not come back */
export async function gpuRestore(context: Context, flags: GpuFlags): Promise<number> {
	const gpu = flags.bdf === undefined ? null : requireBdf(flags);
	const pending = pendingJournals().filter(({ bdf, functions }) => {
		return gpu === null || bdf === gpu || functions.some((each) => each.bdf === gpu);
	});
	if (pending.length === 0) {
		print(`nothing to restore: virtualghost has taken ${gpu === null ? "no card" : `nothing of ${gpu}`}\n`);
		return EXIT.ok;
	}
	if (pending.every(({ state }) => state === "void") && process.getuid?.() !== 0) {
		print("nothing to restore: this system was restarted since, so every device has its driver again\n");
		return EXIT.ok;
	}
	using interrupts = new Interrupts();
	const cards = await restoreByHelper(gpu, context.env, interrupts.signal);
	print(cards.flatMap(describe).join(""));
	checkRestored(cards);
	return EXIT.ok;
}

function describe(card: RestoredCard): string[] {
	if (card.void) return [`${card.gpu}: this system was restarted since; the journal was removed\n`];
	return [
		...card.functions
			.filter((each) => problemOf(each).length === 0)
			.map(({ bdf, now }) => `${bdf}: back with ${now === null ? "no driver" : shown(now)}\n`),
		...(isRestored(card) ? [] : [`${card.gpu}: not everything came back\n`]),
	];
}
