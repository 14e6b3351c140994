/** The size of the session's screen, asked of and told to the compositor (wlr-output-management, through wlr-randr). */
import { readdirSync } from "node:fs";
import { z } from "zod";
import type { ScreenSize } from "../src/wire/control.ts";
import { GUEST_UID, GUEST_USER } from "../src/wire/names.ts";
import { becomeArgv, findAccount } from "./users.ts";

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

/** @throws Error where no session draws, or with its words */
export async function wlrRandr(...args: string[]): Promise<string> {
	const runtime = `/run/user/${GUEST_UID}`;
	const socket = readdirSync(runtime).find((name) => /^wayland-\d+$/.test(name));
	const account = findAccount(GUEST_USER);
	if (!socket || !account) throw new Error("no session draws");
	const child = Bun.spawn(becomeArgv(account, ["wlr-randr", ...args]), {
		env: { ...account.environment, WAYLAND_DISPLAY: socket },
		stdio: ["ignore", "pipe", "pipe"],
	});
	const [stdout, stderr, code] = await Promise.all([
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
		child.exited,
	]);
	if (code !== 0) throw new Error(`wlr-randr: ${stderr.trim().slice(0, 500)}`);
	return stdout;
}
