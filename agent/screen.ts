/** The size of the session's screen, asked of and told to the compositor (wlr-output-management, through wlr-randr). */
import { z } from "zod";
import type { ScreenSize } from "../src/wire/control.ts";
import { wlrRandr } from "./wlr-randr.ts";

const outputsSchema = z.array(
	z.object({
		name: z.string(),
		modes: z.array(z.object({ width: z.number(), height: z.number(), current: z.boolean() })),
	}),
);

/** @throws Error where no session draws, or the size cannot be had. */
export async function changeScreen(size: ScreenSize | undefined): Promise<ScreenSize> {
	const [output] = await outputs();
	if (!output) throw new Error("the session has no screen");
	if (size) await wlrRandr("--output", output.name, "--custom-mode", `${size.width}x${size.height}`);
	const [after] = size ? await outputs() : [output];
	const mode = after?.modes.find(({ current }) => current);
	if (!mode) throw new Error("the screen is off");
	return { width: mode.width, height: mode.height };
}

async function outputs() {
	return outputsSchema.parse(JSON.parse(await wlrRandr("--json")));
}
