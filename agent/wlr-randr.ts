/** Asks and tells the session's compositor about its screen. */
import { readdirSync } from "node:fs";
import { GUEST_UID, GUEST_USER } from "../src/wire/names.ts";
import { becomeArgv, findAccount } from "./users.ts";

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
