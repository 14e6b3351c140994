/** The window on the host: its title, how it opens, how large things are drawn in it, and the keyboard before it. Pure. */
import { isKeymap, parseWindowSize } from "../config/display-kinds.ts";
import type { Config } from "../config/schema.ts";
import type { HostFacts } from "./facts.ts";
import type { Display } from "./machine-plan.ts";

/** Room for a terminal of some 150 by 45 characters. */
const WIDTH = 1280;
const HEIGHT = 800;

export type Scale = 1 | 1.5 | 2;

export interface WindowPlan {
	readonly title: string;
	/** First size in pixels; also that of the guest's screen before a window says otherwise. */
	readonly width: number;
	readonly height: number;
	readonly state: "plain" | "maximized" | "fullscreen";
	readonly scale: Scale;
	/** `layout[:variant[:options]]`; null for the guest's own, a US keyboard. */
	readonly keymap: string | null;
}

/** The window that a machine has which becomes a snapshot: what that has drawn is right as it is. */
export function isUsualWindow({ width, height, state, scale }: WindowPlan): boolean {
	return width === WIDTH && height === HEIGHT && state === "plain" && scale === 1;
}

/** `policy` is what the user should always see of it, such as "[offline]"; it may be empty. */
export function windowTitle(name: string | undefined, policy: string): string {
	return [name === undefined ? "VirtualGhost" : `VirtualGhost — ${name}`, policy].filter(Boolean).join(" ");
}

export function decideWindow(
	config: Config,
	host: Pick<HostFacts, "desktop">,
	display: Display,
	title: string,
	reasons: string[],
): WindowPlan {
	const wish = config.display.window;
	const size = parseWindowSize(wish);
	const scale = display === "none" ? 1 : decideScale(config, host, reasons);
	return {
		title,
		width: size?.width ?? WIDTH * scale,
		height: size?.height ?? HEIGHT * scale,
		state: wish === "fullscreen" || wish === "maximized" ? wish : "plain",
		scale,
		keymap: decideKeymap(config, host, reasons),
	};
}

/** The host's, rounded to what looks sharp. */
function decideScale(config: Config, { desktop }: Pick<HostFacts, "desktop">, reasons: string[]): Scale {
	const wish = config.display.scale;
	if (wish !== "auto") return wish === "1" ? 1 : wish === "1.5" ? 1.5 : 2;
	const has = desktop?.scale ?? null;
	if (has === null) return 1;
	const scale = has.value >= 1.75 ? 2 : has.value >= 1.25 ? 1.5 : 1;
	if (scale !== 1) reasons.push(`scale: ${scale} (${has.why})`);
	return scale;
}

function decideKeymap(config: Config, { desktop }: Pick<HostFacts, "desktop">, reasons: string[]): string | null {
	const wish = config.display.keymap;
	if (wish !== "auto") return wish === "us" ? null : wish;
	const has = desktop?.keymap ?? null;
	// It goes on the kernel's command line, whatever a tool of the host's has printed.
	if (has === null || !isKeymap(has.value) || has.value === "us") return null;
	reasons.push(`keymap: ${has.value} (${has.why})`);
	return has.value;
}
